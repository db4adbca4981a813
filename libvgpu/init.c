/* init.c - cuInit, the version, and the few process-wide calls with nothing to do.
 *
 * The library has no destructor and no atexit handler of its own: the CUDA runtime tears itself down from handlers that run
 * after ours would have, and must still get sensible answers; the executor learns of the end from the hang-up, which the
 * kernel sends whatever way the process ends. */
#include <pthread.h>

#include "call.h"
#include "context.h"
#include "device.h"
#include "hand.h"
#include "settings.h"

#define DRIVER_VERSION 13000 /* what this library implements, told when no broker can be asked */

static CUresult tables;

static void make_tables(void)
{
    vgpu_device_init();
    tables = vgpu_context_init();
}

CUresult vgpu_cuInit(unsigned int Flags)
{
    if (vgpu_in_forked_child()) return vgpu_not_ready();
    if (Flags != 0) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_connect();
    if (error != CUDA_SUCCESS) return error;
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_tables);
    if (tables != CUDA_SUCCESS) return tables;
    if (vgpu_device_count() == 0) return CUDA_ERROR_NO_DEVICE;
    vgpu_open_calls();
    return vgpu_ready();
}

CUresult vgpu_cuDriverGetVersion(int *driverVersion)
{
    if (!driverVersion) return CUDA_ERROR_INVALID_VALUE;
    if (vgpu_in_forked_child()) return vgpu_not_ready();
    /* The runtime asks before cuInit. Without a broker it is cuInit that must say so: this answers for the library alone. */
    *driverVersion = vgpu_connect() == CUDA_SUCCESS ? vgpu.info.driver_version : DRIVER_VERSION;
    return CUDA_SUCCESS;
}

CUresult vgpu_cuModuleGetLoadingMode(CUmoduleLoadingMode *mode)
{
    if (!mode) return CUDA_ERROR_INVALID_VALUE;
    *mode = vgpu_settings()->eager_modules ? CU_MODULE_EAGER_LOADING : CU_MODULE_LAZY_LOADING;
    return CUDA_SUCCESS;
}

CUresult vgpu_cuProfilerStart(void) { return CUDA_SUCCESS; } /* no profiler is attached: as documented, nothing happens */
CUresult vgpu_cuProfilerStop(void) { return CUDA_SUCCESS; }
