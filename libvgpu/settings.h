/* settings.h - what the environment tells the client library, read once. */
#ifndef VGPU_SETTINGS_H
#define VGPU_SETTINGS_H

#include <stdint.h>

enum vgpu_log_level { VGPU_ERROR = 0, VGPU_WARN = 1, VGPU_INFO = 2, VGPU_DEBUG = 3 };

struct vgpu_settings {
    const char *socket;        /* RINGFENCE_SOCKET: path of the zone's socket */
    const char *token;         /* RINGFENCE_TOKEN: "" when none */
    enum vgpu_log_level log;   /* RINGFENCE_LOG: error, warn, info or debug */
    const char *visible;       /* CUDA_VISIBLE_DEVICES, NULL when unset */
    int eager_modules;         /* CUDA_MODULE_LOADING=EAGER */
};

struct rf_hello;

/* The first words to a broker, of this process and its token. 0: the token is longer than a token can be. The caller clears it after use. */
int vgpu_settings_hello(struct rf_hello *hello, uint64_t features);

/* Reads the environment on the first call. Never fails: nonsense in RINGFENCE_LOG counts as `error`. Thread-safe. */
const struct vgpu_settings *vgpu_settings(void);

#endif
