/* rows.h - the table of documented errors: each row is a call, its arguments and what the driver API's documentation says it answers.
 * A row that is not answered so is one line on stdout, and the run goes on: a whole table's differences are seen at once. */
#ifndef ERRORS_ROWS_H
#define ERRORS_ROWS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda.h"

/* The call answers CUDA_ERROR_<name>. */
#define E(name, call) rows_check(__FILE__, __LINE__, #call, (call), CUDA_ERROR_##name)
/* The call succeeds. */
#define OK(call) rows_check(__FILE__, __LINE__, #call, (call), CUDA_SUCCESS)
/* What a call that was answered as it should has (not) written. */
#define HOLDS(condition) rows_hold(__FILE__, __LINE__, #condition, (condition))

/* No object: never given out by a driver, and aligned as a pointer would be. */
#define JUNK(type) ((type)(uintptr_t)0x5a5a5a5a50)

void rows_check(const char *file, int line, const char *call, CUresult got, CUresult expected);
void rows_hold(const char *file, int line, const char *condition, int holds);

/* A context of the section's own, current; ended by leave(). */
CUcontext enter(void);
void leave(CUcontext context);
/* Holds a stream back, until release() lets it go on. */
void hold(CUstream stream);
void release(void);
/* A module of kernels: `nothing` (no parameters), `one` (a pointer), `store` (a pointer and an int), the variable `global` (16 bytes) and
 * the constant `table` (64 bytes). */
extern const char *const rows_ptx;

void rows_uninitialised(void);
void rows_driver(void);
void rows_device(void);
void rows_context(void);
void rows_primary(void);
void rows_stream(void);
void rows_event(void);
void rows_memory(void);
void rows_host(void);
void rows_managed(void);
void rows_pointer(void);
void rows_ipc(void);
void rows_copy(void);
void rows_set(void);
void rows_array(void);
void rows_texture(void);
void rows_pool(void);
void rows_virtual(void);
void rows_module(void);
void rows_library(void);
void rows_link(void);
void rows_launch(void);
void rows_occupancy(void);
void rows_graph(void);
void rows_graph_exec(void);
void rows_capture(void);
void rows_memop(void);
void rows_callback(void);

#endif
