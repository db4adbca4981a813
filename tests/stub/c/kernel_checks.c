/*
 * What RINGFENCE_STUB_CHECK finds, and that it finds nothing in programs that are sound:  kernel_checks BASICS.ptx SCENARIO
 * Reports go to stderr; the results are as without.
 */
#include "check.h"

static const char text[] =
    ".version 8.0\n.target sm_90\n.address_size 64\n.file 1 \"checked.cu\"\n.shared .align 16 .b8 tile[1024];\n.shared .align 8 .b64 phase;\n.extern .func (.param .b64 r) malloc(.param .b64 n);\n"
#define KERNEL(name, line, body) ".visible .entry " name "(.param .u64 p) {\n.reg .pred %p<4>; .reg .b32 %r<8>; .reg .b64 %d<8>;\n.local .align 8 .b8 own[16];\n.loc 1 " line " 1\nld.param.u64 %d1, [p];\nmov.u32 %r1, %tid.x;\nmul.wide.u32 %d2, %r1, 4; mov.u64 %d3, tile; add.u64 %d3, %d3, %d2;\n" body "\nret;\n}\n"
#define SHIFT_DOWN "xor.b32 %r3, %r1, 32; mul.wide.u32 %d4, %r3, 4; mov.u64 %d5, tile; add.u64 %d4, %d4, %d5;\n" /* the same lane of the other warp */
    KERNEL("races", "10", SHIFT_DOWN "st.shared.u32 [%d3], %r1;\n.loc 1 11 1\nld.shared.u32 %r2, [%d4];")
    KERNEL("in_order", "12", SHIFT_DOWN "st.shared.u32 [%d3], %r1;\nbar.sync 0;\nld.shared.u32 %r2, [%d4];\nbar.sync 0;\nst.shared.u32 [%d4], %r2;")
    KERNEL("write_after_read", "13", SHIFT_DOWN "st.shared.u32 [%d3], %r1;\nbar.sync 0;\nld.shared.u32 %r2, [%d4];\n.loc 1 14 1\nadd.u32 %r2, %r2, 1;\nst.shared.u32 [%d3], %r2;")
    KERNEL("both_write", "15", "mov.u64 %d5, tile;\nst.shared.u32 [%d5], %r1;")
    KERNEL("same_value", "16", "mov.u64 %d5, tile;\nst.shared.u32 [%d5], 7;")
    KERNEL("atomics", "17", "mov.u64 %d5, tile;\nsetp.eq.u32 %p1, %r1, 0;\n@%p1 st.shared.u32 [%d5], 0;\nbar.sync 0;\natom.shared.add.u32 %r2, [%d5], 1;\nbar.sync 0;\nld.shared.u32 %r2, [%d5];")
    KERNEL("warp_in_order", "18", "st.shared.u32 [%d3], %r1;\nbar.warp.sync -1;\nxor.b32 %r3, %r1, 1; mul.wide.u32 %d4, %r3, 4; mov.u64 %d5, tile; add.u64 %d4, %d4, %d5;\nld.shared.u32 %r2, [%d4];")
    KERNEL("warp_races", "19", "st.shared.u32 [%d3], %r1;\nxor.b32 %r3, %r1, 1; mul.wide.u32 %d4, %r3, 4; mov.u64 %d5, tile; add.u64 %d4, %d4, %d5;\n.loc 1 20 1\nld.shared.u32 %r2, [%d4];")
    KERNEL("reads_shared", "21", "ld.shared.u32 %r2, [%d3];")
    KERNEL("reads_local", "22", "mov.u64 %d5, own;\nst.local.u32 [%d5], %r1;\nld.local.u32 %r2, [%d5];\n.loc 1 23 1\nld.local.u32 %r2, [%d5+4];")
    KERNEL("reads_global", "24", "add.u64 %d1, %d1, %d2;\nld.global.u32 %r2, [%d1];")
    KERNEL("writes_global", "25", "add.u64 %d1, %d1, %d2;\nst.global.u32 [%d1], %r1;\nld.global.u32 %r2, [%d1];")
    KERNEL("reads_heap", "26", "{ .param .b64 n; .param .b64 r; st.param.b64 [n], 64; call (r), malloc, (n); ld.param.b64 %d5, [r]; }\nst.u32 [%d5], %r1;\nld.u32 %r2, [%d5];\n.loc 1 27 1\nld.u32 %r2, [%d5+8];")
#define PHASE(count) "setp.eq.u32 %p1, %r1, 0;\n@%p1 mbarrier.init.shared.b64 [phase], " count ";\nbar.sync 0;\n"
    KERNEL("phase_in_order", "28", SHIFT_DOWN PHASE("64") "st.shared.u32 [%d3], %r1;\nmbarrier.arrive.shared.b64 %d6, [phase];\nW: mbarrier.test_wait.shared.b64 %p2, [phase], %d6;\n@!%p2 bra W;\nld.shared.u32 %r2, [%d4];")
    KERNEL("phase_unwaited", "29", SHIFT_DOWN PHASE("64") "st.shared.u32 [%d3], %r1;\n.loc 1 30 1\nmbarrier.arrive.shared.b64 %d6, [phase];\nld.shared.u32 %r2, [%d4];")
    KERNEL("phase_uninitialised", "31", "setp.eq.u32 %p1, %r1, 0;\n@%p1 mbarrier.init.shared.b64 [phase], 64;\n.loc 1 32 1\nsetp.eq.u32 %p1, %r1, 32;\n@%p1 mbarrier.arrive.shared.b64 %d6, [phase];")
    KERNEL("bulk", "33", PHASE("1") "@%p1 mbarrier.arrive.expect_tx.shared.b64 %d6, [phase], 256;\nmov.u64 %d5, tile;\n@%p1 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%d5], [%d1], 256, [phase];\nW: mbarrier.test_wait.parity.shared.b64 %p2, [phase], 0;\n@!%p2 bra W;\n.loc 1 34 1\nld.shared.u32 %r2, [%d3];")
#define ROW "and.b32 %r3, %r1, 7; mul.wide.u32 %d4, %r3, 16; mov.u64 %d5, tile; add.u64 %d4, %d4, %d5;\n"
    KERNEL("tile_in_order", "35", ROW "st.shared.u32 [%d3], %r1;\nbar.sync 0;\nldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r2}, [%d4];")
    KERNEL("tile_races", "36", ROW "st.shared.u32 [%d3], %r1;\n.loc 1 37 1\nldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r2}, [%d4];")
    KERNEL("reads_tile", "38", ROW "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r2}, [%d4];");

static void launch(const char *name, CUdeviceptr p, unsigned blocks, unsigned threads) {
  CUmodule module = NULL;
  CUfunction function = NULL;
  OK(cuModuleLoadData(&module, text));
  OK(cuModuleGetFunction(&function, module, name));
  OK(cuLaunchKernel(function, blocks, 1, 1, threads, 1, 1, 0, 0, (void *[]){&p}, NULL));
  OK(cuCtxSynchronize());
}

int main(int argc, char **argv) {
  CHECK(argc == 3);
  const char *const name = argv[2];
  CUdeviceptr p = 0;
  OK(cuInit(0));
  begin();
  OK(cuMemAlloc_v2(&p, 4096));
  if (!strcmp(name, "copied")) { /* half of it by a copy, half by a memset */
    char bytes[2048] = {1};
    OK(cuMemcpyHtoD_v2(p, bytes, sizeof bytes));
    OK(cuMemsetD8_v2(p + 2048, 0, 2048));
    launch("reads_global", p, 1, 1024);
    return 0;
  }
  if (!strcmp(name, "again")) { /* written, freed and allocated again: not written */
    OK(cuMemsetD8_v2(p, 0, 4096));
    OK(cuMemFree_v2(p));
    OK(cuMemAlloc_v2(&p, 4096));
    launch("reads_global", p, 1, 64);
    return 0;
  }
  if (!strcmp(name, "bulk")) OK(cuMemsetD8_v2(p, 1, 4096));
  launch(name, p, 2, 64);
  return 0;
}
