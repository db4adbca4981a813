/* Comparisons: the portable build. (One file a subject keeps compilers' time and memory small.) */
#define OPS_NAME ops_compare
#define OPS_SEMANTICS "semantics_compare.def"
#include "ops_body.h"
