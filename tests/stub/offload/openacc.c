/* An OpenACC program whose compute regions are compiled by GCC's nvptx back end: gangs, workers and vectors, reductions
 * at each level, device routines, private arrays, asynchronous queues. Each result is compared with the host's. */
#include <math.h>
#include <openacc.h>
#include <stdio.h>

static int failures;
#define CHECK(condition) ((condition) ? 0 : (failures++, printf("line %d: " #condition "\n", __LINE__)))

#pragma acc routine seq
static int collatz(unsigned n) {
    int steps = 0;
    for (; n != 1; steps++) n = n & 1 ? 3 * n + 1 : n / 2;
    return steps;
}

#pragma acc routine seq
static int ackermann(int m, int n) { return m == 0 ? n + 1 : n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1)); }

#pragma acc routine vector
static void row_scale(float *row, int n, float by) {
#pragma acc loop vector
    for (int i = 0; i < n; i++) row[i] *= by;
}

enum { N = 128 };
static float a[N][N], b[N][N], c[N][N];

int main(void) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) a[i][j] = (float)(i % 7) + 0.5f, b[i][j] = (float)(j % 5) - 1;
    /* gangs and vectors, a reduction in the innermost loop */
#pragma acc parallel loop gang copyin(a, b) copyout(c)
    for (int i = 0; i < N; i++)
#pragma acc loop worker
        for (int j = 0; j < N; j++) {
            float sum = 0;
#pragma acc loop vector reduction(+ : sum)
            for (int k = 0; k < N; k++) sum += a[i][k] * b[k][j];
            c[i][j] = sum;
        }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            float sum = 0;
            for (int k = 0; k < N; k++) sum += a[i][k] * b[k][j];
            CHECK(fabsf(c[i][j] - sum) < 1e-3f * fmaxf(1, fabsf(sum)));
        }
    /* reductions over the whole grid */
    int total = 0, longest = 0, expected = 0, most = 0;
#pragma acc parallel loop gang worker vector reduction(+ : total) reduction(max : longest)
    for (int i = 1; i < 3000; i++) {
        int steps = collatz((unsigned)i);
        total += steps;
        longest = steps > longest ? steps : longest;
    }
    for (int i = 1; i < 3000; i++) {
        int steps = collatz((unsigned)i);
        expected += steps;
        most = steps > most ? steps : most;
    }
    CHECK(total == expected && longest == most);
    double product = 1;
#pragma acc parallel loop num_gangs(4) vector_length(32) reduction(* : product)
    for (int i = 1; i <= 18; i++) product *= i;
    CHECK(product == 6402373705728000.0);
    /* recursion, private arrays */
    int values[64];
#pragma acc parallel loop copyout(values)
    for (int i = 0; i < 64; i++) {
        int scratch[8];
        for (int k = 0; k < 8; k++) scratch[k] = i * k;
        values[i] = ackermann(2, i % 5);
        for (int k = 0; k < 8; k++) values[i] += scratch[k];
    }
    for (int i = 0; i < 64; i++) CHECK(values[i] == 2 * (i % 5) + 3 + 28 * i);
    /* a routine of vectors, data that stays, queues */
#pragma acc data copy(a)
    {
#pragma acc parallel loop gang async(1)
        for (int i = 0; i < N; i++) row_scale(a[i], N, 2);
#pragma acc parallel loop gang worker vector collapse(2) async(1)
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) a[i][j] += 1;
#pragma acc wait(1)
    }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) CHECK(a[i][j] == 2 * ((float)(i % 7) + 0.5f) + 1);
    /* kernels, atomics */
    unsigned bins[10] = {0};
#pragma acc parallel loop copy(bins)
    for (int i = 0; i < 5000; i++) {
#pragma acc atomic
        bins[i % 10]++;
    }
    for (int i = 0; i < 10; i++) CHECK(bins[i] == 500);
    int on_device = 0;
#pragma acc parallel copyout(on_device)
    on_device = acc_on_device(acc_device_not_host);
    CHECK(on_device);
    printf("%d devices, %d failures\n", acc_get_num_devices(acc_device_nvidia), failures);
    return failures != 0;
}
