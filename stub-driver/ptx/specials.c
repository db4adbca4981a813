/* The special registers' names. Each has a row of 32 lanes in a warp's bank of special registers (exec.c fills them in). */
#include <stdlib.h>
#include <string.h>

#include "syntax.h"

const struct special_info ptx_specials[SR_COUNT] = {
    [SR_TID_X] = {"%tid.x", SPECIAL_FIXED, 4},
    [SR_TID_Y] = {"%tid.y", SPECIAL_FIXED, 4},
    [SR_TID_Z] = {"%tid.z", SPECIAL_FIXED, 4},
    [SR_NTID_X] = {"%ntid.x", SPECIAL_FIXED, 4},
    [SR_NTID_Y] = {"%ntid.y", SPECIAL_FIXED, 4},
    [SR_NTID_Z] = {"%ntid.z", SPECIAL_FIXED, 4},
    [SR_CTAID_X] = {"%ctaid.x", SPECIAL_FIXED, 4},
    [SR_CTAID_Y] = {"%ctaid.y", SPECIAL_FIXED, 4},
    [SR_CTAID_Z] = {"%ctaid.z", SPECIAL_FIXED, 4},
    [SR_NCTAID_X] = {"%nctaid.x", SPECIAL_FIXED, 4},
    [SR_NCTAID_Y] = {"%nctaid.y", SPECIAL_FIXED, 4},
    [SR_NCTAID_Z] = {"%nctaid.z", SPECIAL_FIXED, 4},
    [SR_LANEID] = {"%laneid", SPECIAL_FIXED, 4},
    [SR_WARPID] = {"%warpid", SPECIAL_FIXED, 4},
    [SR_NWARPID] = {"%nwarpid", SPECIAL_FIXED, 4},
    [SR_SMID] = {"%smid", SPECIAL_FIXED, 4},
    [SR_NSMID] = {"%nsmid", SPECIAL_FIXED, 4},
    [SR_GRIDID] = {"%gridid", SPECIAL_FIXED, 8},
    [SR_LANEMASK_EQ] = {"%lanemask_eq", SPECIAL_FIXED, 4},
    [SR_LANEMASK_LE] = {"%lanemask_le", SPECIAL_FIXED, 4},
    [SR_LANEMASK_LT] = {"%lanemask_lt", SPECIAL_FIXED, 4},
    [SR_LANEMASK_GE] = {"%lanemask_ge", SPECIAL_FIXED, 4},
    [SR_LANEMASK_GT] = {"%lanemask_gt", SPECIAL_FIXED, 4},
    [SR_CLOCK] = {"%clock", SPECIAL_CLOCK, 4},
    [SR_CLOCK_HI] = {"%clock_hi", SPECIAL_CLOCK, 4},
    [SR_CLOCK64] = {"%clock64", SPECIAL_CLOCK, 8},
    [SR_TIMER] = {"%globaltimer", SPECIAL_TIMER, 8},
    [SR_TIMER_LO] = {"%globaltimer_lo", SPECIAL_TIMER, 4},
    [SR_TIMER_HI] = {"%globaltimer_hi", SPECIAL_TIMER, 4},
    [SR_TOTAL_SMEM] = {"%total_smem_size", SPECIAL_FIXED, 4},
    [SR_AGGR_SMEM] = {"%aggr_smem_size", SPECIAL_FIXED, 4},
    [SR_DYNAMIC_SMEM] = {"%dynamic_smem_size", SPECIAL_FIXED, 4},
    [SR_RESERVED_BEGIN] = {"%reserved_smem_offset_begin", SPECIAL_FIXED, 4},
    [SR_RESERVED_END] = {"%reserved_smem_offset_end", SPECIAL_FIXED, 4},
    [SR_RESERVED_CAP] = {"%reserved_smem_offset_cap", SPECIAL_FIXED, 4},
    [SR_RESERVED_0] = {"%reserved_smem_offset_0", SPECIAL_FIXED, 4},
    [SR_RESERVED_1] = {"%reserved_smem_offset_1", SPECIAL_FIXED, 4},
    [SR_CLUSTERID_X] = {"%clusterid.x", SPECIAL_FIXED, 4},
    [SR_CLUSTERID_Y] = {"%clusterid.y", SPECIAL_FIXED, 4},
    [SR_CLUSTERID_Z] = {"%clusterid.z", SPECIAL_FIXED, 4},
    [SR_NCLUSTERID_X] = {"%nclusterid.x", SPECIAL_FIXED, 4},
    [SR_NCLUSTERID_Y] = {"%nclusterid.y", SPECIAL_FIXED, 4},
    [SR_NCLUSTERID_Z] = {"%nclusterid.z", SPECIAL_FIXED, 4},
    [SR_CLUSTER_CTAID_X] = {"%cluster_ctaid.x", SPECIAL_FIXED, 4},
    [SR_CLUSTER_CTAID_Y] = {"%cluster_ctaid.y", SPECIAL_FIXED, 4},
    [SR_CLUSTER_CTAID_Z] = {"%cluster_ctaid.z", SPECIAL_FIXED, 4},
    [SR_CLUSTER_NCTAID_X] = {"%cluster_nctaid.x", SPECIAL_FIXED, 4},
    [SR_CLUSTER_NCTAID_Y] = {"%cluster_nctaid.y", SPECIAL_FIXED, 4},
    [SR_CLUSTER_NCTAID_Z] = {"%cluster_nctaid.z", SPECIAL_FIXED, 4},
    [SR_CLUSTER_CTARANK] = {"%cluster_ctarank", SPECIAL_FIXED, 4},
    [SR_CLUSTER_NCTARANK] = {"%cluster_nctarank", SPECIAL_FIXED, 4},
    [SR_EXPLICIT_CLUSTER] = {"%is_explicit_cluster", SPECIAL_FIXED, 0},
    /* Where a cooperative launch keeps the state of its grid-wide barrier: high and low half of an address. */
    [SR_ENVREG1] = {"%envreg1", SPECIAL_FIXED, 4},
    [SR_ENVREG2] = {"%envreg2", SPECIAL_FIXED, 4},
    /* What reads as zero: the other %envreg, performance counters, %current_graph_exec. */
    [SR_ZERO] = {"", SPECIAL_FIXED, 4},
    [SR_ZERO64] = {"%current_graph_exec", SPECIAL_FIXED, 8},
    [SR_DYNAMIC_BASE] = {"", SPECIAL_FIXED, 8},
};

/* "%pm3": the number after the prefix, below `limit`, with nothing but `rest` behind it. */
static bool numbered(const char *name, const char *prefix, unsigned limit, const char *rest) {
    size_t length = strlen(prefix);
    if (strncmp(name, prefix, length) != 0 || name[length] < '0' || name[length] > '9' || (name[length] == '0' && name[length + 1] >= '0' && name[length + 1] <= '9')) return false;
    char *end;
    unsigned long number = strtoul(name + length, &end, 10);
    return number < limit && strcmp(end, rest) == 0;
}

enum special special_named(const char *name) {
    for (int i = 0; i < SR_COUNT; i++)
        if (ptx_specials[i].name[0] && strcmp(ptx_specials[i].name, name) == 0) return (enum special)i;
    if (numbered(name, "%envreg", 32, "") || numbered(name, "%pm", 8, "")) return SR_ZERO;
    if (numbered(name, "%pm", 8, "_64")) return SR_ZERO64;
    static const char *const vectors[] = {"%tid.w", "%ntid.w", "%ctaid.w", "%nctaid.w", "%clusterid.w", "%nclusterid.w", "%cluster_ctaid.w", "%cluster_nctaid.w"};
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        if (strcmp(name, vectors[i]) == 0) return SR_ZERO;
    return SR_COUNT;
}
