/*
 * Lanes of a warp that read one address together read one value, while blocks on other workers write it: GCC's offloading has all lanes do
 * what one would do, and a warp whose lanes disagreed would wait at a barrier for ever.
 */
#include "device.h"

static const char head[] = ".version 8.0\n.target sm_80\n.address_size 64\n";

/* Odd blocks count up; even ones look, all of their lanes or those from 15 on, and count the looks whose lanes disagreed. */
static void look(const char *load, const char *leave) {
    static char text[4096];
    snprintf(text, sizeof text,
             "%s.visible .entry k(.param .u64 word, .param .u64 wrong) {\n.reg .pred %%p<4>; .reg .b32 %%r<16>; .reg .b64 %%d<4>;\n"
             "ld.param.u64 %%d1, [word]; ld.param.u64 %%d2, [wrong];\nmov.u32 %%r1, %%ctaid.x; and.b32 %%r1, %%r1, 1; setp.ne.u32 %%p1, %%r1, 0; mov.u32 %%r2, %%laneid; mov.u32 %%r5, 0;\n"
             "@%%p1 bra WRITE;\n%s\nactivemask.b32 %%r9;\nLOOK: %s\n"
             "shfl.sync.idx.b32 %%r6, %%r3, 31, 31, %%r9; setp.ne.u32 %%p2, %%r6, %%r3; @%%p2 red.global.add.u32 [%%d2], 1;\n"
             "add.u32 %%r5, %%r5, 1; setp.lt.u32 %%p3, %%r5, 20000; @%%p3 bra LOOK;\nret;\n"
             "WRITE: red.global.add.u32 [%%d1], 1; red.global.add.u32 [%%d1+4], 1;\nadd.u32 %%r5, %%r5, 1; setp.lt.u32 %%p3, %%r5, 4000; @%%p3 bra WRITE;\nret;\n}\n",
             head, leave, load);
    struct program p = program_load(text);
    uint64_t word = device_alloc(16), wrong = device_alloc(4);
    LAUNCH(&p, "k", D3(8, 1, 1), D3(32, 1, 1), 0, &word, &wrong);
    uint32_t counted;
    memcpy(&counted, host_of(wrong), 4);
    if (counted) die("%s: lanes disagreed %u times", load, counted);
    program_free(&p);
}

int main(void) {
    static const char *loads[] = {
        "ld.global.u32 %r3, [%d1];", "ld.u32 %r3, [%d1];", "ld.volatile.global.u32 %r3, [%d1];", "ld.relaxed.gpu.global.u32 %r3, [%d1];",
        "ld.global.v2.u32 {%r3, %r4}, [%d1];", "ld.volatile.global.v2.u32 {%r4, %r3}, [%d1];", "ld.global.u8 %r3, [%d1];", "ld.global.s16 %r3, [%d1];",
    };
    device_workers = 2;
    for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++) {
        look(loads[i], "");
        look(loads[i], "setp.lt.u32 %p2, %r2, 15; @%p2 ret;");
    }
    for (size_t i = 0; i < device.count; i++) free(device.list[i].host);
    return 0;
}
