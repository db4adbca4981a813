/* nvml.c - asks NVML as a monitoring tool does, by dlopen, and checks what must hold whatever the zone; prints what the test
 * compares ("name value" lines). With an argument: a process id that must be among the zone's processes. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../libvgpu/nvml/nvml.h"

static void *library;

static void *find(const char *name)
{
    void *symbol = dlsym(library, name);
    if (!symbol) {
        fprintf(stderr, "%s is not exported\n", name);
        exit(1);
    }
    return symbol;
}

#define IS(expected, what)                                                                            \
    do {                                                                                              \
        int got_ = (int)(what);                                                                       \
        if (got_ != (int)(expected)) {                                                                \
            fprintf(stderr, "%s:%d: %s: %d, expected %s\n", __FILE__, __LINE__, #what, got_, #expected); \
            exit(1);                                                                                  \
        }                                                                                             \
    } while (0)

typedef nvmlReturn_t (*plain)(void);
typedef nvmlReturn_t (*of_number)(nvmlDevice_t, unsigned int *);
typedef nvmlReturn_t (*of_text)(nvmlDevice_t, char *, unsigned int);
typedef nvmlReturn_t (*processes)(nvmlDevice_t, unsigned int *, void *);

int main(int argc, char **argv)
{
    library = dlopen("libnvidia-ml.so.1", RTLD_NOW);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    plain init = (plain)find("nvmlInit_v2"), shutdown = (plain)find("nvmlShutdown");
    nvmlReturn_t (*devices)(unsigned int *) = (nvmlReturn_t(*)(unsigned int *))find("nvmlDeviceGetCount_v2");
    nvmlReturn_t (*by_index)(unsigned int, nvmlDevice_t *) = (nvmlReturn_t(*)(unsigned int, nvmlDevice_t *))find("nvmlDeviceGetHandleByIndex_v2");
    nvmlReturn_t (*by_text)(const char *, nvmlDevice_t *) = (nvmlReturn_t(*)(const char *, nvmlDevice_t *))find("nvmlDeviceGetHandleByUUID");
    nvmlReturn_t (*memory)(nvmlDevice_t, nvmlMemory_t *) = (nvmlReturn_t(*)(nvmlDevice_t, nvmlMemory_t *))find("nvmlDeviceGetMemoryInfo");
    nvmlReturn_t (*memory2)(nvmlDevice_t, nvmlMemory_v2_t *) = (nvmlReturn_t(*)(nvmlDevice_t, nvmlMemory_v2_t *))find("nvmlDeviceGetMemoryInfo_v2");
    nvmlReturn_t (*rates)(nvmlDevice_t, nvmlUtilization_t *) = (nvmlReturn_t(*)(nvmlDevice_t, nvmlUtilization_t *))find("nvmlDeviceGetUtilizationRates");
    const char *(*words)(nvmlReturn_t) = (const char *(*)(nvmlReturn_t))find("nvmlErrorString");

    unsigned n = 77;
    nvmlDevice_t device;
    IS(NVML_ERROR_UNINITIALIZED, devices(&n));
    IS(NVML_ERROR_UNINITIALIZED, by_index(0, &device));
    IS(NVML_ERROR_UNINITIALIZED, shutdown());
    nvmlReturn_t begun = init();
    if (begun != NVML_SUCCESS) {
        printf("init %d %s\n", (int)begun, words(begun));
        return 0;
    }
    IS(NVML_SUCCESS, init()); /* counts */
    IS(NVML_SUCCESS, shutdown());
    IS(NVML_SUCCESS, devices(&n));
    IS(1, n);
    IS(NVML_ERROR_INVALID_ARGUMENT, devices(NULL));
    IS(NVML_ERROR_INVALID_ARGUMENT, by_index(1, &device));
    IS(NVML_SUCCESS, by_index(0, &device));

    char text[128];
    of_text name = (of_text)find("nvmlDeviceGetName"), uuid = (of_text)find("nvmlDeviceGetUUID");
    IS(NVML_SUCCESS, name(device, text, sizeof text));
    printf("name %s\n", text);
    IS(NVML_ERROR_INSUFFICIENT_SIZE, name(device, text, 3));
    IS(NVML_ERROR_INVALID_ARGUMENT, name((nvmlDevice_t)text, text, sizeof text));
    IS(NVML_SUCCESS, uuid(device, text, sizeof text));
    printf("uuid %s\n", text);
    nvmlDevice_t again;
    IS(NVML_SUCCESS, by_text(text, &again));
    IS(1, again == device);
    IS(NVML_ERROR_NOT_FOUND, by_text("GPU-00000000-0000-0000-0000-000000000000", &again));

    nvmlPciInfo_t pci;
    IS(NVML_SUCCESS, ((nvmlReturn_t(*)(nvmlDevice_t, nvmlPciInfo_t *))find("nvmlDeviceGetPciInfo_v3"))(device, &pci));
    nvmlReturn_t (*by_bus)(const char *, nvmlDevice_t *) = (nvmlReturn_t(*)(const char *, nvmlDevice_t *))find("nvmlDeviceGetHandleByPciBusId_v2");
    IS(NVML_SUCCESS, by_bus(pci.busId, &again));
    IS(NVML_SUCCESS, by_bus(pci.busIdLegacy, &again));
    IS(NVML_ERROR_NOT_FOUND, by_bus("0000:fe:1f.0", &again));
    IS(NVML_ERROR_INVALID_ARGUMENT, by_bus("no bus", &again));

    nvmlMemory_t m;
    nvmlMemory_v2_t m2 = {.version = NVML_STRUCT_VERSION(nvmlMemory_v2_t, 2)};
    IS(NVML_SUCCESS, memory(device, &m));
    IS(NVML_SUCCESS, memory2(device, &m2));
    IS(1, m.total == m.used + m.free && m2.total == m.total && m2.used + m2.free + m2.reserved == m2.total);
    m2.version = 7;
    IS(NVML_ERROR_ARGUMENT_VERSION_MISMATCH, memory2(device, &m2));
    printf("memory %llu %llu\n", m.total, m.used);
    nvmlUtilization_t load;
    IS(NVML_SUCCESS, rates(device, &load));
    IS(1, load.gpu <= 100 && load.memory <= 100);
    printf("utilization %u\n", load.gpu);

    nvmlProcessInfo_t found[256];
    processes running = (processes)find("nvmlDeviceGetComputeRunningProcesses_v3");
    n = 256;
    IS(NVML_SUCCESS, running(device, &n, found));
    printf("processes %u\n", n);
    for (unsigned i = 0; i < n; i++) printf("process %u %llu\n", found[i].pid, found[i].usedGpuMemory);
    unsigned room = 0;
    IS(n > 0 ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS, running(device, &room, NULL));
    IS(n, room);
    nvmlProcessInfo_v1_t old[256];
    room = 256;
    IS(NVML_SUCCESS, ((processes)find("nvmlDeviceGetComputeRunningProcesses"))(device, &room, old));
    for (unsigned i = 0; i < room && i < n; i++) IS(1, old[i].pid == found[i].pid);
    n = 5;
    IS(NVML_SUCCESS, ((processes)find("nvmlDeviceGetGraphicsRunningProcesses_v3"))(device, &n, found));
    IS(0, n);
    if (argc > 1) {
        char program[64];
        IS(NVML_SUCCESS, ((nvmlReturn_t(*)(unsigned, char *, unsigned))find("nvmlSystemGetProcessName"))((unsigned)atoi(argv[1]), program, sizeof program));
        printf("program %s\n", program);
    }

    unsigned clock, temperature, index = 9;
    nvmlReturn_t (*clock_info)(nvmlDevice_t, unsigned, unsigned *) = (nvmlReturn_t(*)(nvmlDevice_t, unsigned, unsigned *))find("nvmlDeviceGetClockInfo");
    IS(NVML_SUCCESS, clock_info(device, NVML_CLOCK_SM, &clock));
    IS(1, clock > 100 && clock < 10000);
    IS(NVML_ERROR_INVALID_ARGUMENT, clock_info(device, 99, &clock));
    nvmlReturn_t heat = ((nvmlReturn_t(*)(nvmlDevice_t, unsigned, unsigned *))find("nvmlDeviceGetTemperature"))(device, NVML_TEMPERATURE_GPU, &temperature);
    IS(1, heat == NVML_ERROR_NOT_SUPPORTED || (heat == NVML_SUCCESS && temperature > 0 && temperature < 150));
    IS(NVML_SUCCESS, ((of_number)find("nvmlDeviceGetIndex"))(device, &index));
    IS(0, index);
    IS(NVML_ERROR_NOT_SUPPORTED, ((of_number)find("nvmlDeviceGetPowerUsage"))(device, &n)); /* the software GPU has no meter */
    IS(NVML_ERROR_NOT_SUPPORTED, ((plain)find("nvmlDeviceGetVbiosVersion"))());
    IS(NVML_ERROR_NO_PERMISSION, ((plain)find("nvmlDeviceSetPersistenceMode"))());
    char version[80];
    IS(NVML_SUCCESS, ((nvmlReturn_t(*)(char *, unsigned))find("nvmlSystemGetDriverVersion"))(version, sizeof version));
    int cuda;
    IS(NVML_SUCCESS, ((nvmlReturn_t(*)(int *))find("nvmlSystemGetCudaDriverVersion_v2"))(&cuda));
    printf("versions %s %d\n", version, cuda);

    /* A forked child looks for itself. */
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 20; i++) {
            usleep(21000);
            IS(NVML_SUCCESS, memory(device, &m));
        }
        _exit(0);
    }
    for (int i = 0; i < 20; i++) {
        usleep(21000);
        IS(NVML_SUCCESS, memory(device, &m));
    }
    int status;
    waitpid(child, &status, 0);
    IS(0, status);
    IS(NVML_SUCCESS, shutdown());
    IS(NVML_ERROR_UNINITIALIZED, memory(device, &m));
    return 0;
}
