/* The kernels of graphs.c and captures.c, as text: what they are is part of the test. */
#ifndef PROGRAMS_GRAPHS_PTX_H
#define PROGRAMS_GRAPHS_PTX_H

static const char graphs_ptx[] =
    ".version 7.0\n.target sm_50\n.address_size 64\n"
    /* p[i] += value for i < count */
    ".visible .entry add(.param .u64 p, .param .u32 count, .param .u32 value)\n{\n"
    ".reg .pred %p<2>; .reg .b32 %r<9>; .reg .b64 %rd<4>;\n"
    "ld.param.u64 %rd1, [p]; ld.param.u32 %r1, [count]; ld.param.u32 %r2, [value];\n"
    "mov.u32 %r3, %ctaid.x; mov.u32 %r4, %ntid.x; mov.u32 %r5, %tid.x; mad.lo.s32 %r6, %r3, %r4, %r5;\n"
    "setp.ge.u32 %p1, %r6, %r1; @%p1 bra DONE;\n"
    "mul.wide.u32 %rd2, %r6, 4; add.s64 %rd3, %rd1, %rd2;\n"
    "ld.global.u32 %r7, [%rd3]; add.u32 %r8, %r7, %r2; st.global.u32 [%rd3], %r8;\n"
    "DONE: ret;\n}\n"
    /* p[0] = p[0] * factor + term: order shows */
    ".visible .entry mad(.param .u64 p, .param .u32 factor, .param .u32 term)\n{\n"
    ".reg .b32 %r<6>; .reg .b64 %rd<2>;\n"
    "ld.param.u64 %rd1, [p]; ld.param.u32 %r1, [factor]; ld.param.u32 %r2, [term];\n"
    "ld.global.u32 %r3, [%rd1]; mad.lo.u32 %r4, %r3, %r1, %r2; st.global.u32 [%rd1], %r4; ret;\n}\n"
    ".extern .func cudaGraphSetConditional(.param .b64 a, .param .b32 b);\n"
    /* --p[0], and the condition becomes it */
    ".visible .entry countdown(.param .u64 p, .param .u64 handle)\n{\n"
    ".reg .b32 %r<4>; .reg .b64 %rd<3>;\n"
    "ld.param.u64 %rd1, [p]; ld.param.u64 %rd2, [handle];\n"
    "ld.global.u32 %r1, [%rd1]; sub.u32 %r2, %r1, 1; st.global.u32 [%rd1], %r2;\n"
    "{ .param .b64 a; st.param.b64 [a], %rd2; .param .b32 b; st.param.b32 [b], %r2; call.uni cudaGraphSetConditional, (a, b); }\n"
    "ret;\n}\n"
    /* the condition becomes p[0] */
    ".visible .entry choose(.param .u64 p, .param .u64 handle)\n{\n"
    ".reg .b32 %r<2>; .reg .b64 %rd<3>;\n"
    "ld.param.u64 %rd1, [p]; ld.param.u64 %rd2, [handle]; ld.global.u32 %r1, [%rd1];\n"
    "{ .param .b64 a; st.param.b64 [a], %rd2; .param .b32 b; st.param.b32 [b], %r1; call.uni cudaGraphSetConditional, (a, b); }\n"
    "ret;\n}\n";

#endif
