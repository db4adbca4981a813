/* log.c - stderr lines, each in one write(2) so that threads and processes do not mix theirs. */
#include "log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "errors.h"

#define LINE 640

static void write_line(char *line, int length)
{
    if (length > LINE - 2) length = LINE - 2;
    line[length] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, (size_t)length + 1);
    (void)ignored;
}

static int compose(char *line, const char *format, va_list arguments)
{
    int head = snprintf(line, LINE, "ringfence: ");
    int length = head + vsnprintf(line + head, (size_t)(LINE - head - 1), format, arguments);
    return length < LINE - 2 ? length : LINE - 2;
}

void vgpu_log(enum vgpu_log_level level, const char *format, ...)
{
    if (level > vgpu_settings()->log) return;
    char line[LINE];
    va_list arguments;
    va_start(arguments, format);
    int length = compose(line, format, arguments);
    va_end(arguments);
    write_line(line, length);
}

void vgpu_log_once(const char *format, ...)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static char last[LINE];
    char line[LINE];
    va_list arguments;
    va_start(arguments, format);
    int length = compose(line, format, arguments);
    va_end(arguments);
    line[length] = '\0';
    int again = 0;
    /* Not lock: in a forked child the lock may be held by a thread that is not there. */
    if (pthread_mutex_trylock(&lock) == 0) {
        again = !strcmp(line, last);
        if (!again) memcpy(last, line, (size_t)length + 1);
        pthread_mutex_unlock(&lock);
    }
    if (!again) write_line(line, length);
}

CUresult vgpu_refuse(const char *symbol, CUresult error)
{
    if (vgpu_settings()->log < VGPU_WARN) return error;
    /* Symbols are literals: their addresses identify them. Open addressing; a full table would only repeat a line. */
    enum { PLACES = 2048 };
    static _Atomic(const char *) said[PLACES];
    size_t at = ((uintptr_t)symbol >> 3) % PLACES;
    for (size_t i = 0; i < PLACES; i++, at = (at + 1) % PLACES) {
        const char *seen = NULL;
        if (atomic_compare_exchange_strong(&said[at], &seen, symbol)) {
            vgpu_log(VGPU_WARN, "%s is not served: it returns %s", symbol, vgpu_error_name(error));
            break;
        }
        if (seen == symbol) break;
    }
    return error;
}
