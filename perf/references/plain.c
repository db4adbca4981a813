/* plain - the work of programs/engine.c in plain C on one core, counted in the same instructions. */
#include <math.h>

#include "../programs/measure.h"

enum { N = 256, BODIES = 1024, ELEMENTS = 1 << 21, TIMES = 3 };

static float a[N * N], b[N * N], c[N * N], bodies[BODIES * 4], moved[BODIES * 4];
static int in[ELEMENTS];
static volatile int sink;

static void matmul(void)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            float s = 0;
            for (int k = 0; k < N; k++) s += a[i * N + k] * b[k * N + j];
            c[i * N + j] = s;
        }
}

static void nbody(void)
{
    for (int i = 0; i < BODIES; i++) {
        float x = 0, y = 0, z = 0;
        for (int k = 0; k < BODIES; k++) {
            float dx = bodies[4 * k] - bodies[4 * i], dy = bodies[4 * k + 1] - bodies[4 * i + 1], dz = bodies[4 * k + 2] - bodies[4 * i + 2];
            float inverse = 1 / sqrtf(dx * dx + dy * dy + dz * dz + 0.01f);
            inverse = inverse * inverse * inverse * bodies[4 * k + 3];
            x += dx * inverse;
            y += dy * inverse;
            z += dz * inverse;
        }
        moved[4 * i] = x + y + z;
    }
}

static void reduce(void)
{
    int sum = 0;
    for (int i = 0; i < ELEMENTS; i++) sum += in[i];
    sink = sum;
}

static void histogram(void)
{
    static unsigned bins[256];
    for (int i = 0; i < ELEMENTS; i++) bins[((unsigned char *)in)[i]]++;
    sink = (int)bins[7];
}

static void measure(const char *name, double instructions, void (*work)(void))
{
    uint64_t samples[TIMES];
    for (int i = -1; i < TIMES; i++) {
        uint64_t begin = now_ns();
        work();
        if (i >= 0) samples[i] = now_ns() - begin;
    }
    qsort(samples, TIMES, sizeof *samples, compare_u64);
    report(name, instructions / ((double)samples[TIMES / 2] / 1e9), "/s");
}

int main(void)
{
    for (int i = 0; i < N * N; i++) a[i] = b[i] = (float)i / N;
    for (int i = 0; i < BODIES * 4; i++) bodies[i] = (float)(i * 7919 % 1000) / 1000;
    for (int i = 0; i < ELEMENTS; i++) in[i] = (int)((unsigned)i * 7919u);
    measure("matmul", 3.0 * N * N * N, matmul);
    measure("nbody", 17.0 * BODIES * BODIES, nbody);
    measure("reduce", 7.0 * ELEMENTS, reduce);
    measure("histogram", 9.0 * ELEMENTS, histogram);
    sink = (int)(c[5] + moved[5]);
    return 0;
}
