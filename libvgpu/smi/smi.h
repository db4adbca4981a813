/* smi.h - `nvidia-smi` for a zone: what programs and people that run that command ask, answered through NVML (libnvidia-ml.so.1), whose
 * only device here is the zone. Source of the fields' names and of the layouts: NVIDIA's nvidia-smi manual page and what scripts read.
 *
 *   main.c    options, repetition
 *   fields.c  every value that --query-gpu knows, a row each; the rest takes its values from there
 *   query.c   --query-gpu, --query-compute-apps
 *   report.c  -q, as text and as XML
 *   table.c   the table of a call without options */
#ifndef SMI_H
#define SMI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include "nvml.h"

/* Exit codes, as NVIDIA's. */
enum { SMI_OK = 0, SMI_INVALID_ARGUMENT = 2, SMI_NOT_SUPPORTED = 3, SMI_NO_PERMISSION = 4, SMI_NOT_FOUND = 6, SMI_NO_DRIVER = 9 };

enum { SMI_TEXT = 256, SMI_PROCESSES = 256 };

struct field {
    const char *name;  /* as in the header of a query */
    const char *alias; /* another name of it; NULL: none */
    const char *unit;  /* NULL: none */
    const char *what;  /* a line of --help-query-gpu */
    bool (*tell)(nvmlDevice_t device, char *text, size_t size); /* false: the device does not say. NULL: no zone's does */
};

extern const struct field smi_fields[];
extern const size_t smi_field_count;

/* By name or alias; NULL: there is none. The second: of a table of one's own. */
const struct field *smi_field(const char *name, size_t length);
const struct field *smi_find(const struct field *fields, size_t count, const char *name, size_t length);
/* The value, with its unit if asked for; `none` where the device does not say. */
void smi_tell(const struct field *field, nvmlDevice_t device, bool unit, const char *none, char *text, size_t size);
/* The same by name, for the texts that are laid out here. */
void smi_value(const char *name, nvmlDevice_t device, const char *none, char *text, size_t size);

struct smi_format {
    bool header, units;
};

/* Fields separated by commas. Print one block; the header only if `first`. */
int smi_query_gpu(const char *fields, nvmlDevice_t device, const struct smi_format *format, bool first, FILE *out);
int smi_query_apps(const char *fields, nvmlDevice_t device, const struct smi_format *format, bool first, FILE *out);
void smi_help_gpu(FILE *out);
void smi_help_apps(FILE *out);

/* `sections`: MEMORY,UTILIZATION,... or NULL for all. */
int smi_report(const char *sections, bool xml, nvmlDevice_t device, FILE *out);
int smi_table(nvmlDevice_t device, FILE *out);
int smi_list(nvmlDevice_t device, FILE *out);

/* The zone's processes on the device; at most SMI_PROCESSES. */
unsigned smi_processes(nvmlDevice_t device, nvmlProcessInfo_t *processes);

/* As nvidia-smi writes the time. */
void smi_time(const char *format, char *text, size_t size);

#endif
