/* Integers, logic, shifts, moves and selections: the portable build. (One file a subject keeps compilers' time and memory small.) */
#define OPS_NAME ops_integer
#define OPS_SEMANTICS "semantics_integer.def"
#define OPS_EXTRA
#include "ops_body.h"
