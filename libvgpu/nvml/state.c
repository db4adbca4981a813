/* state.c - how the device does at the moment: memory, load, clocks, temperature. */
#include "link.h"

RFML_EXPORT nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
    const struct rf_snapshot *now;
    nvmlReturn_t error = rfml_look(device, memory, &now);
    if (error != NVML_SUCCESS) return error;
    /* The quota may have been lowered below what is used: nothing is free then, and no less. */
    uint64_t free = now->memory_total > now->memory_used ? now->memory_total - now->memory_used : 0;
    *memory = (nvmlMemory_t){.total = now->memory_total, .used = now->memory_used, .free = free};
    return rfml_done(NVML_SUCCESS);
}

RFML_EXPORT nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
    if (memory && memory->version != NVML_STRUCT_VERSION(nvmlMemory_v2_t, 2)) return rfml_refuse(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    nvmlMemory_t plain;
    nvmlReturn_t error = memory ? nvmlDeviceGetMemoryInfo(device, &plain) : rfml_refuse(NVML_ERROR_INVALID_ARGUMENT);
    if (error != NVML_SUCCESS) return error;
    *memory = (nvmlMemory_v2_t){.version = memory->version, .total = plain.total, .used = plain.used, .free = plain.free};
    return NVML_SUCCESS;
}

/* `memory`, the share of time in which memory was read or written, is told as 0: the card's own figure is of all zones together, and what
 * is known of one zone is when it had work, not what the work did. */
RFML_EXPORT nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *utilization)
{
    const struct rf_snapshot *now;
    nvmlReturn_t error = rfml_look(device, utilization, &now);
    if (error != NVML_SUCCESS) return error;
    *utilization = (nvmlUtilization_t){.gpu = now->utilization};
    return rfml_done(NVML_SUCCESS);
}

RFML_EXPORT nvmlReturn_t nvmlDeviceGetSamples(nvmlDevice_t device, unsigned int type, unsigned long long lastSeenTimeStamp, int *sampleValType,
                                              unsigned int *sampleCount, nvmlSample_t *samples)
{
    const struct rf_snapshot *now;
    nvmlReturn_t error = rfml_look(device, sampleValType ? sampleCount : NULL, &now);
    if (error != NVML_SUCCESS) return error;
    if (type >= NVML_SAMPLINGTYPE_COUNT) return rfml_done(NVML_ERROR_INVALID_ARGUMENT);
    unsigned value;
    if (type == NVML_GPU_UTILIZATION_SAMPLES) value = now->utilization;
    else if (type == NVML_PROCESSOR_CLK_SAMPLES && now->present & RF_SENSOR_CLOCKS) value = now->clock_sm;
    else if (type == NVML_MEMORY_CLK_SAMPLES && now->present & RF_SENSOR_CLOCKS) value = now->clock_memory;
    else return rfml_done(NVML_ERROR_NOT_SUPPORTED);
    *sampleValType = NVML_VALUE_TYPE_UNSIGNED_INT;
    if (now->time <= lastSeenTimeStamp) return rfml_done(NVML_ERROR_NOT_FOUND);
    if (!samples) {
        *sampleCount = 1;
        return rfml_done(NVML_SUCCESS);
    }
    if (*sampleCount < 1) return rfml_done(NVML_ERROR_INVALID_ARGUMENT);
    *sampleCount = 1;
    samples[0] = (nvmlSample_t){.timeStamp = now->time, .sampleValue.uiVal = value};
    return rfml_done(NVML_SUCCESS);
}

static nvmlReturn_t clock_of(nvmlDevice_t device, unsigned int type, unsigned int *clock, int most)
{
    const struct rf_snapshot *now;
    nvmlReturn_t error = rfml_look(device, clock, &now);
    if (error != NVML_SUCCESS) return error;
    if (type >= NVML_CLOCK_COUNT) return rfml_done(NVML_ERROR_INVALID_ARGUMENT);
    unsigned sm = most ? now->clock_sm_max : now->clock_sm, memory = most ? now->clock_memory_max : now->clock_memory;
    unsigned value = type == NVML_CLOCK_MEM ? memory : type == NVML_CLOCK_VIDEO ? 0 : sm;
    if (!(now->present & (most ? RF_SENSOR_CLOCKS_MAX : RF_SENSOR_CLOCKS)) || value == 0) return rfml_done(NVML_ERROR_NOT_SUPPORTED);
    *clock = value;
    return rfml_done(NVML_SUCCESS);
}

RFML_EXPORT nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, unsigned int type, unsigned int *clock) { return clock_of(device, type, clock, 0); }
RFML_EXPORT nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t device, unsigned int type, unsigned int *clock) { return clock_of(device, type, clock, 1); }

RFML_EXPORT nvmlReturn_t nvmlDeviceGetClock(nvmlDevice_t device, unsigned int clockType, unsigned int clockId, unsigned int *clockMHz)
{
    if (clockId >= NVML_CLOCK_ID_COUNT) return rfml_refuse(NVML_ERROR_INVALID_ARGUMENT);
    if (clockId != NVML_CLOCK_ID_CURRENT) return rfml_refuse(NVML_ERROR_NOT_SUPPORTED);
    return clock_of(device, clockType, clockMHz, 0);
}

RFML_EXPORT nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, unsigned int sensorType, unsigned int *temp)
{
    const struct rf_snapshot *now;
    nvmlReturn_t error = rfml_look(device, temp, &now);
    if (error != NVML_SUCCESS) return error;
    if (sensorType != NVML_TEMPERATURE_GPU) return rfml_done(NVML_ERROR_INVALID_ARGUMENT);
    if (!(now->present & RF_SENSOR_TEMPERATURE)) return rfml_done(NVML_ERROR_NOT_SUPPORTED);
    *temp = now->temperature;
    return rfml_done(NVML_SUCCESS);
}

RFML_EXPORT nvmlReturn_t nvmlDeviceGetTemperatureV(nvmlDevice_t device, nvmlTemperature_t *temperature)
{
    if (temperature && temperature->version != NVML_STRUCT_VERSION(nvmlTemperature_t, 1)) return rfml_refuse(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    unsigned celsius;
    nvmlReturn_t error = temperature ? nvmlDeviceGetTemperature(device, (unsigned)temperature->sensorType, &celsius) : rfml_refuse(NVML_ERROR_INVALID_ARGUMENT);
    if (error == NVML_SUCCESS) temperature->temperature = (int)celsius;
    return error;
}

RFML_EXPORT nvmlReturn_t nvmlDeviceGetTemperatureThreshold(nvmlDevice_t device, unsigned int thresholdType, unsigned int *temp)
{
    const struct rf_snapshot *now;
    nvmlReturn_t error = rfml_look(device, temp, &now);
    if (error != NVML_SUCCESS) return error;
    if (thresholdType >= NVML_TEMPERATURE_THRESHOLD_COUNT) return rfml_done(NVML_ERROR_INVALID_ARGUMENT);
    unsigned value = thresholdType == NVML_TEMPERATURE_THRESHOLD_SHUTDOWN ? now->shutdown : thresholdType == NVML_TEMPERATURE_THRESHOLD_SLOWDOWN ? now->slowdown : 0;
    if (!(now->present & RF_SENSOR_TEMPERATURE_LIMITS) || value == 0) return rfml_done(NVML_ERROR_NOT_SUPPORTED);
    *temp = value;
    return rfml_done(NVML_SUCCESS);
}

/* Each field has a result of its own; none is served. */
RFML_EXPORT nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int valuesCount, nvmlFieldValue_t *values)
{
    const struct rf_snapshot *now;
    nvmlReturn_t error = rfml_look(device, values, &now);
    if (error != NVML_SUCCESS) return error;
    if (valuesCount <= 0) return rfml_done(NVML_ERROR_INVALID_ARGUMENT);
    for (int i = 0; i < valuesCount; i++) {
        values[i].timestamp = (long long)now->time;
        values[i].nvmlReturn = NVML_ERROR_NOT_SUPPORTED;
    }
    return rfml_done(NVML_SUCCESS);
}
