/* Libraries and kernels: code without a context; see module.h. */
#include <stdlib.h>
#include <string.h>

#include "context.h"
#include "module.h"

static struct library *find(CUlibrary handle) { return rf_object_find(RF_KIND_LIBRARY, (uint64_t)(uintptr_t)handle); }
/* Whether there is something to be had of it. */
static CUresult usable(const struct library *library) {
  return !library ? CUDA_ERROR_INVALID_HANDLE : library->image ? CUDA_SUCCESS : CUDA_ERROR_NO_BINARY_FOR_GPU;
}
static struct kernel *kernel_find(CUkernel handle) { return rf_object_find(RF_KIND_KERNEL, (uint64_t)(uintptr_t)handle); }

static void unmake_managed(struct library *library) {
  if (!library->image) return;
  const size_t count = ptx_global_count(library->image->ptx);
  for (size_t i = 0; library->managed && i < count; i++) rf_managed_unmake(&library->managed[i]);
  free(library->managed);
  library->managed = NULL;
}

/* Managed variables have their memory, and their initial values, before any context has the rest. */
static CUresult make_managed(struct library *library) {
  if (!library->image) return CUDA_SUCCESS;
  const size_t count = ptx_global_count(library->image->ptx);
  library->managed = calloc(count + 1, sizeof *library->managed);
  uint64_t *const addresses = calloc(count + 1, sizeof *addresses);
  CUresult result = library->managed && addresses ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
  bool any = false;
  struct ptx_global_info info;
  for (size_t i = 0; !result && i < count; i++) {
    ptx_global_at(library->image->ptx, i, &info);
    if (!info.managed) continue;
    result = rf_managed_make(0, 0, info.size, &library->managed[i]);
    addresses[i] = library->managed[i].address;
    any = true;
  }
  struct ptx_instance *instance = NULL;
  if (!result && any && ptx_instance_create(library->image->ptx, addresses, &instance)) result = CUDA_ERROR_OUT_OF_MEMORY;
  for (size_t i = 0; !result && any && i < count; i++) {
    ptx_global_at(library->image->ptx, i, &info);
    if (info.managed && info.initialised) ptx_instance_initial(instance, i, (void *)(uintptr_t)addresses[i]);
  }
  if (any && instance) ptx_instance_free(instance);
  free(addresses);
  if (result) unmake_managed(library);
  return result;
}

static CUresult load(CUlibrary *handle, const void *data, size_t size, const char *name, CUjit_option *options, void **values, unsigned count,
                     CUlibraryOption *library_options, void **library_values, unsigned library_count) {
  if (!handle || !data || (library_count && !library_options)) return CUDA_ERROR_INVALID_VALUE;
  (void)library_values;
  for (unsigned i = 0; i < library_count; i++)
    if ((int)library_options[i] < 0 || library_options[i] >= CU_LIBRARY_NUM_OPTIONS) return CUDA_ERROR_INVALID_VALUE;
  struct image *image = NULL;
  const CUresult loaded = rf_image_load(data, size, name, count, options, values, &image);
  /* A fat binary for other GPUs is a library all the same, since drivers load lazily: the CUDA runtime loads all that a program has when it
   * starts, and a program that has code for several GPUs in several libraries (PyTorch) shall find the device whatever it then launches. */
  if (loaded && (loaded != CUDA_ERROR_NO_BINARY_FOR_GPU || !memcmp(data, "\177ELF", 4))) return loaded;
  struct library *const library = rf_object_new(RF_KIND_LIBRARY, NULL);
  if (!library) {
    rf_image_release(image);
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  library->image = image;
  library->modules = NULL;
  library->kernels = NULL;
  library->kernel_at = NULL;
  const CUresult result = make_managed(library);
  if (result) {
    rf_image_release(image);
    rf_object_recycle(RF_KIND_LIBRARY, &library->object);
    return result;
  }
  *handle = (CUlibrary)(uintptr_t)rf_object_publish(RF_KIND_LIBRARY, &library->object);
  return CUDA_SUCCESS;
}

CUresult cuLibraryLoadData(CUlibrary *library, const void *code, CUjit_option *jitOptions, void **jitOptionsValues, unsigned int numJitOptions,
                           CUlibraryOption *libraryOptions, void **libraryOptionValues, unsigned int numLibraryOptions) {
  RF_ENTER();
  return load(library, code, 0, NULL, jitOptions, jitOptionsValues, numJitOptions, libraryOptions, libraryOptionValues, numLibraryOptions);
}

CUresult cuLibraryLoadFromFile(CUlibrary *library, const char *fileName, CUjit_option *jitOptions, void **jitOptionsValues,
                               unsigned int numJitOptions, CUlibraryOption *libraryOptions, void **libraryOptionValues,
                               unsigned int numLibraryOptions) {
  RF_ENTER();
  if (!fileName) return CUDA_ERROR_INVALID_VALUE;
  char *data = NULL;
  size_t size = 0;
  RF_TRY(rf_file_read(fileName, &data, &size));
  const CUresult result = load(library, data, size + 1, fileName, jitOptions, jitOptionsValues, numJitOptions, libraryOptions, libraryOptionValues,
                               numLibraryOptions);
  free(data);
  return result;
}

CUresult cuLibraryUnload(CUlibrary handle) {
  RF_ENTER();
  rf_modules_lock();
  struct library *const library = find(handle);
  const bool ours = library && rf_object_withdraw(&library->object, (uint64_t)(uintptr_t)handle);
  if (ours) {
    while (library->kernels) {
      struct kernel *const kernel = library->kernels;
      library->kernels = kernel->next;
      rf_object_withdraw(&kernel->object, atomic_load(&kernel->object.handle));
      free(kernel->legacy);
      rf_object_recycle(RF_KIND_KERNEL, &kernel->object);
    }
    free(library->kernel_at);
    while (library->modules) {
      struct module *const module = library->modules;
      rf_object_withdraw(&module->object, atomic_load(&module->object.handle));
      rf_module_unload(module); /* takes itself out of the list */
    }
    unmake_managed(library);
    rf_image_release(library->image);
    rf_object_recycle(RF_KIND_LIBRARY, &library->object);
  }
  rf_modules_unlock();
  return ours ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

/* ---- kernels ------------------------------------------------------------------------------------------------------ */

static CUresult kernel_of(struct library *library, const struct ptx_kernel *ptx, CUkernel *handle) {
  if (!library->kernel_at && !(library->kernel_at = calloc(ptx_kernel_count(library->image->ptx), sizeof *library->kernel_at))) return CUDA_ERROR_OUT_OF_MEMORY;
  struct kernel *kernel = library->kernel_at[ptx_kernel_index(ptx)];
  if (!kernel) {
    kernel = rf_object_new(RF_KIND_KERNEL, NULL);
    if (!kernel) return CUDA_ERROR_OUT_OF_MEMORY;
    kernel->library = library;
    kernel->ptx = ptx;
    kernel->legacy = NULL;
    for (int i = 0; i < RF_MAX_DEVICES; i++) rf_settings_unset(&kernel->settings[i]);
    kernel->next = library->kernels;
    library->kernels = library->kernel_at[ptx_kernel_index(ptx)] = kernel;
    rf_object_publish(RF_KIND_KERNEL, &kernel->object);
  }
  *handle = (CUkernel)(uintptr_t)atomic_load(&kernel->object.handle);
  return CUDA_SUCCESS;
}

CUresult cuLibraryGetKernel(CUkernel *pKernel, CUlibrary handle, const char *name) {
  RF_ENTER();
  if (!pKernel || !name) return CUDA_ERROR_INVALID_VALUE;
  rf_modules_lock();
  struct library *const library = find(handle);
  CUresult result = usable(library);
  const struct ptx_kernel *const ptx = result ? NULL : ptx_kernel_find(library->image->ptx, name);
  if (!result) result = ptx ? kernel_of(library, ptx, pKernel) : CUDA_ERROR_NOT_FOUND;
  rf_modules_unlock();
  return result;
}

CUresult cuLibraryGetKernelCount(unsigned int *count, CUlibrary lib) {
  RF_ENTER();
  if (!count) return CUDA_ERROR_INVALID_VALUE;
  rf_modules_lock();
  struct library *const library = find(lib);
  const CUresult result = usable(library);
  if (!result) *count = (unsigned)ptx_kernel_count(library->image->ptx);
  rf_modules_unlock();
  return result;
}

CUresult cuLibraryEnumerateKernels(CUkernel *kernels, unsigned int numKernels, CUlibrary lib) {
  RF_ENTER();
  if (!kernels && numKernels) return CUDA_ERROR_INVALID_VALUE;
  rf_modules_lock();
  struct library *const library = find(lib);
  CUresult result = usable(library);
  for (size_t i = 0; !result && i < numKernels && i < ptx_kernel_count(library->image->ptx); i++)
    result = kernel_of(library, ptx_kernel_at(library->image->ptx, i), &kernels[i]);
  rf_modules_unlock();
  return result;
}

CUresult cuLibraryGetModule(CUmodule *pMod, CUlibrary handle) {
  RF_ENTER_CONTEXT(context);
  if (!pMod) return CUDA_ERROR_INVALID_VALUE;
  rf_modules_lock();
  struct library *const library = find(handle);
  struct module *module = NULL;
  const CUresult result = library ? rf_library_module(library, context, &module) : CUDA_ERROR_INVALID_HANDLE;
  if (!result) *pMod = (CUmodule)(uintptr_t)atomic_load(&module->object.handle);
  rf_modules_unlock();
  return result;
}

static CUresult get_global(CUlibrary handle, const char *name, CUdeviceptr *address, size_t *bytes, bool managed, struct context *context) {
  if (!name) return CUDA_ERROR_INVALID_VALUE;
  rf_modules_lock();
  struct library *const library = find(handle);
  struct module *module = NULL;
  CUresult result = usable(library);
  if (!result && !managed) result = rf_library_module(library, context, &module);
  if (!result) {
    size_t index = 0;
    uint64_t size = 0;
    if (rf_global_find(library->image->ptx, name, managed, &index, &size)) {
      if (address) *address = managed ? library->managed[index].address : module->globals[index].address;
      if (bytes) *bytes = size;
    } else {
      result = CUDA_ERROR_NOT_FOUND;
    }
  }
  rf_modules_unlock();
  return result;
}

CUresult cuLibraryGetGlobal(CUdeviceptr *dptr, size_t *bytes, CUlibrary library, const char *name) {
  RF_ENTER_CONTEXT(context);
  return get_global(library, name, dptr, bytes, false, context);
}

CUresult cuLibraryGetManaged(CUdeviceptr *dptr, size_t *bytes, CUlibrary library, const char *name) {
  RF_ENTER();
  return get_global(library, name, dptr, bytes, true, NULL);
}

/* Functions that exist on both sides need code in the program for the host's half; PTX has none. */
CUresult cuLibraryGetUnifiedFunction(void **fptr, CUlibrary library, const char *symbol) {
  RF_ENTER();
  if (!fptr || !symbol) return CUDA_ERROR_INVALID_VALUE;
  rf_modules_lock();
  const bool known = find(library) != NULL;
  rf_modules_unlock();
  return known ? CUDA_ERROR_NOT_FOUND : CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuKernelGetFunction(CUfunction *pFunc, CUkernel handle) {
  RF_ENTER_CONTEXT(context);
  if (!pFunc) return CUDA_ERROR_INVALID_VALUE;
  rf_modules_lock();
  struct kernel *const kernel = kernel_find(handle);
  struct module *module = NULL;
  CUresult result = kernel ? rf_library_module(kernel->library, context, &module) : CUDA_ERROR_INVALID_HANDLE;
  if (!result) result = rf_function_of(module, kernel->ptx, kernel, pFunc);
  rf_modules_unlock();
  return result;
}

CUresult cuKernelGetLibrary(CUlibrary *pLib, CUkernel handle) {
  RF_ENTER();
  if (!pLib) return CUDA_ERROR_INVALID_VALUE;
  rf_modules_lock();
  struct kernel *const kernel = kernel_find(handle);
  if (kernel) *pLib = (CUlibrary)(uintptr_t)atomic_load(&kernel->library->object.handle);
  rf_modules_unlock();
  return kernel ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuKernelGetName(const char **name, CUkernel hfunc) {
  RF_ENTER();
  if (!name || !hfunc) return CUDA_ERROR_INVALID_VALUE; /* documented so, of both */
  rf_modules_lock();
  struct kernel *const kernel = kernel_find(hfunc);
  if (kernel) *name = rf_kernel_name(kernel->ptx); /* the image's: lives as long as the library */
  rf_modules_unlock();
  return kernel ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuKernelGetParamInfo(CUkernel handle, size_t paramIndex, size_t *paramOffset, size_t *paramSize) {
  RF_ENTER();
  rf_modules_lock();
  struct kernel *const kernel = kernel_find(handle);
  const CUresult result = kernel ? rf_param_info(kernel->ptx, paramIndex, paramOffset, paramSize) : CUDA_ERROR_INVALID_HANDLE;
  rf_modules_unlock();
  return result;
}

CUresult cuKernelGetAttribute(int *pi, CUfunction_attribute attrib, CUkernel handle, CUdevice dev) {
  RF_ENTER();
  if (dev < 0 || dev >= rf_settings.devices) return CUDA_ERROR_INVALID_DEVICE;
  rf_modules_lock();
  struct kernel *const kernel = kernel_find(handle);
  const CUresult result =
      kernel ? rf_attribute_get(kernel->library->image, kernel->ptx, &kernel->settings[dev], attrib, pi) : CUDA_ERROR_INVALID_HANDLE;
  rf_modules_unlock();
  return result;
}

CUresult cuKernelSetAttribute(CUfunction_attribute attrib, int val, CUkernel handle, CUdevice dev) {
  RF_ENTER();
  if (dev < 0 || dev >= rf_settings.devices) return CUDA_ERROR_INVALID_DEVICE;
  rf_modules_lock();
  struct kernel *const kernel = kernel_find(handle);
  const CUresult result = kernel ? rf_attribute_set(kernel->ptx, &kernel->settings[dev], attrib, val) : CUDA_ERROR_INVALID_HANDLE;
  rf_modules_unlock();
  return result;
}

CUresult cuKernelSetCacheConfig(CUkernel handle, CUfunc_cache config, CUdevice dev) {
  RF_ENTER();
  if (dev < 0 || dev >= rf_settings.devices) return CUDA_ERROR_INVALID_DEVICE;
  if ((int)config < 0 || config > CU_FUNC_CACHE_PREFER_EQUAL) return CUDA_ERROR_INVALID_VALUE;
  rf_modules_lock();
  const bool known = kernel_find(handle) != NULL;
  rf_modules_unlock();
  return known ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}
