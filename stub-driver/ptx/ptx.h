/*
 * The software GPU's PTX engine: load PTX text, look at what it declares, run its kernels. A library of its own: it knows
 * no driver, no context and no stream; memory, printing and stopping are callbacks of the caller.
 *
 *   module    text parsed, linked and decoded. Immutable once loaded: share it between contexts and threads.
 *   instance  a module whose globals have addresses (one per context): what a kernel is launched in.
 *
 * What the engine does not implement is refused by ptx_module_load with a log that names line and instruction; what it
 * accepts it executes. docs/PTX.md lists the instructions.
 */
#ifndef RINGFENCE_PTX_H
#define RINGFENCE_PTX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image.h"

struct ptx_module;
struct ptx_instance;
struct ptx_kernel;

#define PTX_KNOWN 90 /* the PTX version, x 10, that the engine knows all of; later ones of the same 9 are taken for what is known of them */

enum ptx_status {
    PTX_OK = 0,
    PTX_INVALID,     /* the text is not valid PTX; the log says where and why */
    PTX_UNSUPPORTED, /* valid, but uses what this engine does not implement; the log names it */
    PTX_NEWER,       /* of a later version than PTX_KNOWN, and something in it is not known: it may be valid there */
    PTX_UNRESOLVED,  /* an .extern symbol that no text defines */
    PTX_NO_MEMORY,
};

struct ptx_text {
    const char *text; /* need not end in a NUL byte */
    size_t length;
    const char *name; /* for the log; NULL is "ptx" */
};

/* What the module's kernels look for while they run, at a price in time; see ptx_launch.report. */
enum ptx_check {
    PTX_CHECK_INIT = 1, /* reads of global, shared and local memory that nothing has written */
    PTX_CHECK_RACE = 2, /* accesses to shared memory with no barrier between them, of which one writes */
};

/* NULL takes the defaults, zeros. */
struct ptx_options {
    uint32_t checks; /* enum ptx_check bits */
    size_t memory;   /* bytes that loading may take at any time; more is PTX_NO_MEMORY. 0: no limit */
};

/* Loads one text. `log` (may be NULL) receives a NUL-terminated explanation, empty on success. *out is the caller's, to be
 * given to ptx_module_free. */
enum ptx_status ptx_module_load(const char *text, size_t length, const struct ptx_options *options, struct ptx_module **out, char *log,
                                size_t log_size);
/* Links several texts as cuLink* does: .extern is resolved by .visible, .weak or .common of another text. */
enum ptx_status ptx_module_link(const struct ptx_text *texts, size_t count, const struct ptx_options *options, struct ptx_module **out, char *log,
                                size_t log_size);
void ptx_module_free(struct ptx_module *module);
/* Bytes that a module takes, and each of its instances. */
size_t ptx_module_bytes(const struct ptx_module *module);
size_t ptx_instance_bytes(const struct ptx_module *module);

struct ptx_param_info {
    uint32_t offset, size, align; /* bytes, in the kernel's parameter buffer */
};

struct ptx_kernel_info {
    const char *name;
    uint32_t param_count, param_bytes;
    uint32_t shared_bytes;   /* static shared memory of the kernel and of all that it can call */
    uint32_t local_bytes;    /* per thread, without recursion */
    uint32_t registers;      /* 32-bit registers that hardware might use: an estimate from live values, no more than .maxnreg or the program's limit */
    uint32_t max_threads;    /* from .maxntid or .reqntid; 1024 when not given */
    uint32_t required[3];    /* .reqntid; zeros when not given */
    uint32_t min_blocks;     /* .minnctapersm; 0 when not given */
    uint32_t cluster[3];     /* .reqnctapercluster; zeros when not given */
};

/* CU_JIT_MAX_REGISTERS: what ptx_kernel_info says then. The interpreter's registers are memory and never too few. */
void ptx_module_limit_registers(struct ptx_module *module, uint32_t most);

size_t ptx_kernel_count(const struct ptx_module *module);
const struct ptx_kernel *ptx_kernel_at(const struct ptx_module *module, size_t index);
size_t ptx_kernel_index(const struct ptx_kernel *kernel); /* in its module */
const struct ptx_kernel *ptx_kernel_find(const struct ptx_module *module, const char *name); /* NULL: none */
void ptx_kernel_info(const struct ptx_kernel *kernel, struct ptx_kernel_info *info);
bool ptx_kernel_param(const struct ptx_kernel *kernel, size_t index, struct ptx_param_info *info); /* false: no such index */

struct ptx_global_info {
    const char *name;
    uint64_t size;
    uint32_t align;
    bool constant;    /* .const */
    bool visible;     /* .visible, .weak or .common: what cuModuleGetGlobal finds */
    bool managed;     /* .attribute(.managed) */
    bool initialised; /* ptx_instance_initial has something other than zeros */
};

size_t ptx_global_count(const struct ptx_module *module);
void ptx_global_at(const struct ptx_module *module, size_t index, struct ptx_global_info *info);

/* Variables of textures, samplers and surfaces (.texref, .samplerref, .surfref). */
enum ptx_image_kind { PTX_IMAGE_TEXTURE, PTX_IMAGE_SAMPLER, PTX_IMAGE_SURFACE };
struct ptx_image_info {
    const char *name;
    enum ptx_image_kind kind;
    struct ptx_sampler sampler; /* from the initial values that the text gives */
};
size_t ptx_image_count(const struct ptx_module *module);
void ptx_image_at(const struct ptx_module *module, size_t index, struct ptx_image_info *info);
/* The number that kernels see of variable `index`, and back; false: `handle` is none of them. */
uint64_t ptx_image_handle(size_t index);
bool ptx_image_index(uint64_t handle, size_t *index);

/* Gives every global an address: addresses[i] is where the caller keeps global i. The module must outlive the instance. */
enum ptx_status ptx_instance_create(const struct ptx_module *module, const uint64_t *addresses, struct ptx_instance **out);
/* Writes global `index`'s initial contents (its whole size; addresses of other globals and functions resolved) to `bytes`. */
void ptx_instance_initial(const struct ptx_instance *instance, size_t index, void *bytes);
void ptx_instance_free(struct ptx_instance *instance);

enum ptx_fault_kind {
    PTX_FAULT_NONE = 0,
    PTX_FAULT_ADDRESS,     /* outside every allocation, or to the wrong space */
    PTX_FAULT_IMAGE,       /* no such texture, surface or sampler, or outside of a surface */
    PTX_FAULT_MISALIGNED,
    PTX_FAULT_STACK,       /* local memory exhausted */
    PTX_FAULT_ASSERT,
    PTX_FAULT_TRAP,        /* trap, brkpt */
    PTX_FAULT_CALL,        /* a call of an address that is no function, or one whose parameters differ */
    PTX_FAULT_BRANCH,      /* brx.idx beyond its table */
    PTX_FAULT_DEADLOCK,    /* a barrier or warp synchronisation that can never complete */
    PTX_FAULT_STOPPED,     /* the stop flag was set */
    PTX_FAULT_MEMORY,      /* the engine itself ran out of memory */
    PTX_FAULT_LAUNCH,      /* dimensions or sizes that this kernel cannot be launched with */
};

struct ptx_fault {
    enum ptx_fault_kind kind;
    uint32_t block[3], thread[3];
    uint32_t line;        /* of the PTX text; 0 unknown */
    uint32_t source_line; /* from .loc; 0 unknown */
    uint64_t address;     /* ADDRESS, MISALIGNED; IMAGE: the number that names nothing, or x */
    char kernel[128];
    char function[128];
    char source_file[256];
    char message[1024]; /* one sentence with all of it */
};

/* The device's memory. `span` returns the host address of the byte at *start, where [*start, *end) is the range of device
 * addresses around `address` that is mapped contiguously and may be accessed (an allocation); NULL when there is none.
 * It is called from several threads; what it returned must stay valid until the launch returns. */
struct ptx_memory {
    void *(*span)(void *context, uint64_t address, uint64_t *start, uint64_t *end);
    uint64_t (*allocate)(void *context, uint64_t size); /* device malloc(); 0: none left. NULL: malloc() returns 0 */
    bool (*release)(void *context, uint64_t address);   /* device free(); false: no such block */
    /* Textures and surfaces: copies the description of what `handle` names to *image; false: there is none. `handle` is a number
     * that the kernel has from somewhere, or ptx_image_handle of a variable. NULL: there are no textures. */
    bool (*texture)(void *context, uint64_t handle, struct ptx_image *image);
    bool (*surface)(void *context, uint64_t handle, struct ptx_image *image);
    /* As span, of arrays' memory (ptx_image.storage). */
    void *(*storage)(void *context, uint64_t address, uint64_t *start, uint64_t *end);
    /* For PTX_CHECK_INIT: whether all bytes were written, and that they are now. NULL: global memory is not looked at. */
    bool (*is_written)(void *context, uint64_t address, uint64_t size);
    void (*write)(void *context, uint64_t address, uint64_t size);
    void *context;
};

struct ptx_launch {
    uint32_t grid[3], block[3];
    uint32_t cluster[3];       /* zeros: none */
    const void *params;        /* ptx_kernel_info.param_bytes bytes */
    size_t param_bytes;        /* bytes at params: fewer than the kernel needs is refused */
    uint32_t dynamic_shared;   /* bytes */
    uint32_t stack_bytes;      /* per thread, on top of what the kernel needs without recursion; 0: 16 KiB */
    uint32_t workers;          /* threads to run blocks on; 0 is 1 */
    bool cooperative;          /* all blocks make progress together (grid-wide barriers) */
    uint64_t grid_id;
    const struct ptx_memory *memory;
    void (*print)(void *context, const char *text, size_t length); /* printf of the device; NULL discards */
    void (*complain)(void *context, const char *text, size_t length); /* what assert() prints; NULL discards */
    void (*report)(void *context, const char *text, size_t length);   /* what checks find: one sentence each; NULL discards */
    void *print_context;       /* of all three */
    void (*set_condition)(uint64_t handle, uint32_t value); /* cudaGraphSetConditional; NULL: without effect */
    const atomic_int *stop;    /* non-zero: stop within 100 ms; NULL: never */
};

/* Runs a grid to its end. Returns PTX_FAULT_NONE, or the first fault, described in *fault (may be NULL). */
enum ptx_fault_kind ptx_launch(const struct ptx_instance *instance, const struct ptx_kernel *kernel, const struct ptx_launch *launch,
                               struct ptx_fault *fault);

/* Generic addresses of the windows that are no device memory; the caller must allocate nothing here. */
#define PTX_WINDOW_SHARED UINT64_C(0x00fd000000000000)
#define PTX_WINDOW_LOCAL UINT64_C(0x00fe000000000000)
#define PTX_WINDOW_PARAM UINT64_C(0x00fc000000000000)
#define PTX_WINDOW_GRID UINT64_C(0x00fa000000000000)
#define PTX_WINDOW_IMAGE UINT64_C(0x00f9000000000000)
#define PTX_WINDOW_CODE UINT64_C(0x00fb000000000000)

/* The instruction table, for documentation and tests: every accepted spelling of row `row`, one call of `each` per spelling
 * ("add.rn.ftz.f32"), with the operands' notation. Returns false past the last row. */
bool ptx_table_row(size_t row, const char **pattern, const char **operands, const char **section, const char **note);
void ptx_table_expand(size_t row, void (*each)(void *context, const char *spelling), void *context);
/* Names refused with a reason of their own; false past the last. */
bool ptx_table_refused(size_t index, const char **name, const char **reason);

#endif
