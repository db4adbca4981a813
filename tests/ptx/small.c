/* What PTX 8 and 9 added to the arithmetic: small formats, packed and mixed precision, minima of three. */
#include "one.h"

int main(void) {
    /* e4m3: 448 is the greatest number; 1.0625 is a tie to even; e5m2 keeps two bits */
    ONE("cvt.rn.satfinite.e4m3x2.f32 %h0, %r1, %r2;", 0x3f800000, 0x44800000, 0, 0x387e);
    ONE("cvt.rn.satfinite.e4m3x2.f32 %h0, %r1, %r2;", 0x3f880000, 0xbf980000, 0, 0x38ba);
    ONE("cvt.rn.satfinite.e4m3x2.f32 %h0, %r1, %r2;", 0x7fc00000, 0x3a800000, 0, 0x7f00);
    ONE("cvt.rn.satfinite.e4m3x2.f32 %h0, %r1, %r2;", 0x3b000000, 0x3b400000, 0, 0x0102);
    ONE("cvt.rn.satfinite.relu.e4m3x2.f32 %h0, %r1, %r2;", 0xbf800000, 0x40000000, 0, 0x0040);
    ONE("cvt.rn.satfinite.e5m2x2.f32 %h0, %r1, %r2;", 0x47800000, 0x3fa00000, 0, 0x7b3d);
    ONE("cvt.rn.satfinite.e5m2x2.f16x2 %h0, %r1;", 0x3c00c200, 0, 0, 0x3cc2);
    ONE("cvt.rn.f16x2.e4m3x2 %r0, %h1;", 0x387e, 0, 0, 0x3c005f00);
    ONE("cvt.rn.f16x2.e5m2x2 %r0, %h1;", 0x7cc2, 0, 0, 0x7c00c200);
    ONE("cvt.rn.relu.f16x2.e4m3x2 %r0, %h1;", 0xb87f, 0, 0, 0x00007fff);
    ONE_WITH(".reg .b8 %b<2>;", "cvt.rn.satfinite.e2m1x2.f32 %b0, %r1, %r2; cvt.rn.f16x2.e2m1x2 %r0, %b0;", 0x40a00000, 0xbf400000, 0, 0x4400bc00);
    ONE("cvt.rn.satfinite.e3m2x2.f32 %h0, %r1, %r2;", 0x42000000, 0x3f800000, 0, 0x1f0c);
    ONE("cvt.rn.satfinite.e2m3x2.f32 %h0, %r1, %r2;", 0xc1000000, 0x3f800000, 0, 0x3f08);
    ONE("cvt.rz.ue8m0x2.f32 %h0, %r1, %r2;", 0x3fc00000, 0x40000000, 0, 0x7f80);
    ONE("cvt.rp.satfinite.ue8m0x2.f32 %h0, %r1, %r2;", 0x3fc00000, 0x7f800000, 0, 0x80fe);
    ONE("cvt.rn.bf16x2.ue8m0x2 %r0, %h1;", 0x7f80, 0, 0, 0x3f804000);
    ONE("cvt.rn.satfinite.e4m3x2.f16x2 %h0, %r1;", 0x3c00bc00, 0, 0, 0x38b8);
    ONE("cvt.rn.satfinite.relu.e5m2x2.f16x2 %h0, %r1;", 0x3c00c200, 0, 0, 0x3c00);
    ONE("cvt.rn.f16x2.e3m2x2 %r0, %h1;", 0x1f2c, 0, 0, 0x4f00bc00);
    ONE("cvt.rn.relu.f16x2.e2m3x2 %r0, %h1;", 0x3f08, 0, 0, 0x00003c00);
    ONE_WITH(".reg .b8 %b<2>;", "cvt.rn.satfinite.relu.e2m1x2.f32 %b0, %r1, %r2; cvt.rn.relu.f16x2.e2m1x2 %r0, %b0;", 0xc0a00000, 0x3fc00000, 0, 0x00003e00);
    ONE("cvt.rz.ue8m0x2.bf16x2 %h0, %r1;", 0x3fc04000, 0, 0, 0x7f80);
    ONE("cvt.rp.satfinite.ue8m0x2.bf16x2 %h0, %r1;", 0x3fc07f80, 0, 0, 0x80fe);
    /* ranges kept finite, ten bits of fraction */
    ONE("cvt.rn.satfinite.f16.f32 %h0, %r1;", 0x49000000, 0, 0, 0x7bff);
    ONE("cvt.rz.satfinite.bf16x2.f32 %r0, %r1, %r2;", 0xff800000, 0x3f80ffff, 0, 0xff7f3f80);
    ONE("cvt.rna.tf32.f32 %r0, %r1;", 0x3f801000, 0, 0, 0x3f802000);
    ONE("cvt.rn.tf32.f32 %r0, %r1;", 0x3f801000, 0, 0, 0x3f800000);
    ONE("cvt.rz.relu.tf32.f32 %r0, %r1;", 0x3f803fff, 0, 0, 0x3f802000);
    ONE("cvt.rn.bf16.f16 %h0, %h1;", 0x3c01, 0, 0, 0x3f80);
    ONE("cvt.rp.f16.bf16 %h0, %h1;", 0x0080, 0, 0, 0x0001);
    /* packed singles, mixed precision */
    ONE("add.rn.f32x2 %d0, %d1, %d2;", 0x3f80000040000000, 0x3f8000003f800000, 0, 0x4000000040400000);
    ONE("fma.rz.ftz.f32x2 %d0, %d1, %d2, %d3;", 0x3f80000000000001, 0x4000000040000000, 0x3f8000003f800000, 0x404000003f800000);
    ONE("add.f32.f16 %r0, %h1, %r2;", 0x3c00, 0x3f800001, 0, 0x40000000);
    ONE("add.rp.f32.f16 %r0, %h1, %r2;", 0x3c00, 0x3f800001, 0, 0x40000001);
    ONE("sub.sat.f32.bf16 %r0, %h1, %r2;", 0x3f80, 0xbf800000, 0, 0x3f800000);
    ONE("fma.rn.f32.bf16 %r0, %h1, %h2, %r3;", 0x4000, 0x4040, 0x3f800000, 0x40e00000);
    /* of three, of absolute values, with the product of the signs */
    ONE("min.f32 %r0, %r1, %r2, %r3;", 0x40000000, 0x7fc00000, 0x3f800000, 0x3f800000);
    ONE("max.NaN.f32 %r0, %r1, %r2, %r3;", 0x40000000, 0x7fc00000, 0x3f800000, 0x7fffffff);
    ONE("max.abs.f32 %r0, %r1, %r2, %r3;", 0xc0400000, 0x40000000, 0x3f800000, 0x40400000);
    ONE("min.xorsign.abs.f16x2 %r0, %r1, %r2;", 0xc0003c00, 0x3c00c200, 0, 0xbc00bc00);
    ONE("max.NaN.xorsign.abs.bf16 %h0, %h1, %h2;", 0xbf80, 0x4000, 0, 0xc000);
    ONE("redux.sync.max.f32 %r0, %r1, 1;", 0xc0000000, 0, 0, 0xc0000000);
    ONE("redux.sync.min.abs.NaN.f32 %r0, %r1, 1;", 0xffc00000, 0, 0, 0x7fffffff);
    printf("%d wrong\n", wrong);
    return wrong != 0;
}
