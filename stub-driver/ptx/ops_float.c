/* Single and double precision: the portable build. (One file a subject keeps compilers' time and memory small.) */
#define OPS_NAME ops_float
#define OPS_SEMANTICS "semantics_float.def"
#include "ops_body.h"
