/* exporttable.c - cuGetExportTable: private tables that NVIDIA's own libraries ask each other for, named by a UUID.
 *
 * Those of the CUDA runtime are in idm/cudart_tables.c, of which this is the client's side. Any other UUID is
 * CUDA_ERROR_INVALID_VALUE, and clients that can do without (every driver-API program) go on. */
#include <string.h>

#include "call.h"
#include "context.h"
#include "cudart_tables.h"
#include "device.h"
#include "hand.h"
#include "log.h"

CUresult rf_cudart_primary(CUcontext *context, CUdevice device)
{
    CUresult error = vgpu_ready();
    const struct rf_device_info *info = vgpu_device(device);
    if (error != CUDA_SUCCESS) return error;
    if (!info) return CUDA_ERROR_INVALID_DEVICE;
    *context = (CUcontext)(uintptr_t)info->primary_context;
    return CUDA_SUCCESS;
}

CUresult rf_cudart_context(CUcontext *context)
{
    if (vgpu_in_forked_child()) return vgpu_not_ready();
    const struct vgpu_context *found = vgpu_context_find(*context);
    if (!found) return CUDA_ERROR_INVALID_CONTEXT;
    *context = (CUcontext)(uintptr_t)found->handle;
    return CUDA_SUCCESS;
}

CUresult vgpu_cuGetExportTable(const void **ppExportTable, const CUuuid *pExportTableId)
{
    static const CUuuid first = {RF_CUDART_INTERFACE_ID};
    if (!ppExportTable || !pExportTableId) return CUDA_ERROR_INVALID_VALUE;
    *ppExportTable = rf_cudart_table ? rf_cudart_table(pExportTableId) : NULL;
    if (*ppExportTable) return CUDA_SUCCESS;
    const unsigned char *u = (const unsigned char *)pExportTableId->bytes;
    vgpu_log(VGPU_INFO, "cuGetExportTable: no table %02x%02x%02x%02x-...", u[0], u[1], u[2], u[3]);
    if (!memcmp(pExportTableId, &first, sizeof first)) vgpu_log_once(RF_CUDART_REFUSAL);
    return CUDA_ERROR_INVALID_VALUE;
}
