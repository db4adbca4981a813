/* Tensor copies against loops over elements: ranks 1 to 5, every type's width, boxes that stick out at both ends, strides, swizzles (here
 * as the exchange of chunks within lines of 128 bytes that the PTX ISA draws), stores, reductions, im2col, four rows gathered and
 * scattered, multicast; maps that kernels change; and what is refused. */
#include "one.h"
#include "ptx/tensormap.h"

static uint64_t seed = 42;
static uint32_t rnd(uint32_t n) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (uint32_t)(seed >> 33) % n;
}

enum { SHARED = 32768 };
static uint64_t tensor, map_at, coords_at, out;
static struct ptx_fault fault;

/* Thread 0 copies; then all of shared memory goes out. Coordinates (and offsets behind them) come from memory. */
static enum ptx_fault_kind run(const char *copy, const char *before, int count, int offsets, const char *wait, uint32_t bytes, uint32_t blocks, uint32_t cluster) {
    static char text[8192];
    int n = snprintf(text, sizeof text, ".version 9.0\n.target sm_100a\n.address_size 64\n.shared .align 1024 .b8 box[%d];\n.shared .align 128 .b8 copy[128];\n.shared .align 8 .b64 bar;\n.visible .entry k(.param .u64 map, .param .u64 coords, .param .u64 out, .param .align 64 .b8 direct[128]) {\n.reg .pred %%p<4>; .reg .b16 %%h<8>; .reg .b32 %%r<20>; .reg .b64 %%d<12>;\n"
                                        "ld.param.u64 %%d1, [map]; ld.param.u64 %%d2, [coords]; ld.param.u64 %%d3, [out]; mov.u32 %%r16, %%tid.x; mov.u32 %%r19, %%ctaid.x; mul.wide.u32 %%d7, %%r19, %d; add.u64 %%d3, %%d3, %%d7; mov.b64 %%d8, direct; cvta.param.u64 %%d8, %%d8;\n", SHARED, SHARED);
    for (int i = 0; i < count; i++) n += snprintf(text + n, sizeof text - (size_t)n, "ld.global.u32 %%r%d, [%%d2+%d];\n", i, 4 * i);
    for (int i = 0; i < offsets; i++) n += snprintf(text + n, sizeof text - (size_t)n, "ld.global.u16 %%h%d, [%%d2+%d];\n", i, 32 + 4 * i);
    snprintf(text + n, sizeof text - (size_t)n, "shl.b32 %%r17, %%r16, 3; mov.u32 %%r18, box; add.u32 %%r18, %%r18, %%r17; cvt.u64.u32 %%d4, %%r17; add.u64 %%d4, %%d3, %%d4;\n%s\n"
             "setp.ne.u32 %%p1, %%r16, 0; @%%p1 bra over; mbarrier.init.shared.b64 [bar], 1; %s barrier.cluster.arrive; barrier.cluster.wait; %s %s\n bra ready;\nover: barrier.cluster.arrive; barrier.cluster.wait;\nready: bar.sync 0; mov.u32 %%r17, 0;\nagain: ld.shared.u64 %%d5, [%%r18]; st.global.u64 [%%d4], %%d5; add.u32 %%r18, %%r18, 512; add.u64 %%d4, %%d4, 512; add.u32 %%r17, %%r17, 512; setp.lt.u32 %%p2, %%r17, %d; @%%p2 bra again; ret;\n}\n",
             before, bytes ? "mbarrier.arrive.expect_tx.shared.b64 _, [bar], %s;" + 0 : "", copy, wait, SHARED);
    char expect[16], whole[9000];
    snprintf(expect, sizeof expect, "%u", bytes);
    char *hole = bytes ? strstr(text, ", %s;") : NULL;
    if (hole) snprintf(whole, sizeof whole, "%.*s, %s;%s", (int)(hole - text), text, expect, hole + 5);
    else snprintf(whole, sizeof whole, "%s", text);
    struct program p = program_load(whole);
    memcpy(device_cluster, D3(cluster, 1, 1), sizeof device_cluster);
    unsigned char direct[128];
    memcpy(direct, host_of(map_at), 128);
    enum ptx_fault_kind kind = launch_raw(&p, "k", D3(blocks, 1, 1), D3(64, 1, 1), 0, false, &fault, ARGS(&map_at, &coords_at, &out, direct));
    program_free(&p);
    return kind;
}

#define WAIT "wait: mbarrier.try_wait.parity.shared.b64 %p3, [bar], 0; @!%p3 bra wait;"
static void run_ok(int line, const char *copy, const char *before, int count, int offsets, const char *wait, uint32_t bytes, uint32_t blocks) {
    if (run(copy, before, count, offsets, wait, bytes, blocks, blocks) != PTX_FAULT_NONE) die("line %d: %s", line, fault.message);
}

static struct tensor_map *fresh(enum tensor_type type, int rank, int inner_bytes) {
    struct tensor_map *m = host_of(map_at);
    const uint32_t width = tensor_type_bytes(type);
    *m = (struct tensor_map){.magic = TENSOR_MAP_MAGIC, .type = (uint8_t)type, .rank = (uint8_t)rank, .address = tensor};
    uint64_t stride = 0;
    for (int i = 0; i < rank; i++) {
        m->dim[i] = 1 + rnd(i ? rank > 3 ? 4 : 12 : 80);
        m->box[i] = (uint16_t)(i ? 1 + rnd(i == 1 ? 8 : 3) : (uint32_t)inner_bytes / width);
        m->element_stride[i] = (uint8_t)(i ? 1 + rnd(3) : 1);
        if (i == 0) stride = ((m->dim[0] + 1) * width + 15) / 16 * 16 + 16 * rnd(2);
        else {
            m->stride[i - 1] = stride;
            stride *= m->dim[i] + 1;
        }
    }
    return m;
}

/* The offset of byte `at` of the box in shared memory: its chunk of 16 bytes within its line of 128, exchanged by the line's number. */
static uint32_t place(enum tensor_swizzle swizzle, uint32_t at) {
    const uint32_t line = at / 128, chunk = at / 16 % 8;
    static const uint32_t lines[] = {1, 2, 4, 8, 4, 4, 2}, atom[] = {1, 1, 1, 1, 2, 2, 4};
    const uint32_t moved = swizzle ? (chunk / atom[swizzle] ^ line % lines[swizzle]) * atom[swizzle] + chunk % atom[swizzle] : chunk;
    uint32_t byte = at % 16;
    if (swizzle == SWIZZLE_128_ATOM_32_FLIP_8 && line % 2) byte ^= 8;
    return line * 128 + moved * 16 + byte;
}

/* A tiled box: for each element, its place in shared memory and its address in the tensor (0: outside). */
static uint32_t each_element(const struct tensor_map *m, const int32_t *at, void (*with)(uint32_t where, uint64_t address, uint32_t width)) {
    const uint32_t width = tensor_type_bytes((enum tensor_type)m->type);
    uint32_t n[5] = {1, 1, 1, 1, 1}, number = 0;
    for (int i = 0; i < m->rank; i++) n[i] = (m->box[i] + m->element_stride[i] - 1u) / m->element_stride[i];
    for (uint32_t e = 0; e < n[4]; e++)
        for (uint32_t d = 0; d < n[3]; d++)
            for (uint32_t c = 0; c < n[2]; c++)
                for (uint32_t b = 0; b < n[1]; b++)
                    for (uint32_t a = 0; a < n[0]; a++, number++) {
                        const uint32_t index[5] = {a, b, c, d, e};
                        uint64_t address = m->address;
                        for (int i = 0; i < m->rank; i++) {
                            const int64_t x = at[i] + (int64_t)index[i] * m->element_stride[i];
                            if (x < 0 || x > m->dim[i]) address = 0;
                            if (address) address += (uint64_t)x * (i ? m->stride[i - 1] : width);
                        }
                        with(number * width, address, width);
                    }
    return number * width;
}

static const struct tensor_map *current;
static unsigned char *shared_image, before_image[SHARED];
static void check_load(uint32_t where, uint64_t address, uint32_t width) {
    static const uint64_t nan[TENSOR_TYPES] = {[TENSOR_F16] = 0x7ffe, [TENSOR_BF16] = 0x7ffe, [TENSOR_F32] = 0x7ffffffe, [TENSOR_F64] = 0x7ffffffffffffffe};
    uint64_t want = current->nan_fill ? nan[current->type] : 0, got = 0;
    if (address) want = 0, memcpy(&want, host_of(address), width);
    if (address && current->type == TENSOR_F32_FTZ && !(want & 0x7f800000)) want &= 0x80000000;
    for (uint32_t k = 0; k < width; k++) got |= (uint64_t)shared_image[place((enum tensor_swizzle)current->swizzle, where + k)] << (8 * k);
    if (got != want && wrong++ < 20) printf("rank %d, type %d, swizzle %d: byte %u: %llx, expected %llx\n", current->rank, current->type, current->swizzle, where, (unsigned long long)got, (unsigned long long)want);
}
static unsigned char expected[1 << 20];
static void do_store(uint32_t where, uint64_t address, uint32_t width) {
    for (uint32_t k = 0; address && k < width; k++) expected[address - tensor + k] = before_image[place((enum tensor_swizzle)current->swizzle, where + k)];
}
static void do_add(uint32_t where, uint64_t address, uint32_t width) {
    uint64_t a = 0, b = 0;
    if (!address) return;
    for (uint32_t k = 0; k < width; k++) b |= (uint64_t)before_image[place((enum tensor_swizzle)current->swizzle, where + k)] << (8 * k);
    memcpy(&a, expected + (address - tensor), width);
    a += b;
    memcpy(expected + (address - tensor), &a, width);
}

static void fill_tensor(void) {
    unsigned char *x = host_of(tensor);
    for (int i = 0; i < 1 << 20; i++) x[i] = (unsigned char)(i * 7 + (i >> 8) * 13 + (i >> 16));
    memset(host_of(out), 0xee, 4 * SHARED);
}

#define FILL "mov.u32 %r17, 0; mov.u32 %r15, %r18;\nfill: mul.lo.u32 %r14, %r15, 2654435; cvt.u64.u32 %d6, %r14; st.shared.u64 [%r15], %d6; add.u32 %r15, %r15, 512; add.u32 %r17, %r17, 512; setp.lt.u32 %p2, %r17, 32768; @%p2 bra fill; bar.sync 0;"

int main(void) {
    tensor = device_alloc(1 << 20), map_at = device_alloc(128), coords_at = device_alloc(64), out = device_alloc(4 * SHARED);
    shared_image = host_of(out);
    int32_t *at = host_of(coords_at);
    static const int inner[] = {256, 32, 64, 128, 128, 128, 128}; /* bytes that each swizzle allows */
    for (int times = 0; times < 60; times++) {
        const int rank = 1 + times % 5, swizzle = times / 5 % SWIZZLES;
        const enum tensor_type type = (enum tensor_type)(times % TENSOR_F32_FTZ + (times == 30));
        struct tensor_map *m = fresh(type, rank, 16 * (1 + (int)rnd((uint32_t)inner[swizzle] / 16)));
        if (m->box[0] > 256) m->box[0] = 256;
        m->swizzle = (uint8_t)swizzle;
        m->nan_fill = type == TENSOR_F16 || type == TENSOR_F32 || type == TENSOR_F64 || type == TENSOR_BF16 ? times & 1 : 0;
        for (int i = 0; i < 5; i++) at[i] = (int32_t)rnd(i ? 12 : 60) - (i ? 4 : 20);
        char copy[400];
        static const char *const lists[] = {"%r0", "%r0,%r1", "%r0,%r1,%r2", "%r0,%r1,%r2,%r3", "%r0,%r1,%r2,%r3,%r4"};
        current = m;
        fill_tensor();
        uint32_t bytes = 1;
        for (int i = 0; i < rank; i++) bytes *= (m->box[i] + m->element_stride[i] - 1u) / m->element_stride[i];
        bytes *= tensor_type_bytes(type);
        snprintf(copy, sizeof copy, "cp.async.bulk.tensor.%dd.shared::%s.global%s.mbarrier::complete_tx::bytes [box], [%s, {%s}], [bar];", rank, times & 1 ? "cluster" : "cta", times & 2 ? ".tile" : "", times & 4 ? "%d8" : "%d1", lists[rank - 1]);
        run_ok(__LINE__, copy, "", rank, 0, WAIT, bytes, 1);
        if (each_element(m, at, check_load) != bytes) wrong++, printf("bytes\n");
        /* out again, from what the kernel puts into shared memory */
        for (int reduce = 0; reduce < 2; reduce++) {
            if (reduce && (type < TENSOR_U32 || type > TENSOR_S64)) continue;
            snprintf(copy, sizeof copy, "cp.%sasync.bulk.tensor.%dd.global.shared::cta%s%s.bulk_group [%%d1, {%s}], [box]; cp.async.bulk.commit_group; cp.async.bulk.wait_group.read 0;", reduce ? "reduce." : "", rank, reduce ? ".add" : "", times & 2 ? ".tile" : "", lists[rank - 1]);
            fill_tensor();
            memcpy(expected, host_of(tensor), sizeof expected);
            run_ok(__LINE__, copy, FILL, rank, 0, "", 0, 1);
            memcpy(before_image, shared_image, SHARED);
            each_element(m, at, reduce ? do_add : do_store);
            if (memcmp(expected, host_of(tensor), sizeof expected) != 0 && wrong++ < 20) printf("rank %d, type %d, swizzle %d: %s differs\n", rank, type, swizzle, reduce ? "a reduction" : "a store");
        }
    }
    /* im2col: pixels of the bounding box one after the other, channels of each; offsets choose the filter's place */
    for (int times = 0; times < 20; times++) {
        const int rank = 3 + times % 3, spatial = rank - 2;
        struct tensor_map *m = fresh(TENSOR_F16, rank, 32);
        uint64_t stride = m->stride[0];
        m->im2col = 1;
        m->channels = 16;
        m->pixels = (uint16_t)(1 + rnd(40));
        for (int i = 1; i < rank; i++) {
            m->dim[i] = i == rank - 1 ? 8 : 4 + rnd(4);
            m->element_stride[i] = (uint8_t)(i < rank - 1 ? 1 + rnd(2) : 1);
            m->stride[i - 1] = stride;
            stride *= m->dim[i] + 1;
        }
        for (int i = 0; i < spatial; i++) m->lower[i] = (int16_t)(rnd(3) - 2), m->upper[i] = (int16_t)(rnd(3) - 2);
        at[0] = (int32_t)rnd(8) * 8 - 8;
        for (int i = 1; i < rank; i++) at[i] = i == rank - 1 ? 1 : m->lower[i - 1];
        for (int i = 0; i < spatial; i++) at[8 + i] = (int32_t)rnd(3);
        fill_tensor();
        char copy[400];
        snprintf(copy, sizeof copy, "cp.async.bulk.tensor.%dd.shared::cluster.global.im2col.mbarrier::complete_tx::bytes [box], [%%d1, {%s}], [bar], {%s};", rank, rank == 3 ? "%r0,%r1,%r2" : rank == 4 ? "%r0,%r1,%r2,%r3" : "%r0,%r1,%r2,%r3,%r4", rank == 3 ? "%h0" : rank == 4 ? "%h0,%h1" : "%h0,%h1,%h2");
        run_ok(__LINE__, copy, "", rank, spatial, WAIT, (uint32_t)m->pixels * 32, 1);
        int32_t x[5];
        memcpy(x, at, sizeof x);
        for (uint32_t pixel = 0; pixel < m->pixels; pixel++) {
            uint64_t address = tensor;
            for (int i = 1; i < rank; i++) {
                const int64_t c = x[i] + (i < rank - 1 ? at[7 + i] : 0);
                if (c < 0 || c > m->dim[i]) address = 0;
                if (address) address += (uint64_t)c * m->stride[i - 1];
            }
            for (int c = 0; c < 16; c++) {
                uint16_t want = 0, got;
                if (address && at[0] + c >= 0 && at[0] + c <= (int64_t)m->dim[0]) memcpy(&want, host_of(address + (uint64_t)(at[0] + c) * 2), 2);
                memcpy(&got, shared_image + pixel * 32 + (uint32_t)c * 2, 2);
                if (got != want && wrong++ < 20) printf("im2col rank %d: pixel %u, channel %d: %x, expected %x\n", rank, pixel, c, got, want);
            }
            for (int i = 1; i < rank; i++) { /* the next pixel */
                if (i == rank - 1) {
                    x[i]++;
                    break;
                }
                x[i] += m->element_stride[i];
                if (x[i] <= (int64_t)m->dim[i] + m->upper[i - 1]) break;
                x[i] = m->lower[i - 1];
            }
        }
    }
    /* four rows of a matrix, in and out; a map that the kernel makes of another one; two blocks at once */
    struct tensor_map *m = fresh(TENSOR_U32, 2, 64);
    m->dim[0] = 63, m->dim[1] = 99, m->stride[0] = 256, m->box[1] = 1, m->element_stride[1] = 1;
    at[0] = 60, at[1] = 5, at[2] = 99, at[3] = 100, at[4] = 0;
    fill_tensor();
    run_ok(__LINE__, "cp.async.bulk.tensor.2d.shared::cta.global.tile::gather4.mbarrier::complete_tx::bytes [box], [%d1, {%r0,%r1,%r2,%r3,%r4}], [bar];", "", 5, 0, WAIT, 256, 1);
    const uint32_t *cells = host_of(tensor), *z = host_of(out);
    for (int r = 0; r < 4; r++)
        for (int c = 0; c < 16; c++) {
            const uint32_t want = at[1 + r] < 100 && c < 4 ? cells[at[1 + r] * 64 + 60 + c] : 0;
            if (z[16 * r + c] != want && wrong++ < 20) printf("gather4: row %d, column %d\n", r, c);
        }
    run_ok(__LINE__, "cp.async.bulk.tensor.2d.global.shared::cta.tile::scatter4.bulk_group [%d1, {%r0,%r1,%r2,%r3,%r4}], [box];", FILL, 5, 0, "", 0, 1);
    for (int r = 0; r < 4; r++)
        for (int c = 0; c < 4 && at[1 + r] < 100; c++)
            if (cells[at[1 + r] * 64 + 60 + c] != z[16 * r + c] && wrong++ < 20) printf("scatter4: row %d, column %d\n", r, c);
    /* In shared memory a copy of the map gets another address, size, box, stride and type; it goes out by a fence and is used. The second
     * time there are zeros in the map's place, and every field is set: so Triton makes its own. */
    m->rank = 1, m->type = TENSOR_U8;
    at[0] = 2, at[1] = 3;
    fill_tensor();
    const uint64_t moved = tensor + 4096;
    memcpy((unsigned char *)at + 24, &moved, 8);
    for (int zeros = 0; zeros < 2; zeros++) {
        static char before[4096];
        snprintf(before, sizeof before,
           "setp.ge.u32 %%p1, %%r16, 32; add.u64 %%d9, %%d3, 65536; @%%p1 bra apart; mul.lo.u32 %%r14, %%r16, 4; cvt.u64.u32 %%d5, %%r14; add.u64 %%d5, %%d1, %%d5; %s mov.u32 %%r15, copy; add.u32 %%r14, %%r14, %%r15; st.shared.u32 [%%r14], %%r13; bar.warp.sync -1; setp.ne.u32 %%p2, %%r16, 0; ld.global.u64 %%d6, [%%d2+24]; mov.u64 %%d10, 512; mov.u32 %%r12, 200; mov.u32 %%r11, 2;\n"
           "@!%%p2 tensormap.replace.tile.global_address.shared::cta.b1024.b64 [copy], %%d6; @!%%p2 tensormap.replace.tile.rank.shared::cta.b1024.b32 [copy], 1; @!%%p2 tensormap.replace.tile.global_dim.shared::cta.b1024.b32 [copy], 0, %%r12; @!%%p2 tensormap.replace.tile.global_dim.shared::cta.b1024.b32 [copy], 1, %%r12; @!%%p2 tensormap.replace.tile.global_stride.shared::cta.b1024.b64 [copy], 0, %%d10;\n"
           "@!%%p2 tensormap.replace.tile.box_dim.shared::cta.b1024.b32 [copy], 0, 8; @!%%p2 tensormap.replace.tile.box_dim.shared::cta.b1024.b32 [copy], 1, 4; @!%%p2 tensormap.replace.tile.element_stride.shared::cta.b1024.b32 [copy], 0, 1; @!%%p2 tensormap.replace.tile.element_stride.shared::cta.b1024.b32 [copy], 1, %%r11; @!%%p2 tensormap.replace.tile.elemtype.shared::cta.b1024.b32 [copy], 1; @!%%p2 tensormap.replace.tile.swizzle_mode.shared::cta.b1024.b32 [copy], 0; @!%%p2 tensormap.replace.tile.fill_mode.shared::cta.b1024.b32 [copy], 0; @!%%p2 tensormap.replace.tile.interleave_layout.shared::cta.b1024.b32 [copy], 0;\n"
           "bar.warp.sync -1; tensormap.cp_fenceproxy.global.shared::cta.tensormap::generic.release.gpu.sync.aligned [%%d9], [copy], 128;\napart: bar.sync 0;",
                 zeros ? "mov.u32 %r13, 0;" : "ld.global.u32 %r13, [%d5];");
        memset(host_of(out), 0, 64);
        run_ok(__LINE__, "fence.proxy.tensormap::generic.acquire.gpu [%d9], 128; cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [box], [%d9, {%r0,%r1}], [bar];", before, 2, 0, WAIT, 32, 1);
        for (int r = 0; r < 2; r++) /* every other row of a box of 4 */
            for (int c = 0; c < 8; c++)
                if (((const uint16_t *)(const void *)z)[8 * r + c] != ((const uint16_t *)(const void *)cells)[2048 + (3 + 2 * r) * 256 + 2 + c] && wrong++ < 20) printf("a map that was %s: row %d, column %d\n", zeros ? "made" : "changed", r, c);
    }
    /* The same box for blocks 0 and 2 of a cluster of three. */
    m = fresh(TENSOR_U32, 1, 64);
    m->dim[0] = 1000;
    at[0] = 7;
    fill_tensor();
    run_ok(__LINE__, "mov.u32 %r13, %cluster_ctarank; setp.ne.u32 %p3, %r13, 0; mov.u16 %h1, 5; setp.eq.u32 %p2, %r13, 1; @%p3 bra sent; cp.async.bulk.tensor.1d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster [box], [%d1, {%r0}], [bar], %h1;\nsent: @%p2 bra waited;", "", 1, 0, WAIT " waited:", 64, 3);
    for (int b = 0; b < 3; b++)
        for (int c = 0; c < 16; c++)
            if (z[b * SHARED / 4 + c] != (b == 1 ? 0 : cells[7 + c]) && wrong++ < 20) printf("multicast: block %d, element %d\n", b, c);
    /* What is wrong with a map or a place is a fault that says so. */
    static const struct {
        const char *copy, *words;
        int change;
    } faults[] = {
        {"cp.async.bulk.tensor.1d.shared::cta.global.mbarrier::complete_tx::bytes [box], [%d1, {%r0}], [bar];", "no tensor map", 1},
        {"cp.async.bulk.tensor.2d.shared::cta.global.mbarrier::complete_tx::bytes [box], [%d1, {%r0,%r0}], [bar];", "number of dimensions", 0},
        {"cp.async.bulk.tensor.1d.shared::cta.global.mbarrier::complete_tx::bytes [box], [%d1, {%r0}], [bar];", "interleaved", 2},
        {"cp.async.bulk.tensor.1d.shared::cta.global.mbarrier::complete_tx::bytes [box+64], [%d1, {%r0}], [bar];", "multiple of 128", 0},
        {"cp.async.bulk.tensor.1d.shared::cta.global.mbarrier::complete_tx::bytes [box], [%d1, {%r0}], [bar];", "read 0x", 3},
        {"cp.async.bulk.tensor.1d.shared::cta.global.mbarrier::complete_tx::bytes [box], [%d1+8, {%r0}], [bar];", "misaligned", 0},
        {"cp.reduce.async.bulk.tensor.1d.global.shared::cta.add.bulk_group [%d1, {%r0}], [box];", "no reductions", 4},
        {"tensormap.replace.tile.rank.shared::cta.b1024.b32 [copy], 0; tensormap.replace.tile.rank.shared::cta.b1024.b32 [copy], 5;", "cannot have, map at 0x", 0},
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        m = fresh(TENSOR_U32, 1, 64);
        if (faults[i].change == 1) m->magic++;
        if (faults[i].change == 2) m->interleave = 1;
        if (faults[i].change == 3) m->address += 1 << 21;
        if (faults[i].change == 4) m->type = TENSOR_U8;
        at[0] = 0;
        if (run(faults[i].copy, "", 1, 0, "", 0, 1, 1) == PTX_FAULT_NONE || !strstr(fault.message, faults[i].words)) wrong++, printf("fault %zu: %s\n", i, fault.message);
    }
    printf("%d wrong\n", wrong);
    return wrong != 0;
}
