/* A device for tests of the PTX engine: allocations at addresses of their own, a module with its globals placed, launches
 * with checked results. Everything ends the program with a message when it fails. */
#ifndef TESTS_PTX_DEVICE_H
#define TESTS_PTX_DEVICE_H

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ptx/ptx.h"

struct allocation {
    uint64_t address, size;
    unsigned char *host;
};

struct device {
    struct allocation list[4096];
    size_t count;
    uint64_t next;
    pthread_mutex_t lock;
    char *printed;
    size_t printed_length;
};

static struct device device = {.next = 0x7f2000000000, .lock = PTHREAD_MUTEX_INITIALIZER};

_Noreturn static inline void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static inline uint64_t device_alloc(uint64_t size) {
    pthread_mutex_lock(&device.lock);
    if (device.count == 4096) die("too many allocations");
    struct allocation *a = &device.list[device.count++];
    a->size = size;
    a->address = device.next;
    a->host = aligned_alloc(256, (size + 255) & ~UINT64_C(255));
    memset(a->host, 0, (size + 255) & ~UINT64_C(255));
    device.next += ((size + 0xffff) & ~UINT64_C(0xffff)) + 0x10000; /* a gap: running over the end is a fault */
    uint64_t address = a->address;
    pthread_mutex_unlock(&device.lock);
    return address;
}

static inline struct allocation *device_find(uint64_t address) {
    for (size_t i = 0; i < device.count; i++)
        if (device.list[i].host && address - device.list[i].address < device.list[i].size) return &device.list[i];
    return NULL;
}

static inline void *host_of(uint64_t address) {
    struct allocation *a = device_find(address);
    if (!a) die("no allocation at %llx", (unsigned long long)address);
    return a->host + (address - a->address);
}

static void *device_span(void *context, uint64_t address, uint64_t *start, uint64_t *end) {
    (void)context;
    pthread_mutex_lock(&device.lock);
    struct allocation *a = device_find(address);
    pthread_mutex_unlock(&device.lock);
    if (!a) return NULL;
    *start = a->address;
    *end = a->address + a->size;
    return a->host;
}

static uint64_t device_malloc(void *context, uint64_t size) {
    (void)context;
    return device_alloc(size ? size : 1);
}

static bool device_release(void *context, uint64_t address) {
    (void)context;
    pthread_mutex_lock(&device.lock);
    struct allocation *a = device_find(address);
    bool found = a && a->address == address;
    if (found) a->address = 0, a->size = 0; /* the bytes are freed at the end: another worker may just be looking */
    pthread_mutex_unlock(&device.lock);
    return found;
}

static void device_print(void *context, const char *text, size_t length) {
    (void)context;
    device.printed = realloc(device.printed, device.printed_length + length + 1);
    memcpy(device.printed + device.printed_length, text, length);
    device.printed_length += length;
    device.printed[device.printed_length] = 0;
}

static const struct ptx_memory device_memory = {.span = device_span, .allocate = device_malloc, .release = device_release};

struct program {
    struct ptx_module *module;
    struct ptx_instance *instance;
    uint64_t *addresses;
};

static inline char *read_file(const char *path, size_t *length) {
    FILE *file = fopen(path, "rb");
    if (!file) die("%s cannot be read", path);
    fseek(file, 0, SEEK_END);
    *length = (size_t)ftell(file);
    rewind(file);
    char *text = malloc(*length + 1);
    if (fread(text, 1, *length, file) != *length) die("%s cannot be read", path);
    text[*length] = 0;
    fclose(file);
    return text;
}

static inline struct program program_link(const struct ptx_text *texts, size_t count) {
    static char log[8192];
    struct program p = {0};
    enum ptx_status status = ptx_module_link(texts, count, NULL, &p.module, log, sizeof log);
    if (status != PTX_OK) die("the module was refused (%d):\n%s", status, log);
    size_t globals = ptx_global_count(p.module);
    p.addresses = calloc(globals + 1, sizeof *p.addresses);
    for (size_t i = 0; i < globals; i++) {
        struct ptx_global_info info;
        ptx_global_at(p.module, i, &info);
        p.addresses[i] = device_alloc(info.size ? info.size : 1);
    }
    if (ptx_instance_create(p.module, p.addresses, &p.instance) != PTX_OK) die("no instance");
    for (size_t i = 0; i < globals; i++) ptx_instance_initial(p.instance, i, host_of(p.addresses[i]));
    return p;
}

static inline struct program program_load(const char *text) {
    struct ptx_text one = {text, strlen(text), NULL};
    return program_link(&one, 1);
}

static inline void program_free(struct program *p) {
    ptx_instance_free(p->instance);
    ptx_module_free(p->module);
    free(p->addresses);
}

static inline uint64_t program_global(const struct program *p, const char *name) {
    for (size_t i = 0; i < ptx_global_count(p->module); i++) {
        struct ptx_global_info info;
        ptx_global_at(p->module, i, &info);
        if (strcmp(info.name, name) == 0) return p->addresses[i];
    }
    die("no global %s", name);
}

static inline const struct ptx_kernel *program_kernel(const struct program *p, const char *name) {
    const struct ptx_kernel *kernel = ptx_kernel_find(p->module, name);
    if (!kernel) die("no kernel %s", name);
    return kernel;
}

static unsigned device_workers = 2;
static uint32_t device_cluster[3]; /* of the launches that follow; zeros: none */

/* Arguments are pointers to values, in order, as cuLaunchKernel takes them. */
static inline enum ptx_fault_kind launch_raw(const struct program *p, const char *name, const uint32_t grid[3], const uint32_t block[3], uint32_t shared, bool cooperative,
                                             struct ptx_fault *fault, const void *const *arguments) {
    const struct ptx_kernel *kernel = program_kernel(p, name);
    unsigned char params[8192] = {0};
    struct ptx_kernel_info info;
    ptx_kernel_info(kernel, &info);
    for (size_t i = 0; i < info.param_count; i++) {
        struct ptx_param_info param;
        ptx_kernel_param(kernel, i, &param);
        memcpy(params + param.offset, arguments[i], param.size);
    }
    struct ptx_launch launch = {.params = params, .param_bytes = info.param_bytes, .dynamic_shared = shared, .workers = device_workers, .cooperative = cooperative,
                                .memory = &device_memory, .print = device_print, .complain = device_print};
    memcpy(launch.grid, grid, sizeof launch.grid);
    memcpy(launch.block, block, sizeof launch.block);
    memcpy(launch.cluster, device_cluster, sizeof launch.cluster);
    return ptx_launch(p->instance, kernel, &launch, fault);
}

#define D3(x, y, z) ((const uint32_t[3]){x, y, z})
#define ARGS(...) ((const void *const[]){__VA_ARGS__})
#define LAUNCH(p, name, grid, block, shared, ...)                                                                              \
    do {                                                                                                                          \
        struct ptx_fault fault_;                                                                                                  \
        if (launch_raw(p, name, grid, block, shared, false, &fault_, ARGS(__VA_ARGS__)) != PTX_FAULT_NONE) die("%s: %s", name, fault_.message); \
    } while (0)

#endif
