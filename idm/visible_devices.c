/* visible_devices.c - see visible_devices.h. In idm/ because the client and the software GPU obey the same variable. */
#include "visible_devices.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define UUID_TEXT 40 /* "GPU-8f0e1c2a-0000-0000-0000-000000000000" */

static void uuid_text(const uint8_t *u, char out[UUID_TEXT + 1])
{
    static const int groups[] = {4, 2, 2, 2, 6};
    out += sprintf(out, "GPU-");
    for (int g = 0, at = 0; g < 5; g++) {
        if (g) *out++ = '-';
        for (int i = 0; i < groups[g]; i++) out += sprintf(out, "%02x", u[at++]);
    }
}

/* The device of one entry, or -1. */
static int named(const char *entry, size_t length, int count, const uint8_t (*uuids)[16])
{
    if (length == 0) return -1;
    if (isdigit((unsigned char)*entry)) {
        char *end;
        unsigned long number = strtoul(entry, &end, 10);
        return end == entry + length && number < (unsigned long)count ? (int)number : -1;
    }
    if (length <= strlen("GPU-") || length > UUID_TEXT) return -1;
    int found = -1;
    for (int i = 0; i < count; i++) {
        char text[UUID_TEXT + 1];
        uuid_text(uuids[i], text);
        if (strncasecmp(text, entry, length) != 0) continue;
        if (found >= 0) return -1; /* a prefix of two devices names neither */
        found = i;
    }
    return found;
}

int rf_visible_devices(const char *list, int count, const uint8_t (*uuids)[16], int *order)
{
    int visible = 0;
    if (!list) {
        while (visible < count) {
            order[visible] = visible;
            visible++;
        }
        return count;
    }
    while (visible < count) {
        list += strspn(list, " ");
        size_t length = strcspn(list, ","), bare = length;
        while (bare && list[bare - 1] == ' ') bare--;
        int device = named(list, bare, count, uuids);
        for (int i = 0; i < visible; i++)
            if (order[i] == device) device = -1;
        if (device < 0) break;
        order[visible++] = device;
        if (!list[length]) break;
        list += length + 1;
    }
    return visible;
}
