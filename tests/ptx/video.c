/* Video instructions: each operation, part selections, saturation, merging and accumulation. */
#include "one.h"

int main(void) {
    /* scalar: 34-bit intermediate values, saturated by the destination's type */
    ONE("vadd.u32.u32.u32 %r0, %r1, %r2;", 0xffffffff, 2, 0, 1);
    ONE("vadd.u32.u32.u32.sat %r0, %r1, %r2;", 0xffffffff, 2, 0, 0xffffffff);
    ONE("vadd.s32.s32.s32.sat %r0, %r1, %r2;", 0x7fffffff, 1, 0, 0x7fffffff);
    ONE("vadd.s32.u32.s32.sat %r0, %r1, %r2;", 5, -9, 0, 0xfffffffc);
    ONE("vsub.u32.u32.u32.sat %r0, %r1, %r2;", 5, 9, 1, 0);
    ONE("vsub.s32.u32.u32 %r0, %r1.b1, %r2.h1;", 0x1200, 0x00030000, 0, 0xf);
    ONE("vabsdiff.u32.s32.s32 %r0, %r1, %r2;", -7, 8, 0, 15);
    ONE("vmin.s32.s32.u32 %r0, %r1.b3, %r2.b0;", 0x80000000, 0x80, 0, 0xffffff80);
    ONE("vmax.s32.s32.u32 %r0, %r1.b3, %r2.b0;", 0x80000000, 0x80, 0, 0x80);
    ONE("vadd.u32.u32.u32.add %r0, %r1, %r2, %r3;", 1, 2, 3, 6);
    ONE("vsub.s32.s32.s32.min %r0, %r1, %r2, %r3;", 1, 4, -2, 0xfffffffd);
    ONE("vsub.s32.s32.s32.max %r0, %r1, %r2, %r3;", 1, 4, -2, 0xfffffffe);
    ONE("vadd.u32.u32.u32.min %r0, %r1, %r2, %r3;", 0xffffffff, 2, 7, 7);
    ONE("vadd.s32.s32.s32.sat %r0.b1, %r1, %r2, %r3;", 100, 100, 0x11223344, 0x11227f44);
    ONE("vadd.u32.u32.u32 %r0.h1, %r1, %r2, %r3;", 0x12345, 1, 0x11223344, 0x23463344);
    ONE("vshl.u32.u32.u32.clamp %r0, %r1, %r2;", 1, 40, 0, 0);
    ONE("vshl.u32.u32.u32.wrap %r0, %r1, %r2;", 1, 33, 0, 2);
    ONE("vshl.u32.u32.u32.sat.clamp %r0, %r1, %r2;", 3, 31, 0, 0xffffffff);
    ONE("vshr.s32.s32.u32.clamp %r0, %r1.h0, %r2.b2;", 0x8000, 0x00040000, 0, 0xfffff800);
    ONE("vshr.u32.u32.u32.wrap.add %r0, %r1, %r2, %r3;", 256, 36, 5, 21);
    ONE("vmad.s32.s32.u32 %r0, %r1, %r2, %r3;", -3, 5, 7, 0xfffffff8);
    ONE("vmad.s32.s32.u32.sat %r0, %r1, %r2, -%r3;", 0x10000, 0x10000, 7, 0x7fffffff);
    ONE("vmad.u32.u32.u32.shr15 %r0, %r1.h0, %r2.h0, %r3;", 0x8000, 0x8000, 0x8000, 0x8001);
    ONE("vmad.s32.u32.u32 %r0, -%r1, %r2, %r3;", 3, 4, 20, 8);
    ONE("vmad.s32.u32.u32 %r0, %r1, %r2, -%r3;", 3, 4, 20, 0xfffffff8);
    ONE("vmad.u32.u32.u32.po.shr7 %r0, %r1, %r2, %r3;", 15, 8, 7, 1);
    ONE("vset.s32.u32.lt %r0, %r1, %r2;", -1, 0, 0, 1);
    ONE("vset.u32.u32.ne.add %r0, %r1, %r2.h1, %r3;", 1, 0x20000, 41, 42);
    ONE("vset.u32.u32.eq %r0.b3, %r1, %r2, %r3;", 9, 9, 0x55443322, 0x01443322);
    /* lanes */
    ONE("vadd2.u32.u32.u32 %r0, %r1, %r2, %r3;", 0xffff0001, 0x00010002, 0, 0x00000003);
    ONE("vadd2.u32.u32.u32.sat %r0, %r1, %r2, %r3;", 0xffff0001, 0x00010002, 0, 0xffff0003);
    ONE("vadd2.s32.s32.s32.sat %r0.h0, %r1, %r2, %r3;", 0x7fff7fff, 0x00010001, 0x12345678, 0x12347fff);
    ONE("vsub2.s32.s32.s32.add %r0, %r1, %r2, %r3;", 0x00050001, 0x00010002, 100, 103);
    ONE("vavrg2.s32.s32.s32 %r0, %r1, %r2, %r3;", 0xfffd0004, 0xfffe0003, 0, 0xfffd0004);
    ONE("vadd2.u32.u32.u32 %r0, %r1.h01, %r2.h22, %r3;", 0x00020001, 0x00200010, 0, 0x00110012);
    ONE("vabsdiff4.u32.u32.u32 %r0, %r1, %r2, %r3;", 0x01ff1020, 0xff011010, 0, 0xfefe0010);
    ONE("vabsdiff4.u32.u32.u32.add %r0, %r1, %r2, %r3;", 0x01ff1020, 0xff011010, 1, 0xfe + 0xfe + 0x10 + 1);
    ONE("vmax4.s32.s32.s32 %r0.b20, %r1, %r2, %r3;", 0x01ff1020, 0xff011010, 0xaabbccdd, 0xaa01cc20);
    ONE("vmin4.u32.u32.u32 %r0, %r1.b0123, %r2.b7777, %r3;", 0x01020304, 0x030a0b0c, 0, 0x03030201);
    ONE("vset4.u32.u32.ge %r0, %r1, %r2, %r3;", 0x01020304, 0x02020202, 0, 0x00010101);
    ONE("vset2.s32.s32.gt.add %r0, %r1, %r2, %r3;", 0xffff0004, 0x00000003, 10, 11);
    ONE("vavrg4.u32.u32.u32 %r0, %r1, %r2, %r3;", 0x01020304, 0x02020205, 0, 0x02020305);
    printf("%d wrong\n", wrong);
    return wrong != 0;
}
