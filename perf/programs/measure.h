/* measure.h - what every measuring program shares: a clock, percentiles, JSON lines, a device to work on.
 *
 * A program is one repetition of one measurement. It knows nothing of Ringfence: which libcuda.so.1 it loads, and so what
 * is measured, is the harness's business (LD_LIBRARY_PATH). It prints one JSON object a line on stdout,
 * {"metric": NAME, "value": NUMBER, "unit": UNIT}, and leaves with status 0; else it says on stderr what failed. */
#ifndef RINGFENCE_PERF_MEASURE_H
#define RINGFENCE_PERF_MEASURE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Nanoseconds of the steady clock. */
static inline uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* CPU time of the calling thread, in nanoseconds: what it cost the caller, whoever else ran in between. */
static inline uint64_t thread_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void report(const char *metric, double value, const char *unit)
{
    printf("{\"metric\":\"%s\",\"value\":%.6g,\"unit\":\"%s\"}\n", metric, value, unit);
}

static inline int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The q-quantile (0..1) of `count` sorted samples. */
static inline double quantile(const uint64_t *sorted, size_t count, double q)
{
    return (double)sorted[(size_t)(q * (double)(count - 1) + 0.5)];
}

/* Sorts `samples` and reports their 50th, 90th, 99th and 99.9th percentile as p50, p90, p99, p999 in nanoseconds. */
static inline void report_percentiles(uint64_t *samples, size_t count)
{
    qsort(samples, count, sizeof *samples, compare_u64);
    report("p50", quantile(samples, count, 0.5), "ns");
    report("p90", quantile(samples, count, 0.9), "ns");
    report("p99", quantile(samples, count, 0.99), "ns");
    report("p999", quantile(samples, count, 0.999), "ns");
}

static inline uint64_t *samples_of(size_t count)
{
    uint64_t *samples = malloc(count * sizeof *samples);
    if (!samples) { fprintf(stderr, "no memory for %zu samples\n", count); exit(1); }
    memset(samples, 0, count * sizeof *samples); /* page faults now, not between two time stamps */
    return samples;
}

/* The number of the program's argument `index`, or `otherwise`. */
static inline uint64_t number_argument(int argc, char **argv, int index, uint64_t otherwise)
{
    return argc > index ? strtoull(argv[index], NULL, 0) : otherwise;
}

static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
