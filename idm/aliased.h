/* aliased.h - memcpy for large pieces, wherever in their pages the two ends lie.
 *
 * C libraries copy from some KiB on with `rep movsb` where the processor says that it is fast. AMD's Zen 3 says so and takes fifteen times as
 * long (3 GB/s in place of 45) when the target begins a few bytes later in its page than the source does in its own: malloc's large blocks
 * begin 16 bytes into a page, staging and device memory at its start. Such copies go through registers here. */
#ifndef RINGFENCE_ALIASED_H
#define RINGFENCE_ALIASED_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <emmintrin.h>

#define RF_ALIASED_LEAST 2048u /* bytes; smaller copies are never made that way */
#define RF_ALIASED_BEHIND 64u  /* bytes */

/* As memcpy: the ends do not overlap. */
static inline void rf_memcpy(void *to, const void *from, size_t bytes)
{
    const size_t behind = ((uintptr_t)to - (uintptr_t)from) & 4095;
    if (bytes < RF_ALIASED_LEAST || behind == 0 || behind >= RF_ALIASED_BEHIND) {
        memcpy(to, from, bytes);
        return;
    }
    char *target = to;
    const char *source = from;
    for (; bytes >= 64; bytes -= 64, target += 64, source += 64) {
        const __m128i *const s = (const __m128i *)(const void *)source;
        __m128i *const t = (__m128i *)(void *)target;
        const __m128i a = _mm_loadu_si128(s), b = _mm_loadu_si128(s + 1), c = _mm_loadu_si128(s + 2), d = _mm_loadu_si128(s + 3);
        _mm_storeu_si128(t, a);
        _mm_storeu_si128(t + 1, b);
        _mm_storeu_si128(t + 2, c);
        _mm_storeu_si128(t + 3, d);
    }
    memcpy(target, source, bytes);
}
#else
static inline void rf_memcpy(void *to, const void *from, size_t bytes) { memcpy(to, from, bytes); }
#endif

#endif
