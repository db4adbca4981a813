/*
 * Modules, functions, libraries and kernels.
 *
 *   module    an image loaded in a context: its globals have memory there
 *   function  a kernel of a module
 *   library   an image loaded in no context: it becomes a module in each context that uses it, when that first does
 *   kernel    a kernel of a library; it may be launched like a function and then means that of the stream's context
 *
 * One lock guards all of it. Queued launches hold their module, so that unloading it does not pull memory from under them.
 */
#ifndef RF_STUB_MODULE_H
#define RF_STUB_MODULE_H

#include "api.h"
#include "handle.h"
#include "image.h"
#include "settings.h"

/* What cuFuncSetAttribute and cuKernelSetAttribute set; UNSET_ATTRIBUTE: never set. */
#define UNSET_ATTRIBUTE INT32_MIN
struct texref;

struct function_settings {
  int max_dynamic_shared, carveout, non_portable_cluster, cluster_policy;
};

struct module_global {
  CUdeviceptr address;
  uint64_t id;   /* the allocation's; 0: not ours to free */
};

struct module {
  struct rf_object object;
  unsigned references; /* 1 while it is loaded, and 1 for each launch that is not over */
  _Atomic bool launched; /* ever, where loading is lazy */
  struct context *context;
  struct image *image;
  struct ptx_instance *instance;
  struct module_global *globals; /* by index of the engine */
  size_t global_count;
  struct texref **texrefs;       /* by index of the engine's images; NULL for samplers, and where there are none */
  struct function *functions;    /* those that were asked for */
  struct function **function_at; /* and each by its number in the code; NULL: none was asked for yet */
  struct library *library;       /* whose module it is in its context, or NULL */
  struct module *next;           /* of the library */
};

struct function {
  struct rf_object object;
  struct function *next;
  struct module *module;
  struct kernel *kernel; /* of the library, or NULL */
  const struct ptx_kernel *ptx;
  struct function_settings settings;
  struct legacy *legacy; /* what cuFuncSetBlockShape and its time's calls have set, or NULL: legacy.c */
};

struct kernel {
  struct rf_object object;
  struct kernel *next;
  struct library *library;
  const struct ptx_kernel *ptx;
  struct function_settings settings[RF_MAX_DEVICES];
  struct legacy *legacy;
};

struct library {
  struct rf_object object;
  struct image *image;       /* NULL: a fat binary with nothing for this GPU, as whoever wants something of it is told */
  struct module *modules; /* one a context */
  struct kernel *kernels;
  struct kernel **kernel_at; /* as a module's functions */
  struct module_global *managed; /* by index: managed variables are one for all contexts; others are zeros */
};

/* What a launch or a question needs to know of a function or kernel. The module is held: rf_module_release it. */
struct callable {
  struct module *module;
  const struct ptx_kernel *ptx;
  struct function_settings settings;
};

/* Resolves a function, or a kernel that is passed as one, in a context. INVALID_HANDLE (also: a function of another
 * context), or what loading the library's module answers. */
CUresult rf_callable_find(CUfunction handle, struct context *context, struct callable *callable);
void rf_module_release(struct module *module);
void rf_module_hold(struct module *module);

/* Ends all modules of a context, whose work is over. */
void rf_modules_free_context(struct context *context);

/* ---- for library.c; the lock is held ---- */
void rf_modules_lock(void);
void rf_modules_unlock(void);
CUresult rf_module_make(struct context *context, struct image *image, struct library *library, struct module **module);
CUresult rf_library_module(struct library *library, struct context *context, struct module **module);
CUresult rf_function_of(struct module *module, const struct ptx_kernel *ptx, struct kernel *kernel, CUfunction *function);
/* Takes the handles away; the memory goes when the last launch is over. */
void rf_module_unload(struct module *module);
/* The index of a variable by name. Those that other texts may see come first; but nvcc makes none of a program's visible, and
 * its runtime asks for them all the same. False: there is none. */
bool rf_global_find(const struct ptx_module *ptx, const char *name, bool managed, size_t *index, uint64_t *size);
/* Memory for a managed variable. */
CUresult rf_managed_make(int device, uint64_t epoch, uint64_t size, struct module_global *global);
void rf_managed_unmake(const struct module_global *global);

void rf_settings_unset(struct function_settings *settings);
/* What `over` sets, else what `under` does. */
struct function_settings rf_settings_over(const struct function_settings *over, const struct function_settings *under);
/* cuFuncGetAttribute and cuKernelGetAttribute; cuFuncSetAttribute and cuKernelSetAttribute. */
CUresult rf_attribute_get(const struct image *image, const struct ptx_kernel *ptx, const struct function_settings *settings, CUfunction_attribute attribute,
                          int *value);
CUresult rf_attribute_set(const struct ptx_kernel *ptx, struct function_settings *settings, CUfunction_attribute attribute, int value);
CUresult rf_param_info(const struct ptx_kernel *ptx, size_t index, size_t *offset, size_t *size);
const char *rf_kernel_name(const struct ptx_kernel *ptx);

#endif
