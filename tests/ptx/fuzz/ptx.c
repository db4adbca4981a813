/* Lexer, parser, decoder and execution: one text. */
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ptx_text text = {(const char *)data, size, "fuzz"};
    watch(true);
    exercise(&text, 1);
    watch(false);
    return 0;
}
