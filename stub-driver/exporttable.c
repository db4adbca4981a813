/* cuGetExportTable: the CUDA runtime's private tables, of which idm/cudart_tables.c is the text and this our side. */
#include <string.h>

#include "api.h" /* first: it makes the entry points visible */
#include "context.h"
#include "cudart_tables.h"
#include "log.h"

CUresult rf_cudart_primary(CUcontext *context, CUdevice device) {
  RF_TRY(rf_enter(__func__));
  return rf_context_primary_handle(context, device);
}

CUresult rf_cudart_context(CUcontext *context) {
  if (RF_UNLIKELY(atomic_load_explicit(&rf_state, memory_order_acquire) != RF_STATE_READY)) return CUDA_ERROR_NOT_INITIALIZED;
  struct context *found = NULL;
  if (!*context) *context = rf_context_current_handle();
  return *context && !rf_context_find(*context, &found) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult cuGetExportTable(const void **ppExportTable, const CUuuid *pExportTableId) {
  static const CUuuid first = {RF_CUDART_INTERFACE_ID};
  if (!ppExportTable || !pExportTableId) return CUDA_ERROR_INVALID_VALUE;
  *ppExportTable = rf_cudart_table ? rf_cudart_table(pExportTableId) : NULL;
  if (*ppExportTable) return CUDA_SUCCESS;
  if (!rf_cudart_table && !memcmp(pExportTableId, &first, sizeof first)) rf_log_line(RF_CUDART_REFUSAL);
  return CUDA_ERROR_INVALID_VALUE;
}
