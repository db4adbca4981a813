/*
 * Initialisation, versions, and the process's fate: before cuInit and in a forked child every call that needs the GPU
 * answers NOT_INITIALIZED.
 */
#include <dlfcn.h>
#include <pthread.h>

#include "api.h"
#include "card.h"
#include "context.h"
#include "log.h"
#include "pool.h"
#include "settings.h"
#include "space.h"

_Atomic int rf_state = RF_STATE_NEW;

static pthread_mutex_t init_lock = PTHREAD_MUTEX_INITIALIZER;
static CUresult failure = CUDA_SUCCESS; /* of an earlier cuInit: the environment does not get better */

/* A child has none of our threads and must not touch the card: its parent goes on using both. */
static void after_fork(void) {
  atomic_store(&rf_state, RF_STATE_FORKED);
  rf_card_after_fork();
}

/* Threads and handlers of ours run this code for as long as the process lives, whatever dlclose says. */
static void stay_loaded(void) {
  Dl_info self;
  if (dladdr((void *)(uintptr_t)stay_loaded, &self) && self.dli_fname)
    dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

static CUresult initialise(void) {
  if (!rf_settings_read()) return CUDA_ERROR_INVALID_VALUE;
  if (rf_settings.devices == 0) return CUDA_ERROR_NO_DEVICE;
  if (!rf_card_open()) return CUDA_ERROR_OPERATING_SYSTEM;
  rf_space_initialise();
  if (!rf_contexts_initialise() || !rf_pools_initialise()) return CUDA_ERROR_OUT_OF_MEMORY;
  stay_loaded();
  pthread_atfork(NULL, NULL, after_fork);
  rf_log(RF_LOG_INFO, "%d device(s) of %llu bytes, \"%s\"", rf_settings.devices, (unsigned long long)rf_settings.memory, rf_settings.name);
  return CUDA_SUCCESS;
}

CUresult cuInit(unsigned int Flags) {
  if (Flags) return CUDA_ERROR_INVALID_VALUE;
  if (atomic_load(&rf_state) == RF_STATE_FORKED) return CUDA_ERROR_NOT_INITIALIZED;
  pthread_mutex_lock(&init_lock);
  if (atomic_load(&rf_state) == RF_STATE_NEW && !failure) {
    failure = initialise();
    if (!failure) atomic_store(&rf_state, RF_STATE_READY);
  }
  const CUresult result = failure;
  pthread_mutex_unlock(&init_lock);
  return result ? result : rf_enter(__func__);
}

CUresult cuDriverGetVersion(int *driverVersion) {
  if (!driverVersion) return CUDA_ERROR_INVALID_VALUE;
  *driverVersion = CUDA_VERSION;
  return CUDA_SUCCESS;
}

/* There is nothing to profile, and programs bracket their work with these all the same. */
CUresult cuProfilerStart(void) {
  RF_ENTER_CONTEXT(context);
  (void)context;
  return CUDA_SUCCESS;
}

CUresult cuProfilerStop(void) {
  RF_ENTER_CONTEXT(context);
  (void)context;
  return CUDA_SUCCESS;
}
