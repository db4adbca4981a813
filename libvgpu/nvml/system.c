/* system.c - NVML's beginning and end, its version numbers, the names of results and of processes. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "link.h"

enum { NVML_INIT_FLAG_NO_GPUS = 1, NVML_INIT_FLAG_NO_ATTACH = 2 };

RFML_EXPORT nvmlReturn_t nvmlInit_v2(void) { return rfml_open(); }
RFML_EXPORT nvmlReturn_t nvmlInit(void) { return rfml_open(); }

RFML_EXPORT nvmlReturn_t nvmlInitWithFlags(unsigned int flags)
{
    return flags & ~(unsigned)(NVML_INIT_FLAG_NO_GPUS | NVML_INIT_FLAG_NO_ATTACH) ? NVML_ERROR_INVALID_ARGUMENT : rfml_open();
}

RFML_EXPORT nvmlReturn_t nvmlShutdown(void) { return rfml_close(); }

RFML_EXPORT const char *nvmlErrorString(nvmlReturn_t result)
{
    static const struct { int result; const char *text; } names[] = {
        {0, "Success"}, {1, "Uninitialized"}, {2, "Invalid Argument"}, {3, "Not Supported"}, {4, "Insufficient Permissions"},
        {5, "Already Initialized"}, {6, "Not Found"}, {7, "Insufficient Size"}, {8, "Insufficient External Power"},
        {9, "Driver Not Loaded"}, {10, "Timeout"}, {11, "Interrupt Request Issue"}, {12, "NVML Shared Library Not Found"},
        {13, "Function Not Found"}, {14, "Corrupted infoROM"}, {15, "GPU is lost"}, {16, "GPU requires restart"},
        {17, "The operating system has blocked the request."}, {18, "RM has detected an NVML/RM version mismatch."},
        {19, "In use by another client"}, {20, "Insufficient Memory"}, {21, "No data"},
        {22, "The requested vgpu operation is not available on target device, becasue ECC is enabled"},
        {23, "Insufficient resources"}, {24, "Frequency not supported"}, {25, "Argument version mismatch"}, {26, "Deprecated"},
        {27, "Not Ready"}, {28, "GPU not found"}, {29, "Invalid State"}, {30, "Reset type not supported"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].result == (int)result) return names[i].text;
    return "Unknown Error";
}

RFML_EXPORT nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length)
{
    const struct rf_snapshot *now;
    nvmlReturn_t error = rfml_look_around(version, &now);
    return error != NVML_SUCCESS ? error : rfml_done(rfml_text(version, length, now->driver_version));
}

/* The library that comes with a driver has its version, behind CUDA's. */
RFML_EXPORT nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned int length)
{
    const struct rf_snapshot *now;
    char text[sizeof now->driver_version + 16];
    nvmlReturn_t error = rfml_look_around(version, &now);
    if (error != NVML_SUCCESS) return error;
    snprintf(text, sizeof text, "%d.%.*s", now->cuda_version / 1000, (int)sizeof now->driver_version, now->driver_version);
    return rfml_done(rfml_text(version, length, text));
}

/* As on hardware, answered without nvmlInit where it can be: the version then is the last one seen, or this library's. */
RFML_EXPORT nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *cudaDriverVersion)
{
    const struct rf_snapshot *now;
    if (!cudaDriverVersion) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t error = rfml_look_around(cudaDriverVersion, &now);
    if (error == NVML_ERROR_UNINITIALIZED) {
        *cudaDriverVersion = 13000;
        return NVML_SUCCESS;
    }
    if (error != NVML_SUCCESS) return error;
    *cudaDriverVersion = now->cuda_version;
    return rfml_done(NVML_SUCCESS);
}

RFML_EXPORT nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *cudaDriverVersion) { return nvmlSystemGetCudaDriverVersion_v2(cudaDriverVersion); }

/* The command line of a process of this namespace; else, of a process of the zone elsewhere, the name that it gave the broker. */
RFML_EXPORT nvmlReturn_t nvmlSystemGetProcessName(unsigned int pid, char *name, unsigned int length)
{
    const struct rf_snapshot *now;
    if (length == 0) return rfml_refuse(NVML_ERROR_INVALID_ARGUMENT);
    nvmlReturn_t error = rfml_look_around(name, &now);
    if (error != NVML_SUCCESS) return error;
    const char *found = NULL;
    for (uint32_t i = 0; i < now->process_count; i++)
        if (now->processes[i].pid == pid) found = now->processes[i].program;
    char path[32], line[1024];
    snprintf(path, sizeof path, "/proc/%u/cmdline", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, line, sizeof line - 1);
    if (fd >= 0) close(fd);
    if (got > 0) {
        line[got] = '\0';
        if (!found || !strcmp(found, strrchr(line, '/') ? strrchr(line, '/') + 1 : line)) found = line;
    }
    if (!found) return rfml_done(NVML_ERROR_NOT_FOUND);
    /* Cut, as NVML does. */
    snprintf(name, length, "%s", found);
    return rfml_done(NVML_SUCCESS);
}
