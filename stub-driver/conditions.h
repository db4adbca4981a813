/* Conditions of graphs: numbers that kernels set (cudaGraphSetConditional) and conditional nodes read. */
#ifndef RF_STUB_CONDITIONS_H
#define RF_STUB_CONDITIONS_H

#include <stdint.h>

/* Sets a condition's value; unknown handles are ignored, as a kernel has nobody to tell. Any thread. */
void rf_condition_set(uint64_t handle, uint32_t value);
uint32_t rf_condition_get(uint64_t handle);

#endif
