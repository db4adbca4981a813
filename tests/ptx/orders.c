/* Modifiers in orders that the PTX documentation does not give, but ptxas takes and compilers write: each is the row of the
 * documented order, with the words put back into it. Where order is meaning (types, state spaces) it stays. */
#include <stdio.h>
#include <string.h>

#include "spelt.h"

static const char *joined(const struct opcode *opcode) {
    static char text[256];
    size_t n = (size_t)snprintf(text, sizeof text, "%.*s", (int)opcode->name_length, opcode->name);
    for (uint32_t i = 0; i < opcode->count; i++) n += (size_t)snprintf(text + n, sizeof text - n, ".%.*s", (int)opcode->words[i].length, opcode->words[i].text);
    return text;
}

/* ptxas 13.0 assembles each of the first for sm_90. */
static const char *const same[][2] = {
    {"atom.global.sys.add.u32", "atom.sys.global.add.u32"}, /* nvcc's atomicAdd_system */
    {"atom.shared.cta.cas.b32", "atom.cta.shared.cas.b32"},
    {"atom.u32.global.add", "atom.global.add.u32"},
    {"atom.global.cas.sys.b32", "atom.sys.global.cas.b32"},
    {"red.add.global.u32", "red.global.add.u32"},
    {"vote.ballot.sync.b32", "vote.sync.ballot.b32"}, /* CUB's */
    {"shfl.bfly.sync.b32", "shfl.sync.bfly.b32"},
    {"ld.global.relaxed.gpu.u32", "ld.relaxed.gpu.global.u32"},
    {"ld.v2.global.u32", "ld.global.v2.u32"},
    {"ld.global.u32.v2", "ld.global.v2.u32"},
    {"ld.nc.global.u32", "ld.global.nc.u32"},
    {"st.relaxed.global.gpu.v2.u32", "st.relaxed.gpu.global.v2.u32"},
    {"setp.s32.lt", "setp.lt.s32"},
    {"setp.and.lt.s32", "setp.lt.and.s32"},
    {"cvt.f32.rn.s32", "cvt.rn.f32.s32"},
    {"cvt.s32.f32.rzi", "cvt.rzi.s32.f32"},
    {"cvt.sat.rn.f32.f64", "cvt.rn.sat.f32.f64"},
    {"fma.ftz.rn.f32", "fma.rn.ftz.f32"},
    {"fma.f32.rn", "fma.rn.f32"},
    {"rcp.ftz.approx.f32", "rcp.approx.ftz.f32"},
    {"min.NaN.ftz.f32", "min.ftz.NaN.f32"},
    {"fence.gpu.sc", "fence.sc.gpu"},
    {"mbarrier.init.b64.shared", "mbarrier.init.shared.b64"},
};

static const char *const refused[] = {
    "cvt.s32.f64",                   /* not cvt.f64.s32 */
    "cvt.rn.s32.f32",                /* nor cvt.rn.f32.s32 */
    "mul.s32.lo",
    "mad.s32.lo",
    "cp.async.ca.global.shared",
    "add.u32.u32",
    "atom.global.sys.gpu.add.u32",
};

int main(void) {
    int wrong = 0;
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        struct opcode written = split(same[i][0]), documented = split(same[i][1]);
        struct row_match a, b;
        char before[256];
        snprintf(before, sizeof before, "%s", same[i][1]);
        if (!table_match(&documented, &b) || strcmp(joined(&documented), before) != 0) wrong += printf("%s: the documented order is not matched as it is\n", before) > 0;
        else if (!table_match(&written, &a)) wrong += printf("%s: not matched\n", same[i][0]) > 0;
        else if (a.row->kind != b.row->kind || strcmp(joined(&written), before) != 0) wrong += printf("%s became %s, not %s\n", same[i][0], joined(&written), before) > 0;
    }
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct opcode opcode = split(refused[i]);
        struct row_match match;
        if (table_match(&opcode, &match)) wrong += printf("%s is taken for %s\n", refused[i], joined(&opcode)) > 0;
    }
    return wrong != 0;
}
