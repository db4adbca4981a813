// printf on the device: its formats, the lines' order within a thread, and where the text appears among the host's own.
#include "../suite.h"

#ifdef __CUDACC__
__global__ void formats(const char *text, double number)
{
    printf("%d %i %u %x %X %o %c %%\n", -42, 7, 42u, 0xbeef, 0xBEEF, 8, 'z');
    printf("%5d|%-5d|%05d|%+d\n", 42, 42, 42, 42);
    printf("%f %.3f %10.2f|%e %g\n", number, number, number, number, 1e-10);
    printf("%lld %llu %s\n", -(1ll << 40), 1ull << 63, "constant");
    printf("no arguments\n");
    printf("%s", "");
}
__global__ void threads()
{
    if (threadIdx.x == 0) printf("block %d of %d, %d threads\n", blockIdx.x, gridDim.x, blockDim.x);
}
#endif
KERNEL(formats, const char *, double)
KERNEL(threads)

int main()
{
    printf("begin\n");
    fflush(stdout);
    LAUNCH(formats, 1, 1)(nullptr, 3.14159265);
    DONE();
    printf("between\n");
    fflush(stdout);
    for (int i = 1; i <= 2; i++) {
        LAUNCH(threads, 1, 32 * i)();
        DONE();
    }
    printf("end\n");
    return 0;
}
