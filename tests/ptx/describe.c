/* Writes docs/PTX.md from the instruction table. */
#include <stdio.h>
#include <string.h>

#include "ptx/ptx.h"

int main(void) {
    const char *pattern, *operands, *section, *note, *last = "", *name, *reason;
    printf("# PTX on the software GPU\n\n"
           "Written by `tests/ptx/describe.c` from the instruction table (`stub-driver/ptx/instructions.def`); do not edit. PTX ISA 3.1 to 9.0,\n"
           "64-bit addresses. What is not listed is refused when a module is loaded, with a log that names line and instruction. A text of a later version (9.1 is\n"
           "CUDA 13.1's) runs as long as it needs nothing new, and otherwise answers `CUDA_ERROR_UNSUPPORTED_PTX_VERSION`.\n\n"
           "`{.x,.y}`: one of them must stand. `[.x,.y]`: one may stand. Every listed spelling is executed. Words may stand in another order where ptxas\n"
           "takes it so; what ptxas refuses beyond these patterns is refused too (`stub-driver/ptx/rules.c`), save that features of one architecture (`sm_90a`,\n"
           "`sm_100a`, `sm_120a`) are taken for every target from their version on.\n\n"
           "## How it differs from hardware\n\n"
           "- Approximate functions (`sin.approx`, `ex2.approx`, `div.full`, ...) are more exact than documented, so results differ in the last bits.\n"
           "- Registers and shared memory begin as zeros; a warp's lanes reconverge as early as the text's layout lets them.\n"
           "- Cache operators, eviction hints, policies and prefetches have no effect. `cp.async` and bulk copies are done at once.\n"
           "- Matrices: products are exact; products and the addend are summed in double, in the order of k, and rounded once to the result's type\n"
           "  (hardware truncates along the way). f64 is a chain of fused multiply-adds. Fragments of `mma` lie as documented, those of `wmma` in an\n"
           "  order of this engine's own. `mbarrier` objects have a layout of its own too.\n"
           "- `wgmma` is done at once, by each warp for its own rows; `ldmatrix` and `stmatrix` of bytes lie as the text says, their figures were not at hand.\n"
           "- The blocks of a cluster run in turn on one thread. `clusterlaunchcontrol.try_cancel` takes over the next cluster that has not begun.\n"
           "- Tensor maps have a layout of this engine's own (`cuTensorMapEncodeTiled` and `Im2col` write it); no interleaved layouts, no types of 4 and 6 bits. What is\n"
           "  outside of a tensor reads as 0, or as a NaN (0x7ffe for .f16 and .bf16) that `fma.oob` takes for 0. `cvt.rs` to .e2m1x4 takes its random bits\n"
           "  for two values from the same byte of both halves.\n"
           "- `brkpt` stops the kernel as `trap` does. Clocks count nanoseconds.\n"
           "- `.const` variables lie in global memory, so constant addresses are global ones.\n"
           "- The flag that `sub.cc` leaves is 1 when nothing was borrowed, as on hardware; only `addc` after it can tell.\n"
           "- An operand may be `register + constant`, as for ptxas.\n"
           "- Texts of CUDA 1 to 3 (PTX 1.0 to 2.3) load: variables declared behind their use, prototypes with no end, `mad.f32`, four coordinates for any\n"
           "  texture. Denormals are kept for sm_1x unless an instruction says `.ftz`. Registers outside functions and f64 under `map_f64_to_f32` are refused.\n\n"
           "## Declarations\n\n"
           "`.version .target .address_size .file .loc .section .pragma .alias .extern .visible .weak .common .entry .func .global .const .shared .local .param .reg\n"
           ".maxntid .reqntid .minnctapersm .maxnctapersm .maxnreg .noreturn .reqnctapercluster .maxclusterrank (up to 16 blocks) .branchtargets .calltargets .callprototype\n"
           ".attribute(.managed)` (`.unified` has no effect), registers of `.b128`, initial values with addresses, `generic()` and byte masks, scopes, vector registers (as parameters too), ranges of registers.\n"
           "`%%envreg1` and `%%envreg2` hold the address of a cooperative launch's workspace (`grid.sync()` of cooperative groups); the other `%%envreg`,\n`%%pm` and `%%current_graph_exec` read 0.\n"
           "Functions provided: `vprintf`, `malloc`, `free`, `__assertfail`.\n"
           "`.global .texref .samplerref .surfref`, `.tex`, with initial values; not as parameters and not in arrays.\n"
           "Refused: `.address_size 32`, variadic functions, device-side launches, `.local` outside functions (as ptxas does).\n");
    for (size_t i = 0; ptx_table_row(i, &pattern, &operands, &section, &note); i++) {
        if (strcmp(section, last) != 0) printf("\n## %s\n\n| form | |\n| --- | --- |\n", section);
        last = section;
        printf("| `%s` | %s |\n", pattern, note);
    }
    printf("\n## Refused by name\n\n| instruction | why |\n| --- | --- |\n");
    for (size_t i = 0; ptx_table_refused(i, &name, &reason); i++) printf("| `%s` | %s |\n", name, reason);
    return 0;
}
