/* alone.c - the library with no broker. `alone`: what must be answered; `alone refused`: a function that is not served, twice. */
#include <string.h>

#include "check.h"

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "refused")) {
        CUexternalMemory memory = NULL;
        for (int i = 0; i < 3; i++) CU_FAILS(CUDA_ERROR_NOT_SUPPORTED, cuDestroyExternalMemory(memory));
        return 0;
    }
    int version = 0, count = 0;
    const char *text = NULL;
    CUcontext context;
    CUmoduleLoadingMode mode = 0;
    const void *table = "";
    CUuuid unknown = {{0x55}};
    CU_FAILS(CUDA_ERROR_NOT_INITIALIZED, cuDeviceGetCount(&count));
    CU(cuDriverGetVersion(&version));
    TRUE_OR_DIE(version == 13000);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuDriverGetVersion(NULL));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGetExportTable(&table, &unknown));
    TRUE_OR_DIE(!table);
    CU(cuModuleGetLoadingMode(&mode));
    TRUE_OR_DIE(mode == CU_MODULE_LAZY_LOADING);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuInit(1));
    for (int i = 0; i < 3; i++) CU_FAILS(CUDA_ERROR_NO_DEVICE, cuInit(0)); /* asked again, said once */
    CU_FAILS(CUDA_ERROR_NOT_INITIALIZED, cuDeviceGetCount(&count));
    CU_FAILS(CUDA_ERROR_NOT_INITIALIZED, cuCtxGetCurrent(&context));
    CU_FAILS(CUDA_ERROR_NOT_INITIALIZED, cuMemFree_v2(0));
    CU(cuGetErrorName(CUDA_ERROR_NO_DEVICE, &text));
    TRUE_OR_DIE(!strcmp(text, "CUDA_ERROR_NO_DEVICE"));
    CU(cuGetErrorString(CUDA_ERROR_OUT_OF_MEMORY, &text));
    TRUE_OR_DIE(!strcmp(text, "out of memory"));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGetErrorName((CUresult)123456, &text));
    TRUE_OR_DIE(!text);
    return 0;
}
