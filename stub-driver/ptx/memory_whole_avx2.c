/* Loads and stores of whole warps with AVX2. Builds with sanitizers do without. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#pragma GCC target("avx2,bmi,bmi2")
#pragma GCC optimize("O3")
#define WHOLE_NAME memory_whole_avx2
#include "memory_whole_body.h"
#else
#include "code.h"
insn_run memory_whole_avx2(bool load, enum space space, unsigned bytes, unsigned row_bytes, unsigned vec) {
    (void)load, (void)space, (void)bytes, (void)row_bytes, (void)vec;
    return NULL;
}
#endif
