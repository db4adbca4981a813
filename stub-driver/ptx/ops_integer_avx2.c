/* Integers, logic, shifts, moves and selections with AVX2 and FMA. Builds with sanitizers do without. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#pragma GCC target("avx2,fma,bmi,bmi2,lzcnt,popcnt")
#pragma GCC optimize("O3,no-trapping-math,no-math-errno")
#define OPS_NAME ops_integer_avx2
#define OPS_SEMANTICS "semantics_integer.def"
#define OPS_EXTRA
#include "ops_body.h"
#else
#include "ops.h"
const struct ops_entry ops_integer_avx2[] = {{NULL, NULL}};
#endif
