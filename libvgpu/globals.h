/* globals.h - the variables of modules that the program has asked for: the only device memory that lies outside of the window. */
#ifndef VGPU_GLOBALS_H
#define VGPU_GLOBALS_H

#include <stddef.h>
#include <stdint.h>

#include "cuda.h"

/* Remembers one, until its module or library (`owner`) is unloaded. */
CUresult vgpu_globals_add(uint64_t address, uint64_t bytes, uint64_t owner);
void vgpu_globals_forget(uint64_t owner);

/* Whether one lies around an address. Costs a load while there are none. */
int vgpu_globals_has(uint64_t address);

#endif
