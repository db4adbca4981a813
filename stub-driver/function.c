/* What functions and kernels say of themselves, and what may be set; cuFunc*. See module.h. */
#include "context.h"
#include "module.h"
#include "occupancy.h"

#define CAPABILITY 80

void rf_settings_unset(struct function_settings *settings) {
  *settings = (struct function_settings){UNSET_ATTRIBUTE, UNSET_ATTRIBUTE, UNSET_ATTRIBUTE, UNSET_ATTRIBUTE};
}

static int over(int first, int second) { return first != UNSET_ATTRIBUTE ? first : second; }

struct function_settings rf_settings_over(const struct function_settings *first, const struct function_settings *second) {
  return (struct function_settings){
      .max_dynamic_shared = over(first->max_dynamic_shared, second->max_dynamic_shared),
      .carveout = over(first->carveout, second->carveout),
      .non_portable_cluster = over(first->non_portable_cluster, second->non_portable_cluster),
      .cluster_policy = over(first->cluster_policy, second->cluster_policy),
  };
}

const char *rf_kernel_name(const struct ptx_kernel *ptx) {
  struct ptx_kernel_info info;
  ptx_kernel_info(ptx, &info);
  return info.name;
}

CUresult rf_param_info(const struct ptx_kernel *ptx, size_t index, size_t *offset, size_t *size) {
  struct ptx_param_info info;
  if (!offset || !ptx_kernel_param(ptx, index, &info)) return CUDA_ERROR_INVALID_VALUE;
  *offset = info.offset;
  if (size) *size = info.size;
  return CUDA_SUCCESS;
}

CUresult rf_attribute_get(const struct image *image, const struct ptx_kernel *ptx, const struct function_settings *settings, CUfunction_attribute attribute,
                          int *value) {
  if (!value) return CUDA_ERROR_INVALID_VALUE;
  struct ptx_kernel_info info;
  ptx_kernel_info(ptx, &info);
  switch ((int)attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = (int)info.max_threads; break;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES: *value = (int)info.shared_bytes; break;
    case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES: *value = (int)image->constant_bytes; break;
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES: *value = (int)info.local_bytes; break;
    case CU_FUNC_ATTRIBUTE_NUM_REGS: *value = (int)rf_registers(&info); break;
    case CU_FUNC_ATTRIBUTE_PTX_VERSION: *value = image->target ? image->target : CAPABILITY; break;
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION: *value = CAPABILITY; break;
    case CU_FUNC_ATTRIBUTE_CACHE_MODE_CA: *value = 0; break;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: *value = (int)rf_max_dynamic_shared(&info, settings); break;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT: *value = over(settings->carveout, -1); break;
    case CU_FUNC_ATTRIBUTE_CLUSTER_SIZE_MUST_BE_SET: *value = 0; break;
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH: *value = (int)info.cluster[0]; break;
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT: *value = (int)info.cluster[1]; break;
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH: *value = (int)info.cluster[2]; break;
    case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED: *value = over(settings->non_portable_cluster, 0); break;
    case CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE: *value = over(settings->cluster_policy, 0); break;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

static CUresult set_within(int *setting, int value, int low, int high) {
  if (value < low || value > high) return CUDA_ERROR_INVALID_VALUE;
  *setting = value;
  return CUDA_SUCCESS;
}

CUresult rf_attribute_set(const struct ptx_kernel *ptx, struct function_settings *settings, CUfunction_attribute attribute, int value) {
  struct ptx_kernel_info info;
  ptx_kernel_info(ptx, &info);
  switch ((int)attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
      return set_within(&settings->max_dynamic_shared, value, 0, RF_SHARED_OPTIN - (int)info.shared_bytes);
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT: return set_within(&settings->carveout, value, -1, 100);
    case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED: return set_within(&settings->non_portable_cluster, value, 0, 1);
    case CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE: return set_within(&settings->cluster_policy, value, 0, 2);
    /* What the kernel does not say in its text is said at the launch. */
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH: return CUDA_ERROR_NOT_SUPPORTED;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
}

/* ---- cuFunc* ------------------------------------------------------------------------------------------------------ */

static CUresult find(const char *call, CUfunction handle, struct callable *callable) {
  struct context *context = NULL;
  RF_TRY(rf_enter(call));
  RF_TRY(rf_current_context(&context));
  return rf_callable_find(handle, context, callable);
}

CUresult cuFuncGetAttribute(int *pi, CUfunction_attribute attrib, CUfunction hfunc) {
  struct callable callable;
  RF_TRY(find(__func__, hfunc, &callable));
  const CUresult result = rf_attribute_get(callable.module->image, callable.ptx, &callable.settings, attrib, pi);
  rf_module_release(callable.module);
  return result;
}

CUresult cuFuncSetAttribute(CUfunction hfunc, CUfunction_attribute attrib, int value) {
  RF_ENTER_CONTEXT(context);
  rf_modules_lock();
  struct function *const function = rf_object_find(RF_KIND_FUNCTION, (uint64_t)(uintptr_t)hfunc);
  struct kernel *const kernel = rf_object_find(RF_KIND_KERNEL, (uint64_t)(uintptr_t)hfunc);
  const CUresult result = function ? rf_attribute_set(function->ptx, &function->settings, attrib, value)
                          : kernel ? rf_attribute_set(kernel->ptx, &kernel->settings[context->device], attrib, value)
                                   : CUDA_ERROR_INVALID_HANDLE;
  rf_modules_unlock();
  return result;
}

CUresult cuFuncGetName(const char **name, CUfunction hfunc) {
  struct callable callable;
  RF_ENTER();
  if (!name || !hfunc) return CUDA_ERROR_INVALID_VALUE; /* documented so, of both */
  RF_TRY(find(__func__, hfunc, &callable));
  *name = rf_kernel_name(callable.ptx);
  rf_module_release(callable.module);
  return CUDA_SUCCESS;
}

CUresult cuFuncGetModule(CUmodule *hmod, CUfunction hfunc) {
  struct callable callable;
  RF_TRY(find(__func__, hfunc, &callable));
  const CUresult result = hmod ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  if (hmod) *hmod = (CUmodule)(uintptr_t)atomic_load(&callable.module->object.handle);
  rf_module_release(callable.module);
  return result;
}

CUresult cuFuncGetParamInfo(CUfunction func, size_t paramIndex, size_t *paramOffset, size_t *paramSize) {
  struct callable callable;
  RF_TRY(find(__func__, func, &callable));
  const CUresult result = rf_param_info(callable.ptx, paramIndex, paramOffset, paramSize);
  rf_module_release(callable.module);
  return result;
}

static CUresult exists(const char *call, CUfunction handle) {
  struct callable callable;
  RF_TRY(find(call, handle, &callable));
  rf_module_release(callable.module);
  return CUDA_SUCCESS;
}

CUresult cuFuncIsLoaded(CUfunctionLoadingState *state, CUfunction function) {
  RF_TRY(exists(__func__, function));
  if (!state) return CUDA_ERROR_INVALID_VALUE;
  *state = CU_FUNCTION_LOADING_STATE_LOADED;
  return CUDA_SUCCESS;
}

CUresult cuFuncLoad(CUfunction function) { return exists(__func__, function); }

/* Preferences about caches and banks, of which this GPU has none: checked, and without effect, as the documentation allows. */
CUresult cuFuncSetCacheConfig(CUfunction hfunc, CUfunc_cache config) {
  RF_TRY(exists(__func__, hfunc));
  return (int)config < 0 || config > CU_FUNC_CACHE_PREFER_EQUAL ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult cuFuncSetSharedMemConfig(CUfunction hfunc, CUsharedconfig config) {
  RF_TRY(exists(__func__, hfunc));
  return (int)config < 0 || config > CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}
