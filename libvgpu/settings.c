/* settings.c - the environment variables that the client obeys.
 *
 * They are read once, at the first call that needs one, and copied: programs change their environment behind getenv's back.
 * secure_getenv, because a set-user-id program must not be led to another user's broker by its caller. */
#include "settings.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hello.h"
#include "messages.h"
#include "region.h"

#define DEFAULT_SOCKET "/run/ringfence/zone.sock"

static struct vgpu_settings settings;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static const char *copy_of(const char *name, const char *otherwise)
{
    const char *value = secure_getenv(name);
    if (!value || !*value) return otherwise;
    const char *copy = strdup(value);
    return copy ? copy : otherwise;
}

static void read_environment(void)
{
    settings.socket = copy_of("RINGFENCE_SOCKET", DEFAULT_SOCKET);
    settings.token = copy_of("RINGFENCE_TOKEN", "");
    const char *log = copy_of("RINGFENCE_LOG", "error");
    if (!strcmp(log, "warn")) settings.log = VGPU_WARN;
    else if (!strcmp(log, "info")) settings.log = VGPU_INFO;
    else if (!strcmp(log, "debug")) settings.log = VGPU_DEBUG;
    else settings.log = VGPU_ERROR;
    /* Set but empty means "no devices", which is not the same as unset. */
    const char *visible = secure_getenv("CUDA_VISIBLE_DEVICES");
    settings.visible = visible ? strdup(visible) : NULL;
    const char *loading = secure_getenv("CUDA_MODULE_LOADING");
    settings.eager_modules = loading && !strcmp(loading, "EAGER");
}

const struct vgpu_settings *vgpu_settings(void)
{
    pthread_once(&once, read_environment);
    return &settings;
}

int vgpu_settings_hello(struct rf_hello *hello, uint64_t features)
{
    const char *token = vgpu_settings()->token;
    *hello = (struct rf_hello){.magic = RF_HELLO_MAGIC, .size = sizeof *hello, .protocol = RF_PROTOCOL, .table_hash = RF_TABLE_HASH,
                               .pid = (uint32_t)getpid(), .features = features};
    if (strlen(token) >= sizeof hello->token) return 0;
    strcpy(hello->token, token);
    snprintf(hello->program, sizeof hello->program, "%s", program_invocation_short_name);
    return 1;
}
