/* processes.c - who uses the device: the zone's own processes, with what the quota counts for each. */
#include "link.h"

/* How a caller says that it wants the number alone, or more than it has room for: the number, and INSUFFICIENT_SIZE. */
static nvmlReturn_t fits(const struct rf_snapshot *now, unsigned int *count, const void *infos)
{
    unsigned room = *count;
    *count = now->process_count;
    if (now->process_count > room) return NVML_ERROR_INSUFFICIENT_SIZE;
    return now->process_count > 0 && !infos ? NVML_ERROR_INVALID_ARGUMENT : NVML_SUCCESS;
}

RFML_EXPORT nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *infoCount, nvmlProcessInfo_t *infos)
{
    const struct rf_snapshot *now;
    nvmlReturn_t error = rfml_look(device, infoCount, &now);
    if (error != NVML_SUCCESS) return error;
    error = fits(now, infoCount, infos);
    for (uint32_t i = 0; error == NVML_SUCCESS && i < now->process_count; i++)
        infos[i] = (nvmlProcessInfo_t){.pid = now->processes[i].pid, .usedGpuMemory = now->processes[i].memory, .gpuInstanceId = NVML_NO_INSTANCE,
                                       .computeInstanceId = NVML_NO_INSTANCE};
    return rfml_done(error);
}

RFML_EXPORT nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v2(nvmlDevice_t device, unsigned int *infoCount, nvmlProcessInfo_t *infos)
{
    return nvmlDeviceGetComputeRunningProcesses_v3(device, infoCount, infos);
}

RFML_EXPORT nvmlReturn_t nvmlDeviceGetComputeRunningProcesses(nvmlDevice_t device, unsigned int *infoCount, nvmlProcessInfo_v1_t *infos)
{
    const struct rf_snapshot *now;
    nvmlReturn_t error = rfml_look(device, infoCount, &now);
    if (error != NVML_SUCCESS) return error;
    error = fits(now, infoCount, infos);
    for (uint32_t i = 0; error == NVML_SUCCESS && i < now->process_count; i++)
        infos[i] = (nvmlProcessInfo_v1_t){.pid = now->processes[i].pid, .usedGpuMemory = now->processes[i].memory};
    return rfml_done(error);
}

/* No process draws, and none comes through MPS. */
#define NO_PROCESSES(name) \
    RFML_EXPORT nvmlReturn_t name(nvmlDevice_t device, unsigned int *infoCount, void *infos) \
    { \
        (void)infos; \
        return rfml_constant(device, infoCount, 0); \
    }
NO_PROCESSES(nvmlDeviceGetGraphicsRunningProcesses)
NO_PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v2)
NO_PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v3)
NO_PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses)
NO_PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses_v2)
NO_PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses_v3)

/* One sample for each process that worked in the last second. */
RFML_EXPORT nvmlReturn_t nvmlDeviceGetProcessUtilization(nvmlDevice_t device, nvmlProcessUtilizationSample_t *utilization,
                                                         unsigned int *processSamplesCount, unsigned long long lastSeenTimeStamp)
{
    const struct rf_snapshot *now;
    nvmlReturn_t error = rfml_look(device, processSamplesCount, &now);
    if (error != NVML_SUCCESS) return error;
    unsigned room = *processSamplesCount, found = 0;
    for (uint32_t i = 0; i < now->process_count && now->time > lastSeenTimeStamp; i++) {
        if (now->processes[i].utilization == 0) continue;
        if (utilization && found < room)
            utilization[found] = (nvmlProcessUtilizationSample_t){.pid = now->processes[i].pid, .timeStamp = now->time, .smUtil = now->processes[i].utilization};
        found++;
    }
    *processSamplesCount = found;
    if (found == 0) return rfml_done(NVML_ERROR_NOT_FOUND);
    return rfml_done(!utilization || found > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS);
}
