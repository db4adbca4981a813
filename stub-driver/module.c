/* Modules, their globals and functions; see module.h. */
#include "module.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "context.h"
#include "host.h"
#include "kernel.h"
#include "range.h"
#include "space.h"
#include "texture.h"

static pthread_mutex_t modules_lock = PTHREAD_MUTEX_INITIALIZER;

void rf_modules_lock(void) { pthread_mutex_lock(&modules_lock); }
void rf_modules_unlock(void) { pthread_mutex_unlock(&modules_lock); }

/* ---- globals ------------------------------------------------------------------------------------------------------ */

CUresult rf_managed_make(int device, uint64_t epoch, uint64_t size, struct module_global *global) {
  size = size ? size : 1;
  int descriptor = 0;
  void *const memory = rf_managed_map(size, &descriptor);
  if (!memory) return CUDA_ERROR_OUT_OF_MEMORY;
  const struct rf_range range = {.base = (uint64_t)(uintptr_t)memory, .size = size, .kind = RF_RANGE_MANAGED, .flags = CU_MEM_ATTACH_GLOBAL,
                                 .device = device, .context = epoch, .of_module = true, .descriptor = descriptor};
  const CUresult result = rf_range_add(&range);
  if (result) {
    munmap(memory, size);
    if (descriptor) close(descriptor - 1);
    return result;
  }
  *global = (struct module_global){.address = range.base, .id = 1};
  return CUDA_SUCCESS;
}

/* Managed memory of a module dies with its context like any; only what is still there is unmapped. */
void rf_managed_unmake(const struct module_global *global) {
  struct rf_range range;
  if (global->id && rf_range_find(global->address, &range) && range.base == global->address && range.of_module)
    rf_managed_free(global->address);
}

/* What a variable of device memory occupies. Compilers know its alignment and may read up to the end of it, where nothing else
 * can lie: LLVM loads an `.align 4 .u8` as 16 bits. */
static uint64_t occupied(const struct ptx_global_info *info) {
  const uint64_t align = info->align ? info->align : 1;
  return info->size ? (info->size + align - 1) / align * align : align;
}

static CUresult make_global(struct module *module, const struct ptx_global_info *info, struct module_global *global) {
  struct context *const context = module->context;
  if (info->managed) return rf_managed_make(context->device, context->epoch, info->size, global);
  const struct rf_allocation like = {.context = context->epoch, .of_module = true};
  RF_TRY(rf_space_allocate(context->device, occupied(info), &like, &global->address));
  struct rf_place place;
  global->id = rf_space_find(global->address, &place) ? place.allocation.id : 0;
  return CUDA_SUCCESS;
}

static void free_globals(struct module *module) {
  for (size_t i = 0; i < module->global_count; i++) {
    const struct module_global *const global = &module->globals[i];
    if (!global->id) continue;
    struct ptx_global_info info;
    ptx_global_at(module->image->ptx, i, &info);
    struct rf_place place;
    if (info.managed)
      rf_managed_unmake(global);
    else if (rf_space_find(global->address, &place) && place.base == global->address && place.allocation.id == global->id)
      rf_space_free(global->address, NULL);
  }
  free(module->globals);
  module->globals = NULL;
  module->global_count = 0;
}

static void write_bytes(CUdeviceptr address, const char *bytes, uint64_t size) {
  while (size) {
    uint64_t length = 0;
    char *const at = rf_space_translate(address, &length);
    if (!at) return;
    if (length > size) length = size;
    if (bytes) {
      memcpy(at, bytes, length);
      bytes += length;
    } else {
      memset(at, 0, length);
    }
    address += length;
    size -= length;
  }
}

static CUresult initialise(struct module *module) {
  for (size_t i = 0; i < module->global_count; i++) {
    struct ptx_global_info info;
    ptx_global_at(module->image->ptx, i, &info);
    if (!module->globals[i].id) continue; /* the library's, initialised when it was loaded */
    char *const bytes = info.initialised ? malloc(info.size ? info.size : 1) : NULL;
    if (info.initialised && !bytes) return CUDA_ERROR_OUT_OF_MEMORY;
    if (bytes) ptx_instance_initial(module->instance, i, bytes);
    if (!info.managed) {
      write_bytes(module->globals[i].address, bytes, info.size);
      write_bytes(module->globals[i].address + info.size, NULL, occupied(&info) - info.size);
    } else if (bytes)
      memcpy((void *)(uintptr_t)module->globals[i].address, bytes, info.size);
    free(bytes);
  }
  return CUDA_SUCCESS;
}

/* ---- life --------------------------------------------------------------------------------------------------------- */

static void destroy(struct module *module) {
  rf_texrefs_unmake(module);
  free_globals(module);
  if (module->instance) ptx_instance_free(module->instance);
  rf_image_release(module->image);
  rf_object_recycle(RF_KIND_MODULE, &module->object);
}

CUresult rf_module_make(struct context *context, struct image *image, struct library *library, struct module **made) {
  struct module *const module = rf_object_new(RF_KIND_MODULE, NULL);
  if (!module) return CUDA_ERROR_OUT_OF_MEMORY;
  rf_image_hold(image);
  module->references = 1;
  module->context = context;
  module->image = image;
  module->instance = NULL;
  module->functions = NULL;
  module->function_at = NULL;
  module->library = library;
  module->next = NULL;
  module->texrefs = NULL;
  module->global_count = ptx_global_count(image->ptx);
  module->globals = calloc(module->global_count + 1, sizeof *module->globals);
  uint64_t *const addresses = calloc(module->global_count + 1, sizeof *addresses);
  CUresult result = module->globals && addresses ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
  if (!module->globals) module->global_count = 0;
  for (size_t i = 0; !result && i < module->global_count; i++) {
    struct ptx_global_info info;
    ptx_global_at(image->ptx, i, &info);
    if (library && info.managed)
      module->globals[i].address = library->managed[i].address;
    else
      result = make_global(module, &info, &module->globals[i]);
    addresses[i] = module->globals[i].address;
  }
  if (!result && ptx_instance_create(image->ptx, addresses, &module->instance)) {
    module->instance = NULL;
    result = CUDA_ERROR_OUT_OF_MEMORY;
  }
  free(addresses);
  if (!result) result = initialise(module);
  if (!result) result = rf_texrefs_make(module);
  if (result) {
    destroy(module);
    return result;
  }
  rf_object_publish(RF_KIND_MODULE, &module->object);
  *made = module;
  return CUDA_SUCCESS;
}

static void unhold(struct module *module) {
  if (--module->references == 0) destroy(module);
}

void rf_module_hold(struct module *module) {
  rf_modules_lock();
  module->references++;
  rf_modules_unlock();
}

void rf_module_release(struct module *module) {
  rf_modules_lock();
  unhold(module);
  rf_modules_unlock();
}

void rf_module_unload(struct module *module) {
  rf_texrefs_unmake(module);
  while (module->functions) {
    struct function *const function = module->functions;
    module->functions = function->next;
    rf_object_withdraw(&function->object, atomic_load(&function->object.handle));
    free(function->legacy);
    rf_object_recycle(RF_KIND_FUNCTION, &function->object);
  }
  free(module->function_at);
  module->function_at = NULL;
  if (module->library) {
    struct module **link = &module->library->modules;
    while (*link && *link != module) link = &(*link)->next;
    if (*link) *link = module->next;
  }
  unhold(module);
}

static void unload_of(void *object, void *context) {
  struct module *const module = object;
  if (module->context == context && rf_object_withdraw(&module->object, atomic_load(&module->object.handle))) rf_module_unload(module);
}

void rf_modules_free_context(struct context *context) {
  rf_modules_lock();
  rf_object_each(RF_KIND_MODULE, unload_of, context);
  rf_modules_unlock();
}

/* ---- finding ------------------------------------------------------------------------------------------------------ */

CUresult rf_function_of(struct module *module, const struct ptx_kernel *ptx, struct kernel *kernel, CUfunction *handle) {
  if (!module->function_at && !(module->function_at = calloc(ptx_kernel_count(module->image->ptx), sizeof *module->function_at))) return CUDA_ERROR_OUT_OF_MEMORY;
  struct function *function = module->function_at[ptx_kernel_index(ptx)];
  if (!function) {
    function = rf_object_new(RF_KIND_FUNCTION, NULL);
    if (!function) return CUDA_ERROR_OUT_OF_MEMORY;
    function->module = module;
    function->ptx = ptx;
    function->kernel = kernel;
    rf_settings_unset(&function->settings);
    function->legacy = NULL;
    function->next = module->functions;
    module->functions = module->function_at[ptx_kernel_index(ptx)] = function;
    rf_object_publish(RF_KIND_FUNCTION, &function->object);
  }
  *handle = (CUfunction)(uintptr_t)atomic_load(&function->object.handle);
  return CUDA_SUCCESS;
}

CUresult rf_library_module(struct library *library, struct context *context, struct module **found) {
  if (!library->image) return CUDA_ERROR_NO_BINARY_FOR_GPU;
  struct module *module = library->modules;
  while (module && module->context != context) module = module->next;
  if (!module) {
    RF_TRY(rf_module_make(context, library->image, library, &module));
    module->next = library->modules;
    library->modules = module;
  }
  *found = module;
  return CUDA_SUCCESS;
}

static CUresult find_callable(uint64_t handle, struct context *context, struct callable *callable) {
  struct function *const function = rf_object_find(RF_KIND_FUNCTION, handle);
  if (function) {
    if (function->module->context != context) return CUDA_ERROR_INVALID_HANDLE;
    callable->module = function->module;
    callable->ptx = function->ptx;
    callable->settings = function->settings;
    if (function->kernel) callable->settings = rf_settings_over(&function->settings, &function->kernel->settings[context->device]);
    return CUDA_SUCCESS;
  }
  struct kernel *const kernel = rf_object_find(RF_KIND_KERNEL, handle);
  if (!kernel) return CUDA_ERROR_INVALID_HANDLE;
  RF_TRY(rf_library_module(kernel->library, context, &callable->module));
  callable->ptx = kernel->ptx;
  callable->settings = kernel->settings[context->device];
  return CUDA_SUCCESS;
}

CUresult rf_callable_find(CUfunction handle, struct context *context, struct callable *callable) {
  rf_modules_lock();
  const CUresult result = find_callable((uint64_t)(uintptr_t)handle, context, callable);
  if (!result) callable->module->references++;
  rf_modules_unlock();
  return result;
}

static struct module *module_of(CUmodule handle) { return rf_object_find(RF_KIND_MODULE, (uint64_t)(uintptr_t)handle); }

/* ---- loading ------------------------------------------------------------------------------------------------------ */

static CUresult load(struct context *context, CUmodule *handle, const void *data, size_t size, const char *name, unsigned count,
                     CUjit_option *options, void **values) {
  struct image *image = NULL;
  struct module *module = NULL;
  rf_print_flush(context);
  RF_TRY(rf_image_load(data, size, name, count, options, values, &image));
  rf_modules_lock();
  const CUresult result = rf_module_make(context, image, NULL, &module);
  if (!result) *handle = (CUmodule)(uintptr_t)atomic_load(&module->object.handle);
  rf_modules_unlock();
  rf_image_release(image);
  return result;
}

CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned int numOptions, CUjit_option *options, void **optionValues) {
  RF_ENTER_CONTEXT(context);
  if (!module || !image) return CUDA_ERROR_INVALID_VALUE;
  return load(context, module, image, 0, NULL, numOptions, options, optionValues);
}

CUresult cuModuleLoadData(CUmodule *module, const void *image) {
  RF_ENTER_CONTEXT(context);
  if (!module || !image) return CUDA_ERROR_INVALID_VALUE;
  return load(context, module, image, 0, NULL, 0, NULL, NULL);
}

CUresult cuModuleLoadFatBinary(CUmodule *module, const void *fatCubin) {
  RF_ENTER_CONTEXT(context);
  if (!module || !fatCubin) return CUDA_ERROR_INVALID_VALUE;
  return load(context, module, fatCubin, 0, NULL, 0, NULL, NULL);
}

CUresult cuModuleLoad(CUmodule *module, const char *fname) {
  RF_ENTER_CONTEXT(context);
  if (!module || !fname || !*fname) return CUDA_ERROR_INVALID_VALUE;
  char *data = NULL;
  size_t size = 0;
  RF_TRY(rf_file_read(fname, &data, &size));
  /* The file's NUL behind its end counts: an empty file is an empty text. */
  const CUresult result = load(context, module, data, size + 1, fname, 0, NULL, NULL);
  free(data);
  return result;
}

/* The module names its context: none need be current, as when a program has popped all of its own and cleans up (numba). */
CUresult cuModuleUnload(CUmodule hmod) {
  RF_ENTER();
  struct context *context = NULL;
  const CUresult current = rf_current_context(&context);
  if (current && current != CUDA_ERROR_INVALID_CONTEXT && current != CUDA_ERROR_CONTEXT_IS_DESTROYED) return current;
  rf_modules_lock();
  struct module *const module = module_of(hmod);
  /* A library's module ends with the library. */
  const CUresult result = !module            ? CUDA_ERROR_INVALID_HANDLE
                          : module->library ? CUDA_ERROR_NOT_PERMITTED
                          : rf_object_withdraw(&module->object, (uint64_t)(uintptr_t)hmod) ? CUDA_SUCCESS
                                                                                           : CUDA_ERROR_INVALID_HANDLE;
  if (!result) rf_module_unload(module);
  rf_modules_unlock();
  if (context) rf_print_flush(context);
  return result;
}

/* Everything is decoded when it is loaded: that is when what the engine lacks is found, but for a library's fat binary that has nothing for this GPU. */
CUresult cuModuleGetLoadingMode(CUmoduleLoadingMode *mode) {
  RF_ENTER();
  if (!mode) return CUDA_ERROR_INVALID_VALUE;
  *mode = rf_settings.eager_modules ? CU_MODULE_EAGER_LOADING : CU_MODULE_LAZY_LOADING;
  return CUDA_SUCCESS;
}

/* ---- asking ------------------------------------------------------------------------------------------------------- */

CUresult cuModuleGetFunction(CUfunction *hfunc, CUmodule hmod, const char *name) {
  RF_ENTER_CONTEXT(context);
  (void)context;
  if (!hfunc || !name || !*name) return CUDA_ERROR_INVALID_VALUE;
  rf_modules_lock();
  struct module *const module = module_of(hmod);
  const struct ptx_kernel *const ptx = module ? ptx_kernel_find(module->image->ptx, name) : NULL;
  const CUresult result = !module ? CUDA_ERROR_INVALID_HANDLE : !ptx ? CUDA_ERROR_NOT_FOUND : rf_function_of(module, ptx, NULL, hfunc);
  rf_modules_unlock();
  return result;
}

CUresult cuModuleGetFunctionCount(unsigned int *count, CUmodule mod) {
  RF_ENTER_CONTEXT(context);
  (void)context;
  if (!count) return CUDA_ERROR_INVALID_VALUE;
  rf_modules_lock();
  struct module *const module = module_of(mod);
  if (module) *count = (unsigned)ptx_kernel_count(module->image->ptx);
  rf_modules_unlock();
  return module ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuModuleEnumerateFunctions(CUfunction *functions, unsigned int numFunctions, CUmodule mod) {
  RF_ENTER_CONTEXT(context);
  (void)context;
  if (!functions && numFunctions) return CUDA_ERROR_INVALID_VALUE;
  rf_modules_lock();
  struct module *const module = module_of(mod);
  CUresult result = module ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
  for (size_t i = 0; !result && i < numFunctions && i < ptx_kernel_count(module->image->ptx); i++)
    result = rf_function_of(module, ptx_kernel_at(module->image->ptx, i), NULL, &functions[i]);
  rf_modules_unlock();
  return result;
}

bool rf_global_find(const struct ptx_module *ptx, const char *name, bool managed, size_t *index, uint64_t *size) {
  bool found = false;
  for (size_t i = 0; i < ptx_global_count(ptx); i++) {
    struct ptx_global_info info;
    ptx_global_at(ptx, i, &info);
    if ((managed && !info.managed) || (found && !info.visible) || !info.name || strcmp(info.name, name)) continue;
    *index = i;
    *size = info.size;
    if (info.visible) return true;
    found = true;
  }
  return found;
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr *dptr, size_t *bytes, CUmodule hmod, const char *name) {
  RF_ENTER_CONTEXT(context);
  (void)context;
  if (!name || !*name || (!dptr && !bytes)) return CUDA_ERROR_INVALID_VALUE;
  rf_modules_lock();
  struct module *const module = module_of(hmod);
  CUresult result = module ? CUDA_ERROR_NOT_FOUND : CUDA_ERROR_INVALID_HANDLE;
  size_t index = 0;
  uint64_t size = 0;
  if (module && rf_global_find(module->image->ptx, name, false, &index, &size)) {
    if (dptr) *dptr = module->globals[index].address;
    if (bytes) *bytes = size;
    result = CUDA_SUCCESS;
  }
  rf_modules_unlock();
  return result;
}
