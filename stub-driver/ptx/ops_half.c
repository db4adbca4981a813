/* Half precision: the portable build. (One file a subject keeps compilers' time and memory small.) */
#define OPS_NAME ops_half
#define OPS_SEMANTICS "semantics_half.def"
#include "ops_body.h"
