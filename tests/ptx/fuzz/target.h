/* What a fuzz target is: libFuzzer's entry point, which replay.c calls too, and what the PTX targets do with a text. */
#ifndef TESTS_PTX_FUZZ_TARGET_H
#define TESTS_PTX_FUZZ_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ptx/ptx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An input's time begins, or ends: one that takes too long is a finding. */
void watch(bool on);

/* Loads (one text) or links (several), and runs each kernel of what is accepted for a moment. */
void exercise(const struct ptx_text *texts, size_t count);

#endif
