/* Lines on stderr, by RINGFENCE_STUB_LOG. A line is one write, so that lines of several threads do not mix. */
#ifndef RF_STUB_LOG_H
#define RF_STUB_LOG_H

enum rf_log_level { RF_LOG_NONE, RF_LOG_ERROR, RF_LOG_INFO, RF_LOG_DEBUG };

extern enum rf_log_level rf_log_level; /* set once, by cuInit, before other threads can read it */

void rf_log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define rf_log(level, ...)                                  \
  do {                                                      \
    if (rf_log_level >= (level)) rf_log_line(__VA_ARGS__);  \
  } while (0)

#endif
