/* Decompression of fat binaries' entries. */
#ifndef RF_STUB_DECOMPRESS_H
#define RF_STUB_DECOMPRESS_H

#include <stdbool.h>
#include <stddef.h>

/* One raw LZ4 block. True when it is sound and fills exactly `target_size` bytes. */
bool rf_lz4(const unsigned char *source, size_t source_size, unsigned char *target, size_t target_size);

enum rf_zstd { RF_ZSTD_DONE, RF_ZSTD_BROKEN, RF_ZSTD_MISSING };

/* A Zstandard frame, through the system's libzstd.so.1, if there is one. */
enum rf_zstd rf_zstd(const unsigned char *source, size_t source_size, unsigned char *target, size_t target_size);

#endif
