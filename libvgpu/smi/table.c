/* table.c - what a call without options prints: the table that everybody knows; and -L, a line a device. */
#include "nvml_calls.h"
#include "smi.h"

#include <string.h>

enum { WIDTH = 89, NAME = 35 };

static void full(char fill, char edge, FILE *out)
{
    fputc(edge, out);
    for (int i = 0; i < WIDTH; i++) fputc(fill, out);
    fprintf(out, "%c\n", edge);
}

static void rule(char fill, char edge, FILE *out)
{
    static const int columns[] = {41, 24, 22};
    for (int c = 0; c < 3; c++) {
        fputc(c ? '+' : edge, out);
        for (int i = 0; i < columns[c]; i++) fputc(fill, out);
    }
    fprintf(out, "%c\n", edge);
}

static void row(const char *left, const char *middle, const char *right, FILE *out) { fprintf(out, "|%-41.41s|%-24.24s|%-22.22s|\n", left, middle, right); }
static void line(const char *text, FILE *out) { fprintf(out, "|%-*.*s|\n", WIDTH, WIDTH, text); }

/* "410 MiB" as "410MiB"; and watts without their hundredths. */
static void tight(const char *field, nvmlDevice_t device, char *text, size_t size)
{
    smi_value(field, device, "N/A", text, size);
    char *point = strchr(text, '.'), *space = strchr(text, ' ');
    if (!space) return;
    memmove(point ? point : space, space + 1, strlen(space));
}

int smi_table(nvmlDevice_t device, FILE *out)
{
    enum { SHORT = 32 };
    char text[SMI_TEXT], name[SMI_TEXT], driver[SHORT], cuda[SHORT], a[SHORT], b[SHORT], c[SHORT], draw[SHORT], limit[SHORT], left[SMI_TEXT], middle[SMI_TEXT], right[SMI_TEXT];
    smi_time("%a %b %e %H:%M:%S %Y", text, sizeof text);
    fprintf(out, "%s       \n", text);
    smi_value("driver_version", device, "N/A", driver, sizeof driver);
    smi_value("cuda_version", device, "N/A", cuda, sizeof cuda);
    full('-', '+', out);
    snprintf(text, sizeof text, " NVIDIA-SMI %-21.21s Driver Version: %-15.15s CUDA Version: %.8s", driver, driver, cuda);
    line(text, out);
    rule('-', '|', out);
    row(" GPU  Name                 Persistence-M", " Bus-Id          Disp.A", " Volatile Uncorr. ECC", out);
    row(" Fan  Temp   Perf          Pwr:Usage/Cap", "           Memory-Usage", " GPU-Util  Compute M.", out);
    row("", "", "               MIG M.", out);
    rule('=', '|', out);

    smi_value("name", device, "N/A", name, sizeof name);
    snprintf(left, sizeof left, "   0  %-30.30s  On ", name);
    smi_value("pci.bus_id", device, "N/A", text, sizeof text);
    snprintf(middle, sizeof middle, "%19.19s Off", text);
    smi_value("ecc.mode.current", device, "N/A", text, sizeof text);
    snprintf(right, sizeof right, "%21s", strcmp(text, "Enabled") ? "N/A" : "0");
    row(left, middle, right, out);
    tight("fan.speed", device, a, sizeof a);
    smi_value("temperature.gpu", device, "N/A", b, sizeof b - 1);
    if (strcmp(b, "N/A")) strcat(b, "C");
    smi_value("pstate", device, "N/A", c, sizeof c);
    tight("power.draw", device, draw, sizeof draw);
    tight("power.limit", device, limit, sizeof limit);
    snprintf(text, sizeof text, "%.8s / %5.6s", draw, limit);
    snprintf(left, sizeof left, "%4.4s  %4.4s    %-4.4s %21.21s ", a, b, c, text);
    tight("memory.used", device, a, sizeof a);
    tight("memory.total", device, b, sizeof b);
    snprintf(text, sizeof text, "%.15s / %.15s", a, b);
    snprintf(middle, sizeof middle, "%23s", text);
    tight("utilization.gpu", device, a, sizeof a);
    smi_value("compute_mode", device, "N/A", b, sizeof b);
    snprintf(right, sizeof right, "%8.8s %12.12s", a, b);
    row(left, middle, right, out);
    row("", "", "                  N/A", out);
    rule('-', '+', out);

    nvmlProcessInfo_t processes[SMI_PROCESSES];
    unsigned count = smi_processes(device, processes);
    fputc('\n', out);
    full('-', '+', out);
    line(" Processes:", out);
    line("  GPU   GI   CI              PID   Type   Process name                        GPU Memory", out);
    line("        ID   ID                                                               Usage", out);
    full('=', '|', out);
    if (count == 0) line("  No running processes found", out);
    for (unsigned i = 0; i < count; i++) {
        if (nvmlSystemGetProcessName(processes[i].pid, name, sizeof name) != NVML_SUCCESS) snprintf(name, sizeof name, "N/A");
        for (char *at = name; *at; at++)
            if ((unsigned char)*at < ' ' || *at == 127) *at = '?'; /* a name may hold anything, a terminal's commands included */
        /* The program, or as much as there is room for of its end: that tells programs apart. */
        size_t length = strlen(name);
        if (length > NAME) {
            memmove(name, name + length - NAME, NAME + 1);
            memcpy(name, "...", 3);
        }
        snprintf(text, sizeof text, "    0   N/A  N/A %16u      C   %-*.*s %6lluMiB", processes[i].pid, NAME, NAME, name, processes[i].usedGpuMemory >> 20);
        line(text, out);
    }
    full('-', '+', out);
    return SMI_OK;
}

int smi_list(nvmlDevice_t device, FILE *out)
{
    char name[SMI_TEXT], uuid[SMI_TEXT];
    smi_value("name", device, "N/A", name, sizeof name);
    smi_value("uuid", device, "N/A", uuid, sizeof uuid);
    fprintf(out, "GPU 0: %s (UUID: %s)\n", name, uuid);
    return SMI_OK;
}
