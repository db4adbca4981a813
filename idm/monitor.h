/* monitor.h - what a monitor is told over a zone's socket.
 *
 * A monitor looks at a zone and does nothing in it: NVML, `ringfence smi`. Its hello (hello.h) carries RF_FEATURE_MONITOR; the
 * welcome then brings no region, and the monitor is no client: it has no memory, no handles, no place in the limit of clients.
 * From then on every byte that it sends is a question, and bytes that lie together are one question; the executor answers each
 * with one struct rf_snapshot. A monitor that does not read its answers is hung up on.
 *
 * All of it is about the one zone: memory is the zone's quota and what of it is used, the processes are the zone's. */
#ifndef RINGFENCE_MONITOR_H
#define RINGFENCE_MONITOR_H

#include <stdint.h>

#define RF_FEATURE_MONITOR 1ull

#define RF_SNAPSHOT_MAGIC 0x31746f6873706e53ull /* "Snpshot1" */
#define RF_SNAPSHOT_PROCESSES 128u

/* Bits of `present`: which sensors the device has. Of two values that share one (clocks, limits) a missing one is 0. */
enum rf_sensor {
    RF_SENSOR_TEMPERATURE = 1 << 0,
    RF_SENSOR_TEMPERATURE_LIMITS = 1 << 1,
    RF_SENSOR_POWER = 1 << 2,
    RF_SENSOR_POWER_LIMIT = 1 << 3,
    RF_SENSOR_FAN = 1 << 4,
    RF_SENSOR_CLOCKS = 1 << 5,
    RF_SENSOR_CLOCKS_MAX = 1 << 6,
    RF_SENSOR_PERFORMANCE_STATE = 1 << 7,
    RF_SENSOR_PCIE_GENERATION = 1 << 8,
    RF_SENSOR_ENERGY = 1 << 9,
    RF_SENSOR_BRAND = 1 << 10,
    RF_SENSOR_PCIE_WIDTH = 1 << 11
};

struct rf_process {
    uint32_t pid;            /*   0 as the process's hello said: in its own pid namespace */
    uint32_t utilization;    /*   4 percent of the last second in which it had work on the GPU */
    uint64_t memory;         /*   8 device memory that the quota counts for it, bytes */
    char program[96];        /*  16 NUL-terminated */
};

struct rf_snapshot {
    uint64_t magic;          /*   0 */
    uint32_t size;           /*   8 sizeof(struct rf_snapshot) */
    uint32_t present;        /*  12 RF_SENSOR_* */
    uint64_t time;           /*  16 microseconds since 1970 */
    uint64_t memory_total;   /*  24 bytes: the zone's quota */
    uint64_t memory_used;    /*  32 bytes */
    uint32_t utilization;    /*  40 percent of the last second in which the zone had work on the GPU */
    uint32_t temperature;    /*  44 degrees C, of the die */
    uint32_t slowdown;       /*  48 degrees C at which it slows down */
    uint32_t shutdown;       /*  52 degrees C at which it switches itself off */
    uint32_t power;          /*  56 mW */
    uint32_t power_limit;    /*  60 mW */
    uint32_t fan;            /*  64 percent */
    uint32_t clock_sm;       /*  68 MHz, as are the next three */
    uint32_t clock_memory;   /*  72 */
    uint32_t clock_sm_max;   /*  76 */
    uint32_t clock_memory_max; /* 80 */
    uint32_t performance_state; /* 84 0 (most) to 15 */
    uint32_t pcie_generation; /* 88 */
    uint32_t pcie_width;     /*  92 lanes */
    uint64_t energy;         /*  96 mJ since the driver was loaded */
    uint32_t pci_domain;     /* 104 */
    uint32_t pci_bus;        /* 108 */
    uint32_t pci_device;     /* 112 */
    uint32_t pci_id;         /* 116 device id << 16 | vendor id; 0: unknown */
    uint32_t capability;     /* 120 compute capability: major << 16 | minor */
    uint32_t bus_width;      /* 124 of the memory, bits */
    int32_t cuda_version;    /* 128 e.g. 13000 */
    uint32_t ecc;            /* 132 1: on */
    uint32_t brand;          /* 136 as NVML numbers them */
    uint32_t process_count;  /* 140 of `processes`; more than fit are not told */
    char driver_version[80]; /* 144 NUL-terminated, as the next two */
    char name[128];          /* 224 of the device */
    char zone[64];           /* 352 */
    uint8_t uuid[16];        /* 416 */
    struct rf_process processes[RF_SNAPSHOT_PROCESSES]; /* 432 */
};

_Static_assert(sizeof(struct rf_process) == 112, "process");
_Static_assert(__builtin_offsetof(struct rf_snapshot, processes) == 432, "snapshot");
_Static_assert(sizeof(struct rf_snapshot) == 432 + 112 * RF_SNAPSHOT_PROCESSES, "snapshot");

#endif
