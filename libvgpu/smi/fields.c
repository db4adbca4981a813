/* fields.c - every value that a query can ask for: its name, unit, meaning, and how NVML tells it. */
#include "nvml_calls.h"
#include "smi.h"

#include <string.h>

enum { MEBIBYTE = 1 << 20 };

#define TELL(name) static bool tell_##name(nvmlDevice_t device, char *text, size_t size)
#define NUMBER(name, call, format, value) \
    TELL(name)                            \
    {                                     \
        unsigned got = 0;                 \
        if (call != NVML_SUCCESS) return false; \
        snprintf(text, size, format, value);    \
        return true;                      \
    }
#define TEXT(name, call) \
    TELL(name) { return call == NVML_SUCCESS; }
#define SWITCH(name, call) NUMBER(name, call, "%s", got ? "Enabled" : "Disabled")

static bool of_system(nvmlReturn_t (*ask)(char *, unsigned), char *text, size_t size) { return ask(text, (unsigned)size) == NVML_SUCCESS; }

void smi_time(const char *format, char *text, size_t size)
{
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    size_t length = strftime(text, size, format, localtime_r(&now.tv_sec, &parts));
    if (strstr(format, "%S") == format + strlen(format) - 2) snprintf(text + length, size - length, ".%03ld", now.tv_nsec / 1000000);
}

TELL(timestamp)
{
    (void)device;
    smi_time("%Y/%m/%d %H:%M:%S", text, size);
    return true;
}

TELL(driver_version)
{
    (void)device;
    return of_system(nvmlSystemGetDriverVersion, text, size);
}

TELL(cuda_version)
{
    int version;
    (void)device;
    if (nvmlSystemGetCudaDriverVersion_v2(&version) != NVML_SUCCESS) return false;
    snprintf(text, size, "%d.%d", version / 1000, version % 1000 / 10);
    return true;
}

TELL(count)
{
    unsigned count;
    (void)device;
    if (nvmlDeviceGetCount_v2(&count) != NVML_SUCCESS) return false;
    snprintf(text, size, "%u", count);
    return true;
}

TEXT(name, nvmlDeviceGetName(device, text, (unsigned)size))
TEXT(uuid, nvmlDeviceGetUUID(device, text, (unsigned)size))
TEXT(serial, nvmlDeviceGetSerial(device, text, (unsigned)size))
TEXT(vbios, nvmlDeviceGetVbiosVersion(device, text, (unsigned)size))
NUMBER(index, nvmlDeviceGetIndex(device, &got), "%u", got)
NUMBER(minor, nvmlDeviceGetMinorNumber(device, &got), "%u", got)

TELL(brand)
{
    /* nvmlBrandType_t. */
    static const char *const names[] = {"Unknown", "Quadro", "Tesla", "NVS", "GRID", "GeForce", "Titan", "NVIDIA Virtual Applications", "NVIDIA Virtual PC",
                                        "NVIDIA Virtual Compute Server", "NVIDIA RTX Virtual Workstation", "NVIDIA vWS", "NVIDIA Cloud Gaming", "Quadro RTX", "NVIDIA RTX", "NVIDIA", "GeForce RTX", "Titan RTX"};
    unsigned brand;
    if (nvmlDeviceGetBrand(device, &brand) != NVML_SUCCESS || brand >= sizeof names / sizeof *names) return false;
    snprintf(text, size, "%s", names[brand]);
    return true;
}

TELL(architecture)
{
    static const char *const names[] = {NULL, NULL, "Kepler", "Maxwell", "Pascal", "Volta", "Turing", "Ampere", "Ada Lovelace", "Hopper", "Blackwell"};
    unsigned architecture;
    if (nvmlDeviceGetArchitecture(device, &architecture) != NVML_SUCCESS || architecture >= sizeof names / sizeof *names || !names[architecture]) return false;
    snprintf(text, size, "%s", names[architecture]);
    return true;
}

TELL(compute_cap)
{
    int major, minor;
    if (nvmlDeviceGetCudaComputeCapability(device, &major, &minor) != NVML_SUCCESS) return false;
    snprintf(text, size, "%d.%d", major, minor);
    return true;
}

#define PCI(name, format, value)                                                  \
    TELL(name)                                                                    \
    {                                                                             \
        nvmlPciInfo_t pci;                                                        \
        if (nvmlDeviceGetPciInfo_v3(device, &pci) != NVML_SUCCESS) return false;  \
        snprintf(text, size, format, value);                                      \
        return true;                                                              \
    }
PCI(pci_bus_id, "%s", pci.busId)
PCI(pci_domain, "0x%04X", pci.domain)
PCI(pci_bus, "0x%02X", pci.bus)
PCI(pci_device, "0x%02X", pci.device)
PCI(pci_device_id, "0x%08X", pci.pciDeviceId)
PCI(pci_sub_device_id, "0x%08X", pci.pciSubSystemId)
NUMBER(pcie_gen, nvmlDeviceGetCurrPcieLinkGeneration(device, &got), "%u", got)
NUMBER(pcie_width, nvmlDeviceGetCurrPcieLinkWidth(device, &got), "%u", got)

#define MEMORY(part)                                                                    \
    TELL(memory_##part)                                                                 \
    {                                                                                   \
        nvmlMemory_v2_t memory = {.version = NVML_STRUCT_VERSION(nvmlMemory_v2_t, 2)};  \
        if (nvmlDeviceGetMemoryInfo_v2(device, &memory) != NVML_SUCCESS) return false;  \
        snprintf(text, size, "%llu", memory.part / MEBIBYTE);                           \
        return true;                                                                    \
    }
MEMORY(total)
MEMORY(used)
MEMORY(free)
MEMORY(reserved)

#define UTILIZATION(part)                                                                  \
    TELL(utilization_##part)                                                               \
    {                                                                                      \
        nvmlUtilization_t rates;                                                           \
        if (nvmlDeviceGetUtilizationRates(device, &rates) != NVML_SUCCESS) return false;   \
        snprintf(text, size, "%u", rates.part);                                            \
        return true;                                                                       \
    }
UTILIZATION(gpu)
UTILIZATION(memory)

NUMBER(fan, nvmlDeviceGetFanSpeed(device, &got), "%u", got)
NUMBER(pstate, nvmlDeviceGetPerformanceState(device, &got), "P%u", got)
NUMBER(temperature, nvmlDeviceGetTemperature(device, NVML_TEMPERATURE_GPU, &got), "%u", got)
NUMBER(shutdown, nvmlDeviceGetTemperatureThreshold(device, NVML_TEMPERATURE_THRESHOLD_SHUTDOWN, &got), "%u", got)
NUMBER(slowdown, nvmlDeviceGetTemperatureThreshold(device, NVML_TEMPERATURE_THRESHOLD_SLOWDOWN, &got), "%u", got)
NUMBER(power, nvmlDeviceGetPowerUsage(device, &got), "%.2f", got / 1000.)
NUMBER(power_limit, nvmlDeviceGetEnforcedPowerLimit(device, &got), "%.2f", got / 1000.)
NUMBER(clock_graphics, nvmlDeviceGetClockInfo(device, NVML_CLOCK_GRAPHICS, &got), "%u", got)
NUMBER(clock_sm, nvmlDeviceGetClockInfo(device, NVML_CLOCK_SM, &got), "%u", got)
NUMBER(clock_memory, nvmlDeviceGetClockInfo(device, NVML_CLOCK_MEM, &got), "%u", got)
NUMBER(clock_video, nvmlDeviceGetClockInfo(device, NVML_CLOCK_VIDEO, &got), "%u", got)
NUMBER(most_graphics, nvmlDeviceGetMaxClockInfo(device, NVML_CLOCK_GRAPHICS, &got), "%u", got)
NUMBER(most_sm, nvmlDeviceGetMaxClockInfo(device, NVML_CLOCK_SM, &got), "%u", got)
NUMBER(most_memory, nvmlDeviceGetMaxClockInfo(device, NVML_CLOCK_MEM, &got), "%u", got)
SWITCH(persistence, nvmlDeviceGetPersistenceMode(device, &got))
SWITCH(display_mode, nvmlDeviceGetDisplayMode(device, &got))
SWITCH(display_active, nvmlDeviceGetDisplayActive(device, &got))

TELL(compute_mode)
{
    static const char *const names[] = {"Default", "Exclusive_Thread", "Prohibited", "Exclusive_Process"};
    unsigned mode;
    if (nvmlDeviceGetComputeMode(device, &mode) != NVML_SUCCESS || mode >= sizeof names / sizeof *names) return false;
    snprintf(text, size, "%s", names[mode]);
    return true;
}

static bool ecc(nvmlDevice_t device, bool pending, char *text, size_t size)
{
    unsigned modes[2];
    if (nvmlDeviceGetEccMode(device, &modes[0], &modes[1]) != NVML_SUCCESS) return false;
    snprintf(text, size, "%s", modes[pending] ? "Enabled" : "Disabled");
    return true;
}
TELL(ecc_current) { return ecc(device, false, text, size); }
TELL(ecc_pending) { return ecc(device, true, text, size); }

/* The last rows are there because scripts ask for them in one breath with others, and one field that is not known refuses the whole query. */
const struct field smi_fields[] = {
    {"timestamp", NULL, NULL, "when the query was made", tell_timestamp},
    {"driver_version", NULL, NULL, "version of the driver that the zone's device is on", tell_driver_version},
    {"cuda_version", NULL, NULL, "the newest CUDA that it has", tell_cuda_version},
    {"count", NULL, NULL, "devices of the zone", tell_count},
    {"name", "gpu_name", NULL, "the device's name", tell_name},
    {"brand", NULL, NULL, "its brand", tell_brand},
    {"architecture", NULL, NULL, "its architecture", tell_architecture},
    {"serial", "gpu_serial", NULL, "the board's serial number", tell_serial},
    {"uuid", "gpu_uuid", NULL, "the device's identity", tell_uuid},
    {"index", NULL, NULL, "the device's number in the zone", tell_index},
    {"minor_number", NULL, NULL, "the number of its device node", tell_minor},
    {"pci.bus_id", "gpu_bus_id", NULL, "domain:bus:device.function", tell_pci_bus_id},
    {"pci.domain", NULL, NULL, "PCI domain", tell_pci_domain},
    {"pci.bus", NULL, NULL, "PCI bus", tell_pci_bus},
    {"pci.device", NULL, NULL, "PCI device", tell_pci_device},
    {"pci.device_id", NULL, NULL, "PCI vendor and device", tell_pci_device_id},
    {"pci.sub_device_id", NULL, NULL, "PCI subsystem", tell_pci_sub_device_id},
    {"pcie.link.gen.current", "pcie.link.gen.gpucurrent", NULL, "generation of the link now", tell_pcie_gen},
    {"pcie.link.width.current", NULL, NULL, "lanes of the link now", tell_pcie_width},
    {"vbios_version", NULL, NULL, "version of the board's firmware", tell_vbios},
    {"display_mode", NULL, NULL, "whether a display may be attached", tell_display_mode},
    {"display_active", NULL, NULL, "whether one is", tell_display_active},
    {"persistence_mode", NULL, NULL, "whether the driver stays loaded", tell_persistence},
    {"compute_mode", NULL, NULL, "how many processes may use the device", tell_compute_mode},
    {"compute_cap", NULL, NULL, "compute capability", tell_compute_cap},
    {"fan.speed", NULL, "%", "of the fan's greatest speed", tell_fan},
    {"pstate", NULL, NULL, "performance state: P0 is the fastest", tell_pstate},
    {"memory.total", NULL, "MiB", "the zone's memory", tell_memory_total},
    {"memory.reserved", NULL, "MiB", "of it, what the driver keeps", tell_memory_reserved},
    {"memory.used", NULL, "MiB", "of it, what the zone's programs have", tell_memory_used},
    {"memory.free", NULL, "MiB", "of it, what is left", tell_memory_free},
    {"utilization.gpu", NULL, "%", "of the last second, how much of it the zone had work on the device", tell_utilization_gpu},
    {"utilization.memory", NULL, "%", "the same of its memory", tell_utilization_memory},
    {"ecc.mode.current", NULL, NULL, "whether memory is checked", tell_ecc_current},
    {"ecc.mode.pending", NULL, NULL, "and after the next restart", tell_ecc_pending},
    {"temperature.gpu", NULL, NULL, "degrees Celsius", tell_temperature},
    {"temperature.gpu.shutdown", NULL, NULL, "at which the device shuts down", tell_shutdown},
    {"temperature.gpu.slowdown", NULL, NULL, "at which it slows down", tell_slowdown},
    {"power.draw", NULL, "W", "power now", tell_power},
    {"power.draw.instant", NULL, "W", "power now", tell_power},
    {"power.draw.average", NULL, "W", "power of late", tell_power},
    {"power.limit", NULL, "W", "the greatest that is allowed", tell_power_limit},
    {"enforced.power.limit", NULL, "W", "the same, of all limits", tell_power_limit},
    {"clocks.current.graphics", "clocks.gr", "MHz", "clock of the graphics domain", tell_clock_graphics},
    {"clocks.current.sm", "clocks.sm", "MHz", "clock of the multiprocessors", tell_clock_sm},
    {"clocks.current.memory", "clocks.mem", "MHz", "clock of the memory", tell_clock_memory},
    {"clocks.current.video", "clocks.video", "MHz", "clock of the video engines", tell_clock_video},
    {"clocks.max.graphics", "clocks.max.gr", "MHz", "the highest that it can be", tell_most_graphics},
    {"clocks.max.sm", NULL, "MHz", "the highest that it can be", tell_most_sm},
    {"clocks.max.memory", "clocks.max.mem", "MHz", "the highest that it can be", tell_most_memory},
#define NO_ZONE(name, unit) {name, NULL, unit, "no zone's device says", NULL}
    NO_ZONE("accounting.mode", NULL), NO_ZONE("accounting.buffer_size", NULL), NO_ZONE("addressing_mode", NULL), NO_ZONE("driver_model.current", NULL),
    NO_ZONE("driver_model.pending", NULL), NO_ZONE("pcie.link.gen.max", NULL), NO_ZONE("pcie.link.gen.gpumax", NULL), NO_ZONE("pcie.link.gen.hostmax", NULL),
    NO_ZONE("pcie.link.width.max", NULL), NO_ZONE("inforom.img", NULL), NO_ZONE("inforom.image", NULL), NO_ZONE("inforom.oem", NULL), NO_ZONE("inforom.ecc", NULL),
    NO_ZONE("inforom.power", NULL), NO_ZONE("gom.current", NULL), NO_ZONE("gom.pending", NULL), NO_ZONE("utilization.encoder", "%"), NO_ZONE("utilization.decoder", "%"),
    NO_ZONE("utilization.jpeg", "%"), NO_ZONE("utilization.ofa", "%"), NO_ZONE("encoder.stats.sessionCount", NULL), NO_ZONE("encoder.stats.averageFps", NULL),
    NO_ZONE("encoder.stats.averageLatency", NULL), NO_ZONE("ecc.errors.corrected.volatile.total", NULL), NO_ZONE("ecc.errors.corrected.aggregate.total", NULL),
    NO_ZONE("ecc.errors.uncorrected.volatile.total", NULL), NO_ZONE("ecc.errors.uncorrected.aggregate.total", NULL), NO_ZONE("retired_pages.pending", NULL),
    NO_ZONE("retired_pages.single_bit_ecc.count", NULL), NO_ZONE("retired_pages.double_bit.count", NULL), NO_ZONE("temperature.memory", NULL),
    NO_ZONE("temperature.gpu.tlimit", NULL), NO_ZONE("power.management", NULL), NO_ZONE("power.default_limit", "W"), NO_ZONE("power.min_limit", "W"),
    NO_ZONE("power.max_limit", "W"), NO_ZONE("module.power.draw.average", "W"), NO_ZONE("clocks.applications.graphics", "MHz"), NO_ZONE("clocks.applications.memory", "MHz"),
    NO_ZONE("clocks.default_applications.graphics", "MHz"), NO_ZONE("clocks.default_applications.memory", "MHz"), NO_ZONE("clocks_throttle_reasons.active", NULL),
    NO_ZONE("clocks_throttle_reasons.supported", NULL), NO_ZONE("clocks_event_reasons.active", NULL), NO_ZONE("clocks_event_reasons.supported", NULL),
    NO_ZONE("mig.mode.current", NULL), NO_ZONE("mig.mode.pending", NULL), NO_ZONE("gsp.mode.current", NULL), NO_ZONE("gsp.mode.default", NULL), NO_ZONE("c2c.mode", NULL),
    NO_ZONE("fabric.state", NULL), NO_ZONE("fabric.status", NULL),
};
const size_t smi_field_count = sizeof smi_fields / sizeof *smi_fields;

static bool is(const char *name, const char *asked, size_t length) { return name && strlen(name) == length && strncmp(name, asked, length) == 0; }

const struct field *smi_find(const struct field *fields, size_t count, const char *name, size_t length)
{
    for (size_t i = 0; i < count; i++)
        if (is(fields[i].name, name, length) || is(fields[i].alias, name, length)) return &fields[i];
    return NULL;
}

const struct field *smi_field(const char *name, size_t length) { return smi_find(smi_fields, smi_field_count, name, length); }

void smi_tell(const struct field *field, nvmlDevice_t device, bool unit, const char *none, char *text, size_t size)
{
    if (!field->tell || !field->tell(device, text, size)) {
        snprintf(text, size, "%s", none);
        return;
    }
    size_t length = strlen(text);
    if (unit && field->unit) snprintf(text + length, size - length, " %s", field->unit);
}

void smi_value(const char *name, nvmlDevice_t device, const char *none, char *text, size_t size) { smi_tell(smi_field(name, strlen(name)), device, true, none, text, size); }

unsigned smi_processes(nvmlDevice_t device, nvmlProcessInfo_t *processes)
{
    unsigned count = SMI_PROCESSES;
    return nvmlDeviceGetComputeRunningProcesses_v3(device, &count, processes) == NVML_SUCCESS ? count : 0;
}
