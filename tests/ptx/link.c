/* Linking as cuLink* does, in the styles of GCC's nvptx back end (many small texts, names with '%', frames in local memory)
 * and of compilers that keep parameters in registers; what a module tells about itself. */
#include "device.h"

#define HEAD ".version 6.0\n.target sm_35\n.address_size 64\n"
static const char *const add_text = HEAD
    "// BEGIN GLOBAL FUNCTION DECL: add\n.visible .func (.param.u32 %value_out) add (.param.u32 %in_ar0, .param.u64 %in_ar1);\n"
    "// BEGIN GLOBAL VAR DEF: shared_words\n.visible .shared .align 8 .u64 shared_words[4];\n.visible .global .align 4 .u32 counter[2] = { 7, 9 };\n"
    ".common .global .align 4 .u32 common_word[1];\n.weak .global .align 4 .u32 weak_word = 1;\n"
    ".visible .func (.param.u32 %value_out) add (.param.u32 %in_ar0, .param.u64 %in_ar1)\n{\n\t.reg.u32 %value;\n\t.reg.u32 %ar0;\n\tld.param.u32 %ar0, [%in_ar0];\n\t.reg.u64 %ar1;\n\tld.param.u64 %ar1, [%in_ar1];\n"
    "\t.local .align 16 .b8 %frame_ar[16];\n\t.reg.u64 %frame;\n\tcvta.local.u64 %frame, %frame_ar;\n\t.reg.u32 %r22;\n\t.reg.u32 %r23;\n\t.reg.u64 %r24;\n"
    "\t\tst.u32\t[%frame], %ar0;\n\t\tmov.u64\t%r24, counter;\n\t\tld.u32\t%r22, [%r24+4];\n\t\tld.u32\t%r23, [%frame];\n\t\tadd.u32\t%r22, %r22, %r23;\n\t\tcvt.u32.u64\t%r23, %ar1;\n\t\tadd.u32\t%value, %r22, %r23;\n"
    "\tst.param.u32\t[%value_out], %value;\n\tret;\n}\n";
static const char *const main_text = HEAD
    ".extern .func (.param.u32 %value_out) add (.param.u32 %in_ar0, .param.u64 %in_ar1);\n.extern .shared .align 8 .u64 shared_words[4];\n.extern .global .align 4 .u32 counter[2];\n"
    ".common .global .align 8 .u32 common_word[6];\n.weak .global .align 4 .u32 weak_word = 2;\n.visible .global .align 4 .u32 weak_word2 = 5;\n"
    ".func (.reg .u32 result) in_registers (.reg .u32 x, .reg .pred big)\n{\n\tselp.u32 result, 100, 200, big;\n\tadd.u32 result, result, x;\n\tret;\n}\n"
    ".const .align 8 .u64 table[3] = { add, generic(counter)+4, 12 };\n.visible .global .align 1 .b8 bytes[8] = { 0xff(counter), 0xff00(counter), 0xff0000(counter), 0xff000000(counter), 0xff00000000(counter), 0xff0000000000(counter), 0xff000000000000(counter), 0xff00000000000000(counter) };\n"
    ".visible .entry k (.param .u64 out, .param .align 8 .b8 s[12], .param .u8 last) .maxntid 64, 2, 1 .minnctapersm 3\n{\n\t.reg .u64 %o; .reg .u32 %r<10>; .reg .u64 %d<10>; .reg .pred %p<4>;\n"
    "\tld.param.u64 %o, [out];\n\tmov.u32 %r0, %tid.x;\n\tmul.wide.u32 %d1, %r0, 24;\n\tadd.u64 %o, %o, %d1;\n"
    "\t{\n\t.param.u32 %value_in;\n\t.param.u32 %out_arg1;\n\tst.param.u32 [%out_arg1], %r0;\n\t.param.u64 %out_arg2;\n\tst.param.u64 [%out_arg2], 1000;\n\tcall (%value_in), add, (%out_arg1, %out_arg2);\n\tld.param.u32 %r1, [%value_in];\n\t}\n"
    "\tst.global.u32 [%o], %r1;\n\tsetp.gt.u32 %p1, %r0, 9;\n\tcall (%r2), in_registers, (%r0, %p1);\n\tst.global.u32 [%o+4], %r2;\n"
    "\tld.const.u64 %d2, [table];\nproto: .callprototype (.param.u32 _) _ (.param.u32 _, .param.u64 _);\n\t{\n\t.param.u32 r; .param.u32 x; .param.u64 y;\n\tst.param.u32 [x], 1;\n\tst.param.u64 [y], %d1;\n\tcall (r), %d2, (x, y), proto;\n\tld.param.u32 %r3, [r];\n\t}\n"
    "\tst.global.u32 [%o+8], %r3;\n\tld.const.u64 %d3, [table+8];\n\tld.u32 %r4, [%d3];\n\tst.global.u32 [%o+12], %r4;\n\tmov.u64 %d4, shared_words;\n\tst.shared.u64 [%d4+8], 77;\n\tcvta.shared.u64 %d4, %d4;\n\tld.u64 %d5, [%d4+8];\n\tst.global.u64 [%o+16], %d5;\n\tret;\n}\n";

/* Texts whose linking took the square of their length and more: minutes, where a linear linker takes less than a second. */
static void large_texts(void) {
    enum { VARIABLES = 20000, KERNELS = 40, LABELS = 30000 };
    char *text = malloc(100 * VARIABLES + 200 * KERNELS + 200 * LABELS), *at = text + sprintf(text, HEAD);
    for (int i = 0; i < VARIABLES; i++) at += sprintf(at, ".shared .b8 v%d;\n", i);
    at += sprintf(at, ".func all() {\n.reg .b64 %%d;\n");
    for (int i = 0; i < VARIABLES; i++) at += sprintf(at, "mov.u64 %%d, v%d;\n", i);
    at += sprintf(at, "ret; }\n");
    for (int i = 0; i < KERNELS; i++) at += sprintf(at, ".visible .entry k%d() { call all, (); ret; }\n", i);
    struct program p = program_load(text);
    for (int i = 0; i < KERNELS; i++) {
        struct ptx_kernel_info info;
        char name[16];
        sprintf(name, "k%d", i);
        ptx_kernel_info(program_kernel(&p, name), &info);
        if (info.shared_bytes != VARIABLES) die("%s has %u bytes of shared memory", name, info.shared_bytes);
    }
    program_free(&p);
    at = text + sprintf(text, HEAD ".visible .entry k(.param .u64 out) {\n.reg .b64 %%o; .reg .u32 %%r<3>;\nld.param.u64 %%o, [out];\nmov.u32 %%r0, 0;\n");
    for (int i = 0; i < LABELS; i++) at += sprintf(at, "bra L%d;\nadd.u32 %%r0, %%r0, 100;\nL%d: add.u32 %%r0, %%r0, 1;\n", i, i);
    sprintf(at, "st.global.u32 [%%o], %%r0;\nret; }\n");
    p = program_load(text);
    uint64_t out = device_alloc(4);
    LAUNCH(&p, "k", D3(1, 1, 1), D3(1, 1, 1), 0, &out);
    if (*(uint32_t *)host_of(out) != LABELS) die("%u labels", *(uint32_t *)host_of(out));
    program_free(&p);
    free(text);
}

int main(void) {
    large_texts();
    struct ptx_text texts[2] = {{main_text, strlen(main_text), "main.o"}, {add_text, strlen(add_text), "add.o"}};
    for (int order = 0; order < 2; order++) {
        struct program p = program_link(texts, 2);
        struct ptx_kernel_info info;
        struct ptx_param_info param;
        ptx_kernel_info(program_kernel(&p, "k"), &info);
        if (info.param_count != 3 || info.param_bytes != 21 || info.shared_bytes != 32 || info.max_threads != 128 || info.min_blocks != 3 || info.registers < 8) die("kernel info: %u %u %u", info.param_bytes, info.shared_bytes, info.max_threads);
        if (!ptx_kernel_param(program_kernel(&p, "k"), 2, &param) || param.offset != 20 || param.size != 1 || ptx_kernel_param(program_kernel(&p, "k"), 3, &param)) die("parameters");
        for (size_t i = 0; i < ptx_global_count(p.module); i++) {
            struct ptx_global_info global;
            ptx_global_at(p.module, i, &global);
            if (strcmp(global.name, "common_word") == 0 && (global.size != 24 || !global.visible)) die("the largest .common wins, not %llu bytes", (unsigned long long)global.size);
            if (strcmp(global.name, "table") == 0 && (!global.constant || global.visible)) die("table");
        }
        uint64_t counter = program_global(&p, "counter"), out = device_alloc(64 * 24);
        if (memcmp(host_of(program_global(&p, "bytes")), &counter, 8) != 0) die("an address byte by byte");
        uint32_t *z = host_of(out);
        unsigned char s[12] = {0}, last = 1;
        LAUNCH(&p, "k", D3(1, 1, 1), D3(64, 1, 1), 0, &out, s, &last);
        for (uint32_t i = 0; i < 64; i++, z += 6)
            if (z[0] != i + 9 + 1000 || z[1] != i + (i > 9 ? 100 : 200) || z[2] != 1 + 9 + i * 24 || z[3] != 9 || z[4] != 77) die("thread %u: %u %u %u %u %u", i, z[0], z[1], z[2], z[3], z[4]);
        program_free(&p);
        struct ptx_text swap = texts[0];
        texts[0] = texts[1];
        texts[1] = swap;
    }
    static char log[4096];
    struct ptx_module *module;
    struct ptx_text twice[3] = {texts[1], texts[0], texts[1]};
    if (ptx_module_link(twice, 3, NULL, &module, log, sizeof log) != PTX_INVALID || !strstr(log, "'add' is defined in add.o already")) die("twice: %s", log);
    if (ptx_module_link(texts, 1, NULL, &module, log, sizeof log) != PTX_UNRESOLVED || !strstr(log, "'add', used by 'k', is defined nowhere")) die("unresolved: %s", log);
    for (size_t i = 0; i < device.count; i++) free(device.list[i].host);
    puts("done");
    return 0;
}
