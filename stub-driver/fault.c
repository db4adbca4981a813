/* See fault.h. Counters are per order, so that two orders on one function count the same calls. */
#include "fault.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

#define MAX_FAULTS 64

struct fault {
  char function[64]; /* base name; empty: the GPU's operations */
  uint64_t nth;
  bool onwards;
  CUresult code;
  enum rf_op_fault effect;
  _Atomic uint64_t count;
};

_Atomic bool rf_faults_armed;

static struct fault faults[MAX_FAULTS];
static int fault_count;

static bool parse_code(const char *text, CUresult *code) {
  static const struct {
    const char *name;
    CUresult code;
  } results[] = {
#define RESULT(name, value, string) {#name, name},
      RF_CUDA_RESULTS(RESULT)
#undef RESULT
  };
  char *end = NULL;
  const long number = strtol(text, &end, 10);
  for (size_t i = 0; i < sizeof results / sizeof results[0]; i++)
    if (*end ? !strcmp(text, results[i].name) : number == (long)results[i].code) {
      *code = results[i].code;
      return *code != CUDA_SUCCESS;
    }
  return false;
}

static bool parse_one(char *text, struct fault *fault) {
  char *const at = strchr(text, '@');
  char *const equals = at ? strchr(at, '=') : NULL;
  if (!equals || !isdigit((unsigned char)at[1])) return false;
  *at = *equals = '\0';
  char *end = NULL;
  fault->nth = strtoull(at + 1, &end, 10);
  if (*end == '+') {
    fault->onwards = true;
    end++;
  }
  if (*end || fault->nth == 0) return false;
  if (!strcmp(text, "op")) {
    if (!strcmp(equals + 1, "illegal-address")) fault->effect = RF_OP_FAULT_ILLEGAL_ADDRESS;
    if (!strcmp(equals + 1, "device-lost")) fault->effect = RF_OP_FAULT_DEVICE_LOST;
    return fault->effect != RF_OP_FAULT_NONE;
  }
  if (strncmp(text, "cu", 2) || strlen(text) >= sizeof fault->function) return false;
  strcpy(fault->function, text);
  return parse_code(equals + 1, &fault->code);
}

bool rf_faults_parse(const char *text) {
  char *const copy = strdup(text);
  if (!copy) return false;
  bool good = true;
  int count = 0;
  char *rest = copy;
  for (char *item; good && (item = strsep(&rest, ",")) != NULL;) {
    while (*item == ' ') item++;
    good = count < MAX_FAULTS && parse_one(item, &faults[count]);
    count++;
  }
  free(copy);
  if (!good) {
    memset(faults, 0, sizeof faults);
    return false;
  }
  fault_count = count;
  atomic_store(&rf_faults_armed, count > 0);
  return true;
}

/* `cuMemAlloc_v2_ptds` is ordered as `cuMemAlloc`: what the caller wrote in its source. */
static bool names_call(const char *function, const char *call) {
  const size_t length = strlen(function);
  if (strncmp(function, call, length)) return false;
  const char *suffix = call + length;
  if (suffix[0] == '_' && suffix[1] == 'v' && isdigit((unsigned char)suffix[2])) suffix += 3;
  return *suffix == '\0' || !strcmp(suffix, "_ptds") || !strcmp(suffix, "_ptsz");
}

static bool is_due(struct fault *fault) {
  const uint64_t count = atomic_fetch_add(&fault->count, 1) + 1;
  return count == fault->nth || (fault->onwards && count > fault->nth);
}

void rf_faults_watch(void) { atomic_store(&rf_faults_armed, true); }

CUresult rf_fault_call(const char *call) {
  CUresult result = CUDA_SUCCESS;
  rf_log(RF_LOG_DEBUG, "%s", call);
  for (int i = 0; i < fault_count; i++) {
    struct fault *const fault = &faults[i];
    if (fault->effect || !names_call(fault->function, call) || !is_due(fault)) continue;
    rf_log(RF_LOG_INFO, "%s: fails with %d, as RINGFENCE_STUB_FAULTS ordered", call, (int)fault->code);
    result = fault->code;
  }
  return result;
}

enum rf_op_fault rf_fault_operation(void) {
  enum rf_op_fault effect = RF_OP_FAULT_NONE;
  for (int i = 0; i < fault_count; i++)
    if (faults[i].effect && is_due(&faults[i])) effect = faults[i].effect;
  return effect;
}
