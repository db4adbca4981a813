/* exporttable.c - cuGetExportTable: undocumented tables that NVIDIA's own libraries ask each other for.
 *
 * Each table is named by a UUID. None is offered yet; the CUDA runtime's come with the runtime's issue. An unknown UUID is
 * CUDA_ERROR_INVALID_VALUE, and clients that can do without (every driver-API program) go on. */
#include <stddef.h>

#include "hand.h"
#include "log.h"

CUresult vgpu_cuGetExportTable(const void **ppExportTable, const CUuuid *pExportTableId)
{
    if (!ppExportTable || !pExportTableId) return CUDA_ERROR_INVALID_VALUE;
    *ppExportTable = NULL;
    const unsigned char *u = (const unsigned char *)pExportTableId->bytes;
    vgpu_log(VGPU_INFO, "cuGetExportTable: no table %02x%02x%02x%02x-...", u[0], u[1], u[2], u[3]);
    return CUDA_ERROR_INVALID_VALUE;
}
