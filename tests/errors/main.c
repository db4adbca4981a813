/* main.c - errors [SECTION...]: runs the table's sections, all of them without an argument; exits 0 if every row was answered as documented. */
#include "rows.h"

static int rows, wrong;

static const char *name_of(CUresult error)
{
    const char *name = NULL;
    return cuGetErrorName(error, &name) == CUDA_SUCCESS && name ? name : "unknown";
}

void rows_check(const char *file, int line, const char *call, CUresult got, CUresult expected)
{
    rows++;
    if (got == expected) return;
    wrong++;
    printf("%s:%d: %s: %s (%d), expected %s\n", strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line, call, name_of(got), (int)got, name_of(expected));
}

void rows_hold(const char *file, int line, const char *condition, int holds)
{
    rows++;
    if (holds) return;
    wrong++;
    printf("%s:%d: not so: %s\n", strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line, condition);
}

CUcontext enter(void)
{
    CUcontext context = NULL;
    if (cuCtxCreate_v2(&context, 0, 0) != CUDA_SUCCESS) fprintf(stderr, "no context\n"), exit(2);
    return context;
}

void leave(CUcontext context)
{
    CUcontext current = NULL;
    OK(cuCtxGetCurrent(&current));
    HOLDS(current == context);
    OK(cuCtxDestroy_v2(context));
}

static unsigned *flag;
static CUdeviceptr flag_address;

void hold(CUstream stream)
{
    if (!flag && (cuMemHostAlloc((void **)&flag, 4096, CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_PORTABLE) != CUDA_SUCCESS ||
                  cuMemHostGetDevicePointer_v2(&flag_address, flag, 0) != CUDA_SUCCESS))
        fprintf(stderr, "no flag\n"), exit(2);
    *(volatile unsigned *)flag = 0;
    OK(cuStreamWaitValue32_v2(stream, flag_address, 1, CU_STREAM_WAIT_VALUE_EQ));
}

void release(void)
{
    *(volatile unsigned *)flag = 1;
    OK(cuCtxSynchronize());
    OK(cuMemFreeHost(flag));
    flag = NULL;
}

const char *const rows_ptx =
    ".version 7.0\n.target sm_75\n.address_size 64\n"
    ".visible .global .align 4 .b8 global[16];\n"
    ".visible .const .align 4 .b8 table[64];\n"
    ".visible .entry nothing()\n{\n ret;\n}\n"
    ".visible .entry one(.param .u64 p)\n{\n ret;\n}\n"
    ".visible .entry store(.param .u64 p, .param .u32 v)\n{\n .reg .b64 %rd<3>;\n .reg .b32 %r<2>;\n"
    " ld.param.u64 %rd1, [p];\n ld.param.u32 %r1, [v];\n cvta.to.global.u64 %rd2, %rd1;\n st.global.u32 [%rd2], %r1;\n ret;\n}\n"
    ".visible .entry bounded()\n.maxntid 128, 1, 1\n{\n ret;\n}\n";

static const struct {
    const char *name;
    void (*run)(void);
} sections[] = {
    {"uninitialised", rows_uninitialised}, /* first: it calls cuInit */
    {"driver", rows_driver}, {"device", rows_device}, {"context", rows_context}, {"primary", rows_primary}, {"stream", rows_stream},
    {"event", rows_event}, {"memory", rows_memory}, {"host", rows_host}, {"managed", rows_managed}, {"pointer", rows_pointer}, {"ipc", rows_ipc},
    {"copy", rows_copy}, {"set", rows_set}, {"array", rows_array}, {"texture", rows_texture}, {"pool", rows_pool}, {"virtual", rows_virtual},
    {"module", rows_module}, {"library", rows_library}, {"link", rows_link}, {"launch", rows_launch}, {"occupancy", rows_occupancy},
    {"graph", rows_graph}, {"graph_exec", rows_graph_exec}, {"capture", rows_capture}, {"memop", rows_memop}, {"callback", rows_callback},
};

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 1) cuInit(0);
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        int asked = argc == 1;
        for (int a = 1; a < argc; a++) asked |= strcmp(argv[a], sections[i].name) == 0;
        if (!asked) continue;
        if (getenv("ERRORS_VERBOSE")) printf("-- %s\n", sections[i].name);
        sections[i].run();
        /* Nothing of a section stays current: the next begins as the first did. */
        CUcontext left = NULL;
        while (cuCtxGetCurrent(&left) == CUDA_SUCCESS && left) {
            rows_hold(sections[i].name, 0, "the section left no context current", 0);
            cuCtxPopCurrent_v2(&left);
        }
    }
    printf("%d rows, %d wrong\n", rows, wrong);
    return wrong != 0;
}
