/* report.c - -q: all there is to tell of the device, as lines or as XML. The layout is a table; its values are fields.c's. */
#include "nvml_calls.h"
#include "smi.h"

#include <string.h>
#include <strings.h>

enum { COLON = 42, INDENT = 4 };

/* A row without a field opens a group, of which the rows that follow at a greater depth are. `section`: what -d calls it. */
static const struct row {
    int depth;
    const char *title, *tag, *field, *section;
} rows[] = {
    {1, "Product Name", "product_name", "name", NULL},
    {1, "Product Brand", "product_brand", "brand", NULL},
    {1, "Product Architecture", "product_architecture", "architecture", NULL},
    {1, "Display Mode", "display_mode", "display_mode", NULL},
    {1, "Display Active", "display_active", "display_active", NULL},
    {1, "Persistence Mode", "persistence_mode", "persistence_mode", NULL},
    {1, "Serial Number", "serial", "serial", NULL},
    {1, "GPU UUID", "uuid", "uuid", NULL},
    {1, "Minor Number", "minor_number", "minor_number", NULL},
    {1, "VBIOS Version", "vbios_version", "vbios_version", NULL},
    {1, "PCI", "pci", NULL, NULL},
    {2, "Bus", "pci_bus", "pci.bus", NULL},
    {2, "Device", "pci_device", "pci.device", NULL},
    {2, "Domain", "pci_domain", "pci.domain", NULL},
    {2, "Device Id", "pci_device_id", "pci.device_id", NULL},
    {2, "Bus Id", "pci_bus_id", "pci.bus_id", NULL},
    {2, "Sub System Id", "pci_sub_system_id", "pci.sub_device_id", NULL},
    {1, "Fan Speed", "fan_speed", "fan.speed", NULL},
    {1, "Performance State", "performance_state", "pstate", "PERFORMANCE"},
    {1, "FB Memory Usage", "fb_memory_usage", NULL, "MEMORY"},
    {2, "Total", "total", "memory.total", NULL},
    {2, "Reserved", "reserved", "memory.reserved", NULL},
    {2, "Used", "used", "memory.used", NULL},
    {2, "Free", "free", "memory.free", NULL},
    {1, "Compute Mode", "compute_mode", "compute_mode", "COMPUTE"},
    {1, "Utilization", "utilization", NULL, "UTILIZATION"},
    {2, "Gpu", "gpu_util", "utilization.gpu", NULL},
    {2, "Memory", "memory_util", "utilization.memory", NULL},
    {1, "Ecc Mode", "ecc_mode", NULL, "ECC"},
    {2, "Current", "current_ecc", "ecc.mode.current", NULL},
    {2, "Pending", "pending_ecc", "ecc.mode.pending", NULL},
    {1, "Temperature", "temperature", NULL, "TEMPERATURE"},
    {2, "GPU Current Temp", "gpu_temp", "temperature.gpu", NULL},
    {2, "GPU Shutdown Temp", "gpu_temp_max_threshold", "temperature.gpu.shutdown", NULL},
    {2, "GPU Slowdown Temp", "gpu_temp_slow_threshold", "temperature.gpu.slowdown", NULL},
    {1, "GPU Power Readings", "gpu_power_readings", NULL, "POWER"},
    {2, "Power Draw", "power_draw", "power.draw", NULL},
    {2, "Current Power Limit", "current_power_limit", "enforced.power.limit", NULL},
    {1, "Clocks", "clocks", NULL, "CLOCK"},
    {2, "Graphics", "graphics_clock", "clocks.current.graphics", NULL},
    {2, "SM", "sm_clock", "clocks.current.sm", NULL},
    {2, "Memory", "mem_clock", "clocks.current.memory", NULL},
    {2, "Video", "video_clock", "clocks.current.video", NULL},
    {1, "Max Clocks", "max_clocks", NULL, "CLOCK"},
    {2, "Graphics", "graphics_clock", "clocks.max.graphics", NULL},
    {2, "SM", "sm_clock", "clocks.max.sm", NULL},
    {2, "Memory", "mem_clock", "clocks.max.memory", NULL},
};
enum { ROWS = sizeof rows / sizeof *rows };
static const char PIDS[] = "PIDS";

static bool listed(const char *list, const char *name)
{
    for (const char *at = list; at;) {
        size_t length = strcspn(at, ",");
        if (strlen(name) == length && !strncasecmp(at, name, length)) return true;
        at = at[length] ? at + length + 1 : NULL;
    }
    return false;
}

static int check(const char *sections)
{
    for (const char *at = sections; at;) {
        size_t length = strcspn(at, ",");
        bool known = !strncasecmp(at, PIDS, length) && length == strlen(PIDS);
        for (int i = 0; i < ROWS && !known; i++) known = rows[i].section && strlen(rows[i].section) == length && !strncasecmp(at, rows[i].section, length);
        if (!known) {
            fprintf(stderr, "\"%.*s\" is not a section that -d knows: MEMORY, UTILIZATION, ECC, TEMPERATURE, POWER, CLOCK, COMPUTE, PERFORMANCE, PIDS.\n", (int)length, at);
            return SMI_INVALID_ARGUMENT;
        }
        at = at[length] ? at + length + 1 : NULL;
    }
    return SMI_OK;
}

/* A program's name may be anything. XML has no way to say most control characters. */
static void escaped(const char *text, FILE *out)
{
    for (; *text; text++) {
        if (*text == '&') fputs("&amp;", out);
        else if (*text == '<') fputs("&lt;", out);
        else if (*text == '>') fputs("&gt;", out);
        else fputc((unsigned char)*text < ' ' || (unsigned char)*text > '~' ? '?' : *text, out);
    }
}

static void leaf(int depth, const char *title, const char *tag, const char *text, bool xml, FILE *out)
{
    if (xml) {
        fprintf(out, "%.*s<%s>", depth + 1, "\t\t\t\t\t\t", tag);
        escaped(text, out);
        fprintf(out, "</%s>\n", tag);
    } else fprintf(out, "%*s%-*s: %s\n", depth * INDENT, "", COLON - depth * INDENT, title, text);
}

static void group(int depth, const char *title, const char *tag, bool xml, FILE *out)
{
    if (xml) fprintf(out, "%.*s<%s>\n", depth + 1, "\t\t\t\t\t\t", tag);
    else fprintf(out, "%*s%s\n", depth * INDENT, "", title);
}

static void close_group(int depth, const char *tag, bool xml, FILE *out)
{
    if (xml) fprintf(out, "%.*s</%s>\n", depth + 1, "\t\t\t\t\t\t", tag);
}

static void processes(nvmlDevice_t device, bool xml, FILE *out)
{
    nvmlProcessInfo_t found[SMI_PROCESSES];
    unsigned count = smi_processes(device, found);
    if (!xml && count == 0) return leaf(1, "Processes", "", "None", false, out);
    group(1, "Processes", "processes", xml, out);
    for (unsigned i = 0; i < count; i++) {
        char text[SMI_TEXT];
        group(2, "Process", "process_info", xml, out);
        snprintf(text, sizeof text, "%u", found[i].pid);
        leaf(3, "Process ID", "pid", text, xml, out);
        leaf(3, "Type", "type", "C", xml, out);
        if (nvmlSystemGetProcessName(found[i].pid, text, sizeof text) != NVML_SUCCESS) snprintf(text, sizeof text, "N/A");
        leaf(3, "Name", "process_name", text, xml, out);
        snprintf(text, sizeof text, "%llu MiB", found[i].usedGpuMemory >> 20);
        leaf(3, "Used GPU Memory", "used_memory", text, xml, out);
        close_group(2, "process_info", xml, out);
    }
    close_group(1, "processes", xml, out);
}

static void of_the_system(const char *title, const char *tag, const char *field, nvmlDevice_t device, bool xml, FILE *out)
{
    char text[SMI_TEXT];
    smi_value(field, device, "N/A", text, sizeof text);
    leaf(0, title, tag, text, xml, out);
}

static void value(const struct row *row, nvmlDevice_t device, bool xml, FILE *out)
{
    char text[SMI_TEXT];
    smi_value(row->field, device, "N/A", text, sizeof text);
    size_t length = strlen(text);
    if (!strncmp(row->field, "temperature.", 12) && text[0] != 'N') snprintf(text + length, sizeof text - length, " C");
    leaf(row->depth, row->title, row->tag, text, xml, out);
}

int smi_report(const char *sections, bool xml, nvmlDevice_t device, FILE *out)
{
    int status = check(sections);
    if (status != SMI_OK) return status;
    char text[SMI_TEXT], bus[SMI_TEXT];
    if (xml) fputs("<?xml version=\"1.0\" ?>\n<nvidia_smi_log>\n", out);
    else fputs("\n==============NVSMI LOG==============\n\n", out);
    smi_time("%a %b %d %H:%M:%S %Y", text, sizeof text);
    leaf(0, "Timestamp", "timestamp", text, xml, out);
    of_the_system("Driver Version", "driver_version", "driver_version", device, xml, out);
    of_the_system("CUDA Version", "cuda_version", "cuda_version", device, xml, out);
    if (!xml) fputc('\n', out);
    of_the_system("Attached GPUs", "attached_gpus", "count", device, xml, out);
    smi_value("pci.bus_id", device, "N/A", bus, sizeof bus);
    fprintf(out, xml ? "\t<gpu id=\"%s\">\n" : "GPU %s\n", bus);
    const struct row *open = NULL;
    bool shown = false;
    for (int i = 0; i < ROWS; i++) {
        const struct row *row = &rows[i];
        if (row->depth == 1) {
            if (open) close_group(1, open->tag, xml, out);
            open = NULL;
            shown = !sections || (row->section && listed(sections, row->section));
        }
        if (!shown) continue;
        if (row->field) {
            value(row, device, xml, out);
            continue;
        }
        group(1, row->title, row->tag, xml, out);
        open = row;
    }
    if (open) close_group(1, open->tag, xml, out);
    if (!sections || listed(sections, PIDS)) processes(device, xml, out);
    fputs(xml ? "\t</gpu>\n</nvidia_smi_log>\n" : "\n", out);
    return SMI_OK;
}
