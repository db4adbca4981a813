/* holder.c - holds a secret in device memory, prints where ("address stream event context", hexadecimal), and waits for the end of its
 * standard input. Exit 0 only if the secret is still untouched then. With an argument: so many bytes. For tests and the demo: what another
 * zone may try. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

int main(int argc, char **argv)
{
    static char secret[4096] = "the tenant's secret", after[4096];
    CU(cuInit(0));
    CUcontext context;
    CU(cuCtxCreate_v2(&context, 0, 0));
    CUdeviceptr memory;
    CUstream stream;
    CUevent event;
    CU(cuMemAlloc_v2(&memory, argc > 1 ? strtoull(argv[1], NULL, 0) : sizeof secret));
    CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CU(cuEventCreate(&event, CU_EVENT_DEFAULT));
    CU(cuMemcpyHtoD_v2(memory, secret, sizeof secret));
    printf("%" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 "\n", (uint64_t)memory, (uint64_t)(uintptr_t)stream,
           (uint64_t)(uintptr_t)event, (uint64_t)(uintptr_t)context);
    fflush(stdout);
    while (getchar() != EOF) {}
    CU(cuMemcpyDtoH_v2(after, memory, sizeof after));
    TRUE_OR_DIE(memcmp(secret, after, sizeof secret) == 0);
    return 0;
}
