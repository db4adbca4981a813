/* See log.h. */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum rf_log_level rf_log_level = RF_LOG_NONE;

void rf_log_line(const char *format, ...) {
  const int saved = errno; /* the caller may log between a failure and its report */
  char line[2048];
  int length = snprintf(line, sizeof line, "ringfence-gpu: ");
  va_list arguments;
  va_start(arguments, format);
  const int written = vsnprintf(line + length, sizeof line - (size_t)length - 1, format, arguments);
  va_end(arguments);
  if (written > 0) length += written;
  if (length > (int)sizeof line - 2) length = (int)sizeof line - 2;
  line[length++] = '\n';
  if (write(STDERR_FILENO, line, (size_t)length) < 0) { /* nowhere left to say it */
  }
  errno = saved;
}
