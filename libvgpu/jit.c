/* jit.c - see jit.h. Plain numbers travel; buffers are the program's, and are filled from what the executor kept. */
#include "jit.h"

#include <string.h>

#include "call.h"

/* CUjit_option by number. */
enum { WALL_TIME = 2, INFO_LOG, INFO_SIZE, ERROR_LOG, ERROR_SIZE, NEW_SM3X = 15, SYMBOL_NAMES = 17, SYMBOL_ADDRESSES, SYMBOL_COUNT, KERNEL_NAMES = 25, UNUSED_VARIABLES = 29, SPLIT_COMPILE = 34 };

static void add(struct vgpu_jit *jit, uint64_t option, uint64_t value)
{
    if (jit->count == VGPU_JIT_OPTIONS_MAX) return;
    jit->wire[jit->count].option = option;
    jit->wire[jit->count++].value = value;
}

CUresult vgpu_jit_read(unsigned count, const CUjit_option *options, void **values, struct vgpu_jit *jit)
{
    memset(jit, 0, sizeof *jit);
    if (count && (!options || !values)) return CUDA_ERROR_INVALID_VALUE;
    for (unsigned i = 0; i < count; i++) {
        int option = (int)options[i];
        uint32_t number = (uint32_t)(uintptr_t)values[i];
        if (option < 0 || option >= CU_JIT_NUM_OPTIONS) return CUDA_ERROR_INVALID_VALUE;
        switch (option) {
        case WALL_TIME: jit->wall_time = &values[i]; break;
        case INFO_LOG: jit->info = values[i]; break;
        case ERROR_LOG: jit->error = values[i]; break;
        case INFO_SIZE:
            jit->info_bytes = number;
            jit->info_filled = &values[i];
            break;
        case ERROR_SIZE:
            jit->error_bytes = number;
            jit->error_filled = &values[i];
            break;
        case SYMBOL_COUNT:
            if (number == 0) break;
            vgpu_log(VGPU_ERROR, "CU_JIT_GLOBAL_SYMBOL_NAMES is not supported: symbols cannot be given addresses from outside");
            return CUDA_ERROR_NOT_SUPPORTED;
        case SYMBOL_NAMES: case SYMBOL_ADDRESSES: break; /* their count decides */
        case NEW_SM3X: case SPLIT_COMPILE: break;        /* how the compiler goes about it */
        default:
            if (option >= KERNEL_NAMES && option <= UNUSED_VARIABLES) break; /* hints for link-time optimisation, of pointers */
            if (jit->count < VGPU_JIT_OPTIONS_MAX - 2) add(jit, (uint64_t)option, number);
        }
    }
    if (jit->info && jit->info_bytes) add(jit, INFO_SIZE, jit->info_bytes);
    /* Always: the reason for a failure is worth a line on stderr. */
    add(jit, ERROR_SIZE, jit->error && jit->error_bytes ? jit->error_bytes : 2048);
    return CUDA_SUCCESS;
}

/* Fills `buffer`, of which `bytes` are the program's, always NUL-terminated. Returns what was written, without the NUL. */
static uint32_t fetch(uint64_t image, uint32_t which, char *buffer, uint32_t bytes, float *milliseconds)
{
    struct {
        struct rf_JIT_LOG_reply head;
        char text[RF_SLOT_PAYLOAD - sizeof(struct rf_JIT_LOG_reply)];
    } reply;
    uint32_t got = 0;
    for (;;) {
        struct vgpu_call call;
        if (vgpu_begin(&call, RF_JIT_LOG, sizeof(struct rf_JIT_LOG), VGPU_WAITED | VGPU_ANY_CONTEXT, 0) != CUDA_SUCCESS) break;
        struct rf_JIT_LOG *request = call.payload;
        request->image = image;
        request->which = which;
        request->from = got;
        if (vgpu_wait(&call, &reply, sizeof reply) != CUDA_SUCCESS) break;
        if (milliseconds) *milliseconds = reply.head.milliseconds;
        if (!bytes || reply.head.total <= got) break;
        uint32_t part = reply.head.total - got;
        if (part > sizeof reply.text) part = sizeof reply.text;
        if (part > bytes - 1 - got) part = bytes - 1 - got;
        if (!part) break;
        memcpy(buffer + got, reply.text, part);
        got += part;
    }
    if (bytes) buffer[got] = '\0';
    return got;
}

void vgpu_jit_report(const struct vgpu_jit *jit, uint64_t image)
{
    float milliseconds = 0;
    if (jit->info_filled || jit->wall_time) {
        uint32_t bytes = fetch(image, 0, jit->info, jit->info ? jit->info_bytes : 0, &milliseconds);
        if (jit->info_filled) *jit->info_filled = (void *)(uintptr_t)bytes;
    }
    if (jit->error_filled) *jit->error_filled = (void *)(uintptr_t)fetch(image, 1, jit->error, jit->error ? jit->error_bytes : 0, NULL);
    if (jit->wall_time) memcpy(jit->wall_time, &milliseconds, sizeof milliseconds);
}
