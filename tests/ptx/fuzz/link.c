/* The linker: up to four texts, parted by lines of "//====". Each is copied to memory of its own size. */
#include "target.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char mark[] = "//====\n";
    static const char *const names[4] = {"first", "second", "third", "fourth"};
    struct ptx_text texts[4];
    size_t count = 0;
    for (const uint8_t *at = data, *end = data + size; count < 4 && at <= end;) {
        const uint8_t *stop = count < 3 ? memmem(at, (size_t)(end - at), mark, sizeof mark - 1) : NULL;
        size_t length = (size_t)((stop ? stop : end) - at);
        char *copy = malloc(length + 1);
        memcpy(copy, at, length);
        char *exact = realloc(copy, length ? length : 1);
        texts[count] = (struct ptx_text){exact, length, names[count]};
        count++;
        if (!stop) break;
        at = stop + sizeof mark - 1;
    }
    watch(true);
    if (count == 1) { /* the same twice: every name is there two times */
        struct ptx_text twice[2] = {texts[0], texts[0]};
        exercise(twice, 2);
    } else {
        exercise(texts, count);
    }
    watch(false);
    for (size_t i = 0; i < count; i++) free((char *)(uintptr_t)texts[i].text);
    return 0;
}
