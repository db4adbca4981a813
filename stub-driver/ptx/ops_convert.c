/* Conversions: the portable build. (One file a subject keeps compilers' time and memory small.) */
#define OPS_NAME ops_convert
#define OPS_SEMANTICS "semantics_convert.def"
#include "ops_body.h"
