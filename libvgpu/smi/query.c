/* query.c - --query-gpu and --query-compute-apps: a header, and a line for the device or for each process. */
#include "nvml_calls.h"
#include "smi.h"

#include <string.h>

/* One field of a process. */
enum app { APP_TIMESTAMP, APP_GPU_NAME, APP_GPU_BUS_ID, APP_GPU_SERIAL, APP_GPU_UUID, APP_PID, APP_NAME, APP_MEMORY, APPS };
static const struct field apps[APPS] = {
    [APP_TIMESTAMP] = {"timestamp", NULL, NULL, "when the query was made", NULL},
    [APP_GPU_NAME] = {"gpu_name", NULL, NULL, "the device's name", NULL},
    [APP_GPU_BUS_ID] = {"gpu_bus_id", NULL, NULL, "domain:bus:device.function", NULL},
    [APP_GPU_SERIAL] = {"gpu_serial", NULL, NULL, "the board's serial number", NULL},
    [APP_GPU_UUID] = {"gpu_uuid", NULL, NULL, "the device's identity", NULL},
    [APP_PID] = {"pid", NULL, NULL, "process id, in the process's own namespace", NULL},
    [APP_NAME] = {"process_name", "name", NULL, "the program", NULL},
    [APP_MEMORY] = {"used_gpu_memory", "used_memory", "MiB", "device memory that the process has", NULL},
};

/* The next name of a list, without the spaces around it; NULL at the end. */
static const char *next(const char **list, size_t *length)
{
    if (!*list) return NULL;
    const char *name = *list + strspn(*list, " ");
    size_t most = strcspn(name, ",");
    *list = name[most] ? name + most + 1 : NULL;
    while (most && name[most - 1] == ' ') most--;
    *length = most;
    return name;
}

static const struct field *app_field(const char *name, size_t length) { return smi_find(apps, APPS, name, length); }

/* Every name is known, or one line that says which is not; and the header. */
static int head(const char *list, const struct field *(*find)(const char *, size_t), const char *help, const struct smi_format *format, bool first, FILE *out)
{
    size_t length;
    for (const char *rest = list, *name; (name = next(&rest, &length));) {
        if (find(name, length)) continue;
        fprintf(stderr, "Field \"%.*s\" is not a valid field to query. %s lists those that are.\n", (int)length, name, help);
        return SMI_INVALID_ARGUMENT;
    }
    if (!first || !format->header) return SMI_OK;
    const char *comma = "";
    for (const char *rest = list, *name; (name = next(&rest, &length)); comma = ", ") {
        const struct field *field = find(name, length);
        fprintf(out, "%s%s", comma, field->name);
        if (field->unit) fprintf(out, " [%s]", field->unit);
    }
    fputc('\n', out);
    return SMI_OK;
}

int smi_query_gpu(const char *fields, nvmlDevice_t device, const struct smi_format *format, bool first, FILE *out)
{
    int status = head(fields, smi_field, "nvidia-smi --help-query-gpu", format, first, out);
    if (status != SMI_OK) return status;
    const char *comma = "";
    size_t length;
    for (const char *name; (name = next(&fields, &length)); comma = ", ") {
        char text[SMI_TEXT];
        smi_tell(smi_field(name, length), device, format->units, "[N/A]", text, sizeof text);
        fprintf(out, "%s%s", comma, text);
    }
    fputc('\n', out);
    return SMI_OK;
}

static void tell_app(enum app app, nvmlDevice_t device, const nvmlProcessInfo_t *process, bool units, char *text, size_t size)
{
    switch (app) {
        case APP_PID: snprintf(text, size, "%u", process->pid); return;
        case APP_NAME:
            if (nvmlSystemGetProcessName(process->pid, text, (unsigned)size) != NVML_SUCCESS) snprintf(text, size, "[Not Found]");
            return;
        case APP_MEMORY: snprintf(text, size, "%llu%s", process->usedGpuMemory >> 20, units ? " MiB" : ""); return;
        default: smi_value(apps[app].name, device, "[N/A]", text, size);
    }
}

int smi_query_apps(const char *fields, nvmlDevice_t device, const struct smi_format *format, bool first, FILE *out)
{
    int status = head(fields, app_field, "nvidia-smi --help-query-compute-apps", format, first, out);
    if (status != SMI_OK) return status;
    nvmlProcessInfo_t processes[SMI_PROCESSES];
    unsigned count = smi_processes(device, processes);
    for (unsigned i = 0; i < count; i++) {
        const char *comma = "";
        size_t length;
        for (const char *rest = fields, *name; (name = next(&rest, &length)); comma = ", ") {
            char text[SMI_TEXT];
            tell_app((enum app)(app_field(name, length) - apps), device, &processes[i], format->units, text, sizeof text);
            fprintf(out, "%s%s", comma, text);
        }
        fputc('\n', out);
    }
    return SMI_OK;
}

static void help(const struct field *fields, size_t count, const char *option, FILE *out)
{
    fprintf(out, "Fields for %s, separated by commas:\n\n", option);
    for (size_t i = 0; i < count; i++) {
        const struct field *field = &fields[i];
        char names[128];
        snprintf(names, sizeof names, field->alias ? "\"%s\" or \"%s\"" : "\"%s\"", field->name, field->alias);
        fprintf(out, "%-52s %s%s%s\n", names, field->what, field->unit ? ", in " : "", field->unit ? field->unit : "");
    }
}

void smi_help_gpu(FILE *out) { help(smi_fields, smi_field_count, "--query-gpu", out); }
void smi_help_apps(FILE *out) { help(apps, APPS, "--query-compute-apps", out); }
