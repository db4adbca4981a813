/* card.c - an NVML as the driver of a card brings it, for the daemon to read: declared as nvml.h's documentation says, each value told apart from the others,
 * with some of the sensors missing, and nothing answered before nvmlInit_v2 nor for a device that was not asked for. */
#include <stdio.h>
#include <string.h>

#define API __attribute__((visibility("default")))

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6 };

static int initialised;
static struct nvml_device { int there; } the_device;
typedef struct nvml_device *nvml_device_t;

API int nvmlInit_v2(void)
{
    initialised = 1;
    return SUCCESS;
}

API int nvmlDeviceGetHandleByUUID(const char *uuid, nvml_device_t *device)
{
    if (!initialised) return UNINITIALIZED;
    if (strncmp(uuid, "GPU-", 4) != 0 || strlen(uuid) != 40) return NOT_FOUND;
    *device = &the_device;
    return SUCCESS;
}

API int nvmlSystemGetDriverVersion(char *version, unsigned length)
{
    return initialised && snprintf(version, length, "999.88.07") < (int)length ? SUCCESS : INVALID_ARGUMENT;
}

struct nvml_pci_info {
    char bus_id_legacy[16];
    unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
    char bus_id[32];
};

API int nvmlDeviceGetPciInfo_v3(nvml_device_t device, struct nvml_pci_info *pci)
{
    if (device != &the_device) return INVALID_ARGUMENT;
    memset(pci, 0xee, sizeof *pci);
    pci->pci_device_id = 0x233010de;
    return SUCCESS;
}

static int tell(nvml_device_t device, unsigned value, unsigned *out)
{
    if (!initialised) return UNINITIALIZED;
    if (device != &the_device) return INVALID_ARGUMENT;
    *out = value;
    return SUCCESS;
}

API int nvmlDeviceGetBrand(nvml_device_t device, unsigned *brand) { return tell(device, 14, brand); }
API int nvmlDeviceGetTemperature(nvml_device_t device, unsigned sensor, unsigned *celsius) { return sensor ? INVALID_ARGUMENT : tell(device, 61, celsius); }
API int nvmlDeviceGetTemperatureThreshold(nvml_device_t device, unsigned which, unsigned *celsius) { return tell(device, which == 0 ? 95 : 87, celsius); }
API int nvmlDeviceGetPowerUsage(nvml_device_t device, unsigned *milliwatts) { return tell(device, 123456, milliwatts); }
API int nvmlDeviceGetEnforcedPowerLimit(nvml_device_t device, unsigned *milliwatts) { return tell(device, 700000, milliwatts); }
API int nvmlDeviceGetFanSpeed(nvml_device_t device, unsigned *percent) { (void)device, (void)percent; return NOT_SUPPORTED; }
API int nvmlDeviceGetClockInfo(nvml_device_t device, unsigned clock, unsigned *mhz) { return tell(device, 1000 + clock, mhz); }
API int nvmlDeviceGetMaxClockInfo(nvml_device_t device, unsigned clock, unsigned *mhz) { return tell(device, 2000 + clock, mhz); }
API int nvmlDeviceGetPerformanceState(nvml_device_t device, unsigned *state) { return tell(device, 2, state); }
API int nvmlDeviceGetCurrPcieLinkGeneration(nvml_device_t device, unsigned *generation) { return tell(device, 5, generation); }
API int nvmlDeviceGetTotalEnergyConsumption(nvml_device_t device, unsigned long long *millijoules)
{
    if (device != &the_device) return INVALID_ARGUMENT;
    *millijoules = 12345678901234ull;
    return SUCCESS;
}
/* nvmlDeviceGetCurrPcieLinkWidth: this NVML is older than that. */
