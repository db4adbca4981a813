/*
 * Which bytes of device memory something has written since they were allocated, for RINGFENCE_STUB_CHECK=init. Nothing is kept, and
 * nothing is looked up, without that setting.
 */
#ifndef RF_STUB_WRITTEN_H
#define RF_STUB_WRITTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "ptx/ptx.h"
#include "settings.h"

#define RF_CHECKS_INIT (rf_settings.checks & PTX_CHECK_INIT)

void rf_written_mark(uint64_t address, uint64_t size, bool written);
bool rf_written_all(uint64_t address, uint64_t size);

#endif
