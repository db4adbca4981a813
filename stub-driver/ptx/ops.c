/* The search for handlers by key. */
#include "ops.h"

#include <string.h>
#include <pthread.h>

enum { SLOTS = 8192 };
static const struct ops_entry *slots[SLOTS];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static unsigned hash(const char *key) {
    unsigned h = 2166136261u;
    for (; *key; key++) h = (h ^ (unsigned char)*key) * 16777619u;
    return h & (SLOTS - 1);
}

static void enter(const struct ops_entry *entries) {
    for (; entries->key; entries++) {
        unsigned at = hash(entries->key);
        while (slots[at] && strcmp(slots[at]->key, entries->key) != 0) at = (at + 1) & (SLOTS - 1);
        if (!slots[at]) slots[at] = entries;
    }
}

static void fill(void) {
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) {
        enter(ops_integer_avx2);
        enter(ops_float_avx2);
        enter(ops_half_avx2);
        enter(ops_compare_avx2);
        enter(ops_convert_avx2);
    }
#endif
    enter(ops_integer);
    enter(ops_float);
    enter(ops_half);
    enter(ops_compare);
    enter(ops_convert);
    enter(ops_control);
    enter(ops_warp);
    enter(ops_memory);
    enter(ops_video);
    enter(ops_check);
    enter(ops_image);
    enter(ops_matrix);
    enter(ops_async);
    enter(ops_cluster);
    enter(ops_tiles);
    enter(ops_tensor);
    enter(ops_wgmma);
    enter(ops_stochastic);
}

insn_run ops_find(const char *key) {
    pthread_once(&once, fill);
    for (unsigned at = hash(key); slots[at]; at = (at + 1) & (SLOTS - 1))
        if (strcmp(slots[at]->key, key) == 0) return slots[at]->run;
    return NULL;
}
