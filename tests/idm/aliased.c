/* aliased - rf_memcpy (idm/aliased.h) against a copy byte by byte, at places where it goes its own way and where it does not; the bytes around stay. */
#include "aliased.h"

#include <stdio.h>
#include <stdlib.h>

#define ROOM 32768

int main(void)
{
    static const int places[] = {0, 1, 15, 16, 17, 47, 48, 63, 64, 65, 2048, 4080, 4095};
    static const size_t sizes[] = {0, 1, 63, 2047, 2048, 2049, 2111, 2112, 4096, 4097, 8191, 20000};
    const size_t place_count = sizeof places / sizeof *places, size_count = sizeof sizes / sizeof *sizes;
    unsigned char *from = aligned_alloc(4096, ROOM), *to = aligned_alloc(4096, ROOM), *expected = malloc(ROOM);
    if (!from || !to || !expected) return 2;
    unsigned long copies = 0;
    for (size_t i = 0; i < ROOM; i++) from[i] = (unsigned char)(i * 31 + (i >> 8));
    for (size_t a = 0; a < place_count; a++)
        for (size_t b = 0; b < place_count; b++)
            for (size_t s = 0; s < size_count; s++) {
                for (size_t i = 0; i < ROOM; i++) to[i] = expected[i] = 0xa5;
                for (size_t i = 0; i < sizes[s]; i++) expected[places[a] + i] = from[places[b] + i];
                rf_memcpy(to + places[a], from + places[b], sizes[s]);
                if (memcmp(to, expected, ROOM) != 0) {
                    fprintf(stderr, "%zu bytes from place %d to place %d of their pages arrive changed\n", sizes[s], places[b], places[a]);
                    return 1;
                }
                copies++;
            }
    printf("%lu copies\n", copies);
    free(from);
    free(to);
    free(expected);
    return 0;
}
