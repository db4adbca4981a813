/* busy.c - keeps the GPU at work, copy upon copy, until the end of its standard input; says "busy" once it does. */
#include <poll.h>
#include <unistd.h>

#include "check.h"

int main(void)
{
    enum { BYTES = 32 << 20 };
    CU(cuInit(0));
    CUcontext context;
    CU(cuCtxCreate_v2(&context, 0, 0));
    CUdeviceptr from, to;
    CU(cuMemAlloc_v2(&from, BYTES));
    CU(cuMemAlloc_v2(&to, BYTES));
    struct pollfd end = {.fd = STDIN_FILENO, .events = POLLIN};
    for (int i = 0; poll(&end, 1, 0) == 0; i++) {
        for (int copy = 0; copy < 16; copy++) CU(cuMemcpyDtoDAsync_v2(to, from, BYTES, NULL));
        if (i == 0) {
            printf("busy\n");
            fflush(stdout);
        }
        CU(cuCtxSynchronize());
    }
    return 0;
}
