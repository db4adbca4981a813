/* Every spelling that the instruction table accepts loads with operands of the kinds that its row names: each has its
 * semantics, and the notation in the table is true. Rows with very many spellings (loads with all their hints) are sampled
 * evenly. Prints how many were tried. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ptx/matrix.h"
#include "ptx/ptx.h"
#include "spelt.h"

static size_t row_index, tried, failed, skipped, spelled, stride;

static const char *reg(enum ptx_type type, int n) {
    static char names[8][16];
    static int turn;
    char *name = names[turn++ & 7];
    char class = type == T_PRED ? 'p' : type == T_B8 ? 'b' : ptx_types[type].bytes <= 2 ? 'h' : ptx_types[type].bytes == 4 ? 'r' : ptx_types[type].bytes == 8 ? 'd' : 'q';
    snprintf(name, 16, "%%%c%d", class, n);
    return name;
}

static enum ptx_type type_of(const struct row_match *m, const char *notation, size_t length) {
    if (length == 1 && notation[0] >= '0' && notation[0] <= '9') return match_type(m, (unsigned)(notation[0] - '0'));
    if (notation[0] == 'w') return ptx_types[match_type(m, (unsigned)(notation[1] - '0'))].bytes == 2 ? T_B32 : T_B64;
    return ptx_type_named(notation, (int)length);
}

/* The bracketed and braced operands of textures and surfaces: `role` as instructions.def has it. */
static void image_operand(char role, const struct opcode *o, enum row_kind kind, unsigned vec, enum ptx_type memory, char *one, size_t size) {
    bool three = opcode_has(o, "3d") || opcode_has(o, "cube"), two = opcode_has(o, "2d"), a1 = opcode_has(o, "a1d"), layered = opcode_has(o, "a2d") || opcode_has(o, "acube");
    const char *coordinates = a1 ? "%r8,%r9" : layered || three ? "%r8,%r9,%r10,%r11" : two ? "%r8,%r9" : "%r8";
    const char *gradient = three || opcode_has(o, "acube") ? "{%r8,%r9,%r10,%r11}" : two || opcode_has(o, "a2d") ? "{%r8,%r9}" : "{%r8}";
    if (role == 'T') snprintf(one, size, "[%%d7, {%s}]", coordinates);
    else if (role == 'B') snprintf(one, size, "[%%d7]");
    else if (role == 'Y') snprintf(one, size, "%%d7");
    else if (role == 'Z') snprintf(one, size, "%%r12");
    else if (role == 'G') snprintf(one, size, "%s", gradient);
    else { /* R, W: a vector of the type that the words name */
        enum ptx_type type = memory;
        if (role == 'R') type = opcode_has(o, "f16") ? T_F16 : T_B32; /* the last word is the coordinates' */
        if (type == T_B8) type = T_B16;
        if (kind == KIND_SURED) vec = 1;
        size_t n = 0;
        for (unsigned v = 0; v < vec; v++) n += (size_t)snprintf(one + n, size - n, "%s%s", v ? "," : "{", reg(type, (int)v));
        snprintf(one + n, size - n, "}");
    }
}

static void each(void *context, const char *spelling) {
    (void)context;
    if (spelled++ % stride) return;
    struct opcode opcode = split(spelling);
    struct row_match m;
    if (!table_match(&opcode, &m)) {
        printf("%s: no row matches it\n", spelling);
        failed++;
        return;
    }
    if (m.row->kind == KIND_CALL) { /* programs.c calls */
        skipped++;
        return;
    }
    char operands[1024] = "";
    size_t n = 0;
    int d = 0, s = 4;
    unsigned vec = opcode_has(&opcode, "v2") ? 2 : opcode_has(&opcode, "v4") ? 4 : opcode_has(&opcode, "v8") ? 8 : 1;
    enum ptx_type memory = T_NONE;
    for (uint32_t i = 0; i < opcode.count; i++)
        if (ptx_type_named(opcode.words[i].text, (int)opcode.words[i].length)) memory = ptx_type_named(opcode.words[i].text, (int)opcode.words[i].length);
    if (vec * ptx_types[memory].bytes > 32 && (m.row->kind == KIND_LD || m.row->kind == KIND_ST)) {
        skipped++;
        return;
    }
    if (m.row->kind == KIND_WGMMA) { /* D, A's and B's descriptors, scale-d, and what the types want */
        unsigned columns = 0;
        bool halves = strstr(spelling, ".f16.f16") || strstr(spelling, ".bf16.bf16"), integers = opcode_has(&opcode, "s32");
        sscanf(strstr(spelling, "m64n"), "m64n%u", &columns);
        unsigned count = strstr(spelling, ".f16.f16.f16") || (strstr(spelling, ".f16.e")) ? columns / 4 : columns / 2;
        for (unsigned v = 0; v < count; v++) n += (size_t)snprintf(operands + n, sizeof operands - n, "%s%%r%u", v ? "," : "{", v % 16);
        snprintf(operands + n, sizeof operands - n, "}, %%d1, %%d2, %%p1%s%s", integers ? "" : ", 1, -1", halves ? ", 0, 1" : "");
    }
    bool hint = opcode_has(&opcode, "L2::cache_hint"), packed = m.row->kind == KIND_SETP2;
    for (const char *at = m.row->kind == KIND_WGMMA ? "" : m.row->operands; *at;) {
        size_t length = strcspn(at, " ");
        bool optional = at[length - 1] == '?';
        char role = *at;
        enum ptx_type type = length - optional > 1 ? type_of(&m, at + 1, length - 1 - optional) : T_NONE;
        char one[128] = "";
        bool barrier_count = m.row->kind == KIND_BAR && opcode_has(&opcode, "arrive");
        if (optional && !(type == T_B64 && hint) && !(type == T_U16 && opcode_has(&opcode, "multicast::cluster")) && !barrier_count) {
            /* left out */
        } else if (role == 'W' && m.row->kind == KIND_SURED) {
            snprintf(one, sizeof one, "%s", reg(memory, 0));
        } else if (strchr("RTBWYZG", role)) {
            image_operand(role, &opcode, m.row->kind, vec, memory, one, sizeof one);
        } else if (role == 'D') {
            const bool stateless = m.row->kind == KIND_MBARRIER && opcode_has(&opcode, "shared::cluster");
            snprintf(one, sizeof one, "%s", stateless ? "_" : reg(type, d++));
        } else if (role == 'S') {
            snprintf(one, sizeof one, "%s", reg(type, s++));
        } else if (role == 'P') {
            snprintf(one, sizeof one, packed ? "%%p0|%%p1" : m.row->kind == KIND_LOP3P ? "%%r0|%%p0" : "%%p0");
        } else if (role == 'Q') {
            snprintf(one, sizeof one, m.row->kind == KIND_ELECT ? "%s|%%p0" : "%s", reg(type, d++));
        } else if (role == 'I') {
            snprintf(one, sizeof one, m.row->kind == KIND_CLEAR || m.row->kind == KIND_MATRIX || m.row->kind == KIND_TENSORMAP ? opcode_has(&opcode, "cp_fenceproxy") ? "128" : "0"
                                           : strncmp(spelling, "pmevent", 7) == 0 ? "5" : strncmp(spelling, "setmax", 6) == 0 ? "24" : strncmp(spelling, "fence", 5) == 0 || strncmp(spelling, "discard", 7) == 0 || strncmp(spelling, "applypr", 7) == 0 ? "128" : "16");
        } else if (role == 'C' || role == 'O') { /* a tensor map with coordinates, offsets of im2col */
            unsigned rank = 1;
            for (unsigned n = 2; n <= 5; n++) {
                const char word[] = {(char)('0' + n), 'd', 0};
                if (opcode_has(&opcode, word)) rank = n;
            }
            if (opcode_has(&opcode, "tile::gather4") || opcode_has(&opcode, "tile::scatter4")) rank = 5;
            snprintf(one, sizeof one, role == 'C' ? "[%%d7, {%.*s}]" : "{%.*s}", (int)(4 * (role == 'C' ? rank : rank - 2)) - 1, role == 'C' ? "%r1,%r2,%r3,%r4,%r5," : "%h1,%h2,%h3,");
        } else if (role == 'X') { /* byte and thread of the scales */
            snprintf(one, sizeof one, "{%%h0, 1}");
        } else if (role == 'L') {
            snprintf(one, sizeof one, m.row->kind == KIND_BRX ? "table" : "end");
        } else if (role == 'A') {
            bool function_param = m.row->kind == KIND_ST && (opcode_has(&opcode, "param") || opcode_has(&opcode, "param::func"));
            snprintf(one, sizeof one, function_param ? "[parameter]" : "[%%d7+32]");
        } else if (role == 'V' && type != T_NONE) { /* a vector of its own type, of four where no word says so */
            size_t k = 0;
            for (unsigned v = 0; v < (vec > 1 ? vec : 4); v++) k += (size_t)snprintf(one + k, sizeof one - k, "%s%s", v ? "," : "{", reg(type, (int)v));
            snprintf(one + k, sizeof one - k, "}");
        } else if (role == 'V') {
            size_t k = 0;
            for (unsigned v = 0; v < vec; v++) k += (size_t)snprintf(one + k, sizeof one - k, "%s%s", v ? "," : vec > 1 ? "{" : "", reg(memory, (int)v));
            if (vec > 1) snprintf(one + k, sizeof one - k, "}");
        }
        else if (role == 'M') {
            bool wide;
            unsigned count = matrix_registers(&opcode, at[1] == 'a' ? 1 : at[1] == 'b' ? 2 : at[1] == 'c' ? 3 : 0, &wide);
            size_t k = 0;
            for (unsigned v = 0; v < count; v++) k += (size_t)snprintf(one + k, sizeof one - k, "%s%s", v ? "," : "{", reg(wide ? T_F64 : T_B32, (int)v));
            snprintf(one + k, sizeof one - k, "}");
        }
        if (*one) n += (size_t)snprintf(operands + n, sizeof operands - n, "%s%s", n ? ", " : "", one);
        at += length;
        while (*at == ' ') at++;
    }
    static char text[4096], log[2048];
    bool gone = (strncmp(spelling, "wmma", 4) == 0 && opcode_has(&opcode, "satfinite") && !opcode_has(&opcode, "s32")) || ((strncmp(spelling, "shfl.", 5) == 0 || strncmp(spelling, "vote.", 5) == 0) && !opcode_has(&opcode, "sync")); /* since PTX 6.4 */
    int length = snprintf(text, sizeof text,
                          ".version %s\n.target %s\n.address_size 64\n.visible .entry k() {\n.reg .pred %%p<8>; .reg .b8 %%b<16>; .reg .b16 %%h<16>; .reg .b32 %%r<16>; .reg .b64 %%d<16>; .reg .b128 %%q<16>;\n"
                          ".param .align 32 .b8 parameter[64];\ntable: .branchtargets end, end;\n%s %s;\nend: ret;\n}\n",
                          gone ? "6.3" : "9.0", gone ? "sm_70" : "sm_100a", spelling, operands);
    struct ptx_module *module;
    tried++;
    if (ptx_module_load(text, (size_t)length, NULL, &module, log, sizeof log) != PTX_OK) {
        if (failed++ < 60) printf("%s %s;  %s", spelling, operands, log);
        return;
    }
    ptx_module_free(module);
}

static void count(void *context, const char *spelling) {
    (void)spelling;
    ++*(size_t *)context;
}

int main(void) {
    const char *pattern, *operands, *section, *note;
    for (row_index = 0; ptx_table_row(row_index, &pattern, &operands, &section, &note); row_index++) {
        size_t n = 0;
        ptx_table_expand(row_index, count, &n);
        spelled = 0;
        stride = n > 2000 ? n / 1000 | 1 : 1;
        ptx_table_expand(row_index, each, NULL);
    }
    printf("%zu rows, %zu spellings tried, %zu left out, %zu refused\n", row_index, tried, skipped, failed);
    return failed || tried < 3000;
}
