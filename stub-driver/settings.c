/* See settings.h. A GPU that guesses what a misspelt setting meant would test something else than was asked for. */
#include "settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api.h"
#include "fault.h"
#include "log.h"
#include "ptx/ptx.h"
#include "visible_devices.h"

struct rf_settings rf_settings;

bool rf_parse_size(const char *text, uint64_t *bytes) {
  if (!isdigit((unsigned char)text[0])) return false;
  errno = 0;
  char *end = NULL;
  const unsigned long long number = strtoull(text, &end, 10);
  if (errno) return false;
  uint64_t unit = 1;
  if (*end != '\0') {
    const char *const letters = "KMGT";
    const char *const letter = strchr(letters, toupper((unsigned char)*end));
    if (!letter || *end == 'm' || *end == 'g' || *end == 't') return false;
    end++;
    uint64_t base = 1000;
    if (*end == 'i') {
      base = 1024;
      end++;
    }
    if (*end == 'B') end++;
    if (*end != '\0') return false;
    for (const char *step = letters; step <= letter; step++) unit *= base;
  }
  if (number > UINT64_MAX / unit) return false;
  *bytes = number * unit;
  return true;
}

static bool refuse(const char *variable, const char *value, const char *form) {
  rf_log_line("%s=\"%s\" is not understood; expected %s", variable, value, form);
  return false;
}

static bool read_number(const char *variable, long low, long high, const char *form, long *number) {
  const char *const text = getenv(variable);
  if (!text || !*text) return true;
  errno = 0;
  char *end = NULL;
  const long value = strtol(text, &end, 10);
  if (errno || *end || value < low || value > high) return refuse(variable, text, form);
  *number = value;
  return true;
}

static bool read_size(const char *variable, const char *form, uint64_t *bytes) {
  const char *const text = getenv(variable);
  if (!text || !*text) return true;
  return rf_parse_size(text, bytes) || refuse(variable, text, form);
}

static bool read_log_level(void) {
  static const char *const names[] = {"none", "error", "info", "debug"};
  const char *const text = getenv("RINGFENCE_STUB_LOG");
  if (!text || !*text) return true;
  for (int level = RF_LOG_NONE; level <= RF_LOG_DEBUG; level++)
    if (!strcmp(text, names[level])) {
      rf_log_level = (enum rf_log_level)level;
      return true;
    }
  return refuse("RINGFENCE_STUB_LOG", text, "none, error, info or debug");
}

/* `250us`, `2ms`, `1s`, `100ns` */
static bool read_duration(const char *variable, uint64_t *ns) {
  const char *const text = getenv(variable);
  if (!text || !*text) return true;
  errno = 0;
  char *end = NULL;
  const unsigned long long number = strtoull(text, &end, 10);
  uint64_t unit = 0;
  if (!strcmp(end, "ns")) unit = 1;
  if (!strcmp(end, "us")) unit = 1000;
  if (!strcmp(end, "ms")) unit = 1000000;
  if (!strcmp(end, "s")) unit = 1000000000;
  if (errno || !unit || !isdigit((unsigned char)text[0]) || number > 3600ull * 1000000000ull / unit)
    return refuse(variable, text, "a time of at most an hour, such as 250us, 2ms or 1s");
  *ns = number * unit;
  return true;
}

/* `init`, `race`, or both with a comma. */
static bool read_checks(unsigned *checks) {
  const char *const text = getenv("RINGFENCE_STUB_CHECK");
  for (const char *at = text ? text : ""; *at;) {
    const size_t length = strcspn(at, ",");
    if (length == 4 && !strncmp(at, "init", 4)) *checks |= PTX_CHECK_INIT;
    else if (length == 4 && !strncmp(at, "race", 4)) *checks |= PTX_CHECK_RACE;
    else return refuse("RINGFENCE_STUB_CHECK", text, "init, race, or both with a comma between");
    at += length + (at[length] == ',');
  }
  return true;
}

/* How far a fault of one context reaches. */
static bool read_fault_scope(bool *process) {
  const char *const text = getenv("RINGFENCE_STUB_FAULT_SCOPE");
  if (!text || !*text || !strcmp(text, "context")) return true;
  *process = true;
  return !strcmp(text, "process") || refuse("RINGFENCE_STUB_FAULT_SCOPE", text, "context or process");
}

/* What the device says it is. Kernels of later targets run on all of them; programs that ask first want to hear it. */
static bool read_capability(int *capability) {
  static const char *const names[] = {"8.0", "9.0", "10.0"};
  static const int values[] = {80, 90, 100};
  const char *const text = getenv("RINGFENCE_STUB_CAPABILITY");
  if (!text || !*text) return true;
  for (int i = 0; i < 3; i++)
    if (!strcmp(text, names[i])) {
      *capability = values[i];
      return true;
    }
  return refuse("RINGFENCE_STUB_CAPABILITY", text, "8.0, 9.0 or 10.0");
}

bool rf_settings_read(void) {
  static const char *const size_form = "a size such as 16Gi, 4G, 512M or 1073741824";
  struct rf_settings *const s = &rf_settings;
  *s = (struct rf_settings){.memory = (uint64_t)8 << 30, .devices = 1, .card_fd = -1, .inline_bytes = 32 << 10, .capability = 80};
  if (!read_log_level()) return false;

  if (!read_size("RINGFENCE_STUB_MEMORY", size_form, &s->memory)) return false;
  s->memory -= s->memory % RF_FRAME_SIZE;
  if (s->memory < 2 * RF_FRAME_SIZE || s->memory > (uint64_t)4 << 40)
    return refuse("RINGFENCE_STUB_MEMORY", getenv("RINGFENCE_STUB_MEMORY"), "a size between 4Mi and 4Ti (whole frames of 2Mi count)");

  long devices = 1;
  if (!read_number("RINGFENCE_STUB_DEVICES", 0, RF_MAX_DEVICES, "a number of devices, 0 to 16", &devices)) return false;
  s->card_devices = (int)devices;
  uint8_t uuids[RF_MAX_DEVICES][16];
  for (int i = 0; i < s->card_devices; i++) rf_device_uuid(i, uuids[i]);
  s->devices = rf_visible_devices(getenv("CUDA_VISIBLE_DEVICES"), s->card_devices, uuids, s->on_card);

  long fd = -1;
  if (!read_number("RINGFENCE_STUB_CARD_FD", 0, 1 << 20, "the number of an inherited memfd", &fd)) return false;
  s->card_fd = (int)fd;

  const char *const name = getenv("RINGFENCE_STUB_NAME");
  if (name && strlen(name) >= RF_MAX_NAME) return refuse("RINGFENCE_STUB_NAME", name, "a name of at most 127 bytes");
  snprintf(s->name, sizeof s->name, "%s", name && *name ? name : "Ringfence Software GPU");

  if (!read_size("RINGFENCE_STUB_COPY_BANDWIDTH", "bytes a second, such as 12G or 500Mi", &s->bandwidth)) return false;
  if (!read_duration("RINGFENCE_STUB_COPY_LATENCY", &s->latency_ns)) return false;
  if (!read_size("RINGFENCE_STUB_INLINE", "a size such as 32Ki, or 0", &s->inline_bytes)) return false;

  if (!read_duration("RINGFENCE_STUB_KERNEL_TIMEOUT", &s->kernel_timeout_ns)) return false;
  const long online = sysconf(_SC_NPROCESSORS_ONLN);
  long threads = online < 1 ? 1 : online > 64 ? 64 : online;
  if (!read_number("RINGFENCE_STUB_THREADS", 1, 64, "a number of threads, 1 to 64", &threads)) return false;
  s->threads = (int)threads;

  if (!read_checks(&s->checks) || !read_capability(&s->capability) || !read_fault_scope(&s->process_faults)) return false;

  const char *const loading = getenv("CUDA_MODULE_LOADING"); /* the driver's own, and what it does not know it ignores */
  s->eager_modules = loading && !strcmp(loading, "EAGER");
  long lazy = 0;
  if (!read_number("RINGFENCE_STUB_LAZY_LOADING", 0, 1, "0 or 1", &lazy)) return false;
  s->lazy_loading = lazy != 0;

  const char *const faults = getenv("RINGFENCE_STUB_FAULTS");
  if (faults && *faults && !rf_faults_parse(faults))
    return refuse("RINGFENCE_STUB_FAULTS", faults, RF_FAULTS_FORM);
  if (rf_log_level == RF_LOG_DEBUG) rf_faults_watch();
  return true;
}
