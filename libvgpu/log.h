/* log.h - lines on stderr for the user of a program that knows nothing of Ringfence. */
#ifndef VGPU_LOG_H
#define VGPU_LOG_H

#include "cuda.h"
#include "settings.h"

/* Writes "ringfence: <text>\n" in one write when RINGFENCE_LOG allows the level. Text over 600 bytes is cut. */
void vgpu_log(enum vgpu_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As vgpu_log at VGPU_ERROR, but a text that equals the last one is not said again: programs retry cuInit. */
void vgpu_log_once(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* For entry points that are not served: says so once per symbol from level `warn` on. Returns `error`. */
CUresult vgpu_refuse(const char *symbol, CUresult error);

#endif
