/* Matrix products of a whole warp and ldmatrix, for both sides. Each lane makes its fragments from three words, in the same
 * way here and there; the host multiplies the matrices that the fragments are of, as the PTX ISA lays them out. The numbers
 * are whole and so small that every sum is exact. */
#ifndef RANDOM_MATRICES_H
#define RANDOM_MATRICES_H

/* A half or double of 0 to 3. */
FN u32 small_half(u32 n) { return (u32)(0x420040003c000000ull >> 16 * (n & 3) & 0xffff); }
FN u32 small_halves(u32 n) { return small_half(n) | small_half(n >> 2) << 16; }
FN f64 small_double(u32 n) { return (f64)(i32)(n & 0xffff) - 512; }

#if defined(__CUDA__) || defined(__CUDACC__)
FN void product_s8(u32 *d, u32 a, u32 b) { asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.s8.u8.s32 {%0, %1}, {%2}, {%3}, {%0, %1};" : "+r"(d[0]), "+r"(d[1]) : "r"(a), "r"(b)); }
FN void product_b1(u32 *d, u32 a, u32 b) { asm volatile("mma.sync.aligned.m8n8k128.row.col.s32.b1.b1.s32.xor.popc {%0, %1}, {%2}, {%3}, {%0, %1};" : "+r"(d[0]), "+r"(d[1]) : "r"(a), "r"(b)); }
FN void product_u8(u32 *d, const u32 *a, const u32 *b) {
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
FN void product_f16(f32 *d, const u32 *a, const u32 *b) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
FN void product_f64(f64 *d, f64 a, f64 b) { asm volatile("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0, %1}, {%2}, {%3}, {%0, %1};" : "+d"(d[0]), "+d"(d[1]) : "d"(a), "d"(b)); }
FN void load_four(u32 *d, const u64 *row) {
    asm volatile("{ .reg .u64 a; cvta.to.shared.u64 a, %4; ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [a]; }" : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3]) : "l"(row) : "memory");
}
FN void load_transposed(u32 *d, const u64 *row) {
    asm volatile("{ .reg .u64 a; cvta.to.shared.u64 a, %2; ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [a]; }" : "=r"(d[0]), "=r"(d[1]) : "l"(row) : "memory");
}
#else
/* A word of each lane; the lanes' own array is overwritten by the next collective. */
static void words_of_all(u32 *to, u32 value) { memcpy(to, gather(~0u, value), 32 * sizeof *to); }
#define GROUP (lane() >> 2)
#define PLACE (lane() & 3)

FN void product_s8(u32 *d, u32 a, u32 b) {
    u32 as[32], bs[32];
    words_of_all(as, a), words_of_all(bs, b);
    for (u32 k = 0; k < 16; k++)
        for (u32 n = 0; n < 2; n++) d[n] += (u32)((i32)(i8)(as[GROUP * 4 + k / 4] >> k % 4 * 8) * (i32)(u8)(bs[(PLACE * 2 + n) * 4 + k / 4] >> k % 4 * 8));
}
FN void product_b1(u32 *d, u32 a, u32 b) {
    u32 as[32], bs[32];
    words_of_all(as, a), words_of_all(bs, b);
    for (u32 k = 0; k < 4; k++)
        for (u32 n = 0; n < 2; n++) d[n] += popc_u32(as[GROUP * 4 + k] ^ bs[(PLACE * 2 + n) * 4 + k]);
}
FN void product_u8(u32 *d, const u32 *a, const u32 *b) {
    u32 as[4][32], bs[2][32];
    for (u32 k = 0; k < 4; k++) words_of_all(as[k], a[k]);
    for (u32 k = 0; k < 2; k++) words_of_all(bs[k], b[k]);
    for (u32 k = 0; k < 32; k++)
        for (u32 n = 0; n < 4; n++)
            d[n] += (u32)((i32)(u8)(as[n / 2 + k / 16 * 2][GROUP * 4 + k % 16 / 4] >> k % 4 * 8) * (i32)(i8)(bs[k / 16][(PLACE * 2 + n % 2) * 4 + k % 16 / 4] >> k % 4 * 8));
}
FN f32 whole_half(u32 h) { return h == 0x3c00 ? 1 : h == 0x4000 ? 2 : h == 0x4200 ? 3 : 0; }
FN void product_f16(f32 *d, const u32 *a, const u32 *b) {
    u32 as[4][32], bs[2][32];
    for (u32 k = 0; k < 4; k++) words_of_all(as[k], a[k]);
    for (u32 k = 0; k < 2; k++) words_of_all(bs[k], b[k]);
    for (u32 k = 0; k < 16; k++)
        for (u32 n = 0; n < 4; n++)
            d[n] += whole_half(as[n / 2 + k / 8 * 2][GROUP * 4 + k % 8 / 2] >> k % 2 * 16 & 0xffff) * whole_half(bs[k / 8][(PLACE * 2 + n % 2) * 4 + k % 8 / 2] >> k % 2 * 16 & 0xffff);
}
FN void product_f64(f64 *d, f64 a, f64 b) {
    u32 as[32], bs[32];
    words_of_all(as, (u32)(i32)a), words_of_all(bs, (u32)(i32)b);
    for (u32 k = 0; k < 4; k++)
        for (u32 n = 0; n < 2; n++) d[n] += (f64)(i32)as[GROUP * 4 + k] * (f64)(i32)bs[(PLACE * 2 + n) * 4 + k];
}
static void load_rows(u32 *d, const u64 *row, u32 count, u32 transposed) {
    u32 low[32], high[32];
    words_of_all(low, (u32)(u64)row), words_of_all(high, (u32)((u64)row >> 32));
    for (u32 m = 0; m < count; m++) {
        d[m] = 0;
        for (u32 n = 0; n < 2; n++) {
            u32 r = transposed ? PLACE * 2 + n : GROUP, c = transposed ? GROUP : PLACE * 2 + n;
            u64 words[2];
            memcpy(words, (const void *)((u64)high[m * 8 + r] << 32 | low[m * 8 + r]), sizeof words);
            d[m] |= (u32)(words[c / 4] >> c % 4 * 16 & 0xffff) << n * 16;
        }
    }
}
FN void load_four(u32 *d, const u64 *row) { load_rows(d, row, 4, 0); }
FN void load_transposed(u32 *d, const u64 *row) { load_rows(d, row, 2, 1); }
#endif

FN u64 fold_words(const u32 *d, u32 count) { u64 h = 3; for (u32 k = 0; k < count; k++) h = mix(h, d[k]); return h; }
FN u64 matrix_s8(u32 a, u32 b, u32 c) { u32 d[2] = {c, a ^ c}; product_s8(d, a, b); return fold_words(d, 2); }
FN u64 matrix_b1(u32 a, u32 b, u32 c) { u32 d[2] = {c, b ^ c}; product_b1(d, a, b); return fold_words(d, 2); }
FN u64 matrix_u8(u32 a, u32 b, u32 c) {
    u32 d[4] = {c, a, b, a ^ b}, x[4] = {a, b, a + c, b ^ c}, y[2] = {c, a * 5 + b};
    product_u8(d, x, y);
    product_u8(d, x, y);
    return fold_words(d, 4);
}
FN u64 matrix_f16(u32 a, u32 b, u32 c) {
    f32 d[4] = {(f32)(a & 255), 1, (f32)(c & 511), 0};
    u32 x[4] = {small_halves(a), small_halves(a >> 7), small_halves(b), small_halves(c >> 3)}, y[2] = {small_halves(b >> 9), small_halves(c)}, r[4];
    product_f16(d, x, y);
    for (u32 k = 0; k < 4; k++) r[k] = (u32)(i32)d[k];
    return fold_words(r, 4);
}
FN u64 matrix_f64(u32 a, u32 b, u32 c) {
    f64 d[2] = {small_double(c), small_double(a >> 16)};
    product_f64(d, small_double(a), small_double(b));
    return mix((u64)(i64)d[0], (u64)(i64)d[1]);
}
/* `row`: 16 bytes of shared memory, which nothing changes meanwhile. */
FN u64 matrix_load(const u64 *row) { u32 d[4]; load_four(d, row); return fold_words(d, 4); }
FN u64 matrix_load_transposed(const u64 *row) { u32 d[2]; load_transposed(d, row); return fold_words(d, 2); }
#endif
