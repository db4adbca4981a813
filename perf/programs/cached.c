/* cached - queries that the client can answer itself: program [BATCHES]. Nanoseconds of one call. */
#include "device.h"

enum { BATCH = 1000 };

int main(int argc, char **argv)
{
    size_t batches = number_argument(argc, argv, 1, 500);
    CUdevice device = open_device();
    uint64_t *attribute = samples_of(batches), *current = samples_of(batches);
    for (size_t i = 0; i < batches; i++) {
        int value;
        CUcontext context;
        uint64_t begin = now_ns();
        for (int j = 0; j < BATCH; j++) {
            CUresult result = cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, device);
            if (result != CUDA_SUCCESS) must(result, "cuDeviceGetAttribute");
        }
        uint64_t middle = now_ns();
        for (int j = 0; j < BATCH; j++) {
            CUresult result = cuCtxGetCurrent(&context);
            if (result != CUDA_SUCCESS) must(result, "cuCtxGetCurrent");
        }
        attribute[i] = middle - begin;
        current[i] = now_ns() - middle;
    }
    qsort(attribute, batches, sizeof *attribute, compare_u64);
    qsort(current, batches, sizeof *current, compare_u64);
    report("attribute", quantile(attribute, batches, 0.5) / BATCH, "ns");
    report("current", quantile(current, batches, 0.5) / BATCH, "ns");
    close_device(device);
    return 0;
}
