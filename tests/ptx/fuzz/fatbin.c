/* What programs hand over as code: PTX text, fat binaries with their decompressors, images of our own linker. */
#include "target.h"

#include <stdlib.h>
#include <string.h>

#include "image.h"

static void find(const void *data, size_t size) {
    struct rf_texts texts;
    char log[RF_JIT_LOG];
    size_t packed_size;
    CUresult result = rf_texts_find(data, size, "fuzz", &texts, log);
    if (result) {
        if (texts.count || (result != CUDA_ERROR_OUT_OF_MEMORY && !log[0])) abort(); /* something kept, or refused without a word */
        return;
    }
    volatile unsigned sum = 0;
    for (size_t i = 0; i < texts.count; i++)
        for (size_t k = 0; k <= texts.list[i].length; k++) sum += (unsigned char)texts.list[i].text[k];
    void *packed = rf_texts_pack(&texts, &packed_size);
    struct rf_texts again;
    if (packed && texts.count) {
        if (rf_texts_find(packed, packed_size, "again", &again, log) != CUDA_SUCCESS || again.count != texts.count) abort();
        for (size_t i = 0; i < texts.count; i++)
            if (again.list[i].length != texts.list[i].length || memcmp(again.list[i].text, texts.list[i].text, texts.list[i].length)) abort();
        rf_texts_free(&again);
    }
    free(packed);
    rf_texts_free(&texts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct { uint32_t magic, version; const void *data; const void *linked; } wrapper = {0x466243b1, 1, NULL, NULL};
    struct { uint32_t magic; uint16_t version, header_size; uint64_t size; } header;
    if (size < 1) return 0;
    watch(true);
    void *exact = malloc(size); /* aligned, and exactly as long */
    memcpy(exact, data, size);
    uint32_t magic = 0;
    memcpy(&magic, data, size < 4 ? size : 4);
    if (magic != wrapper.magic) find(exact, size); /* a wrapper holds pointers of its process, which are believed */
    if (size >= sizeof header) {
        memcpy(&header, exact, sizeof header);
        if (header.header_size <= size && header.size <= size - header.header_size) { /* what a wrapper points at says its own size */
            wrapper.data = exact;
            find(&wrapper, sizeof wrapper);
        }
    }
    free(exact);
    watch(false);
    return 0;
}
