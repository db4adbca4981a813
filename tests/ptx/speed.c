/* How fast the engine runs: tiled matrix multiply, reduction, histogram, n-body on one worker, in instructions of threads
 * a second, counted by hand from the PTX of the inner loops, beside the same algorithm in plain C. argv: folder, kernels. */
#include <math.h>
#include <time.h>

#include "device.h"

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static volatile float sink;

int main(int argc, char **argv) {
    if (argc < 2) die("usage: speed FOLDER");
    char path[512];
    size_t length;
    snprintf(path, sizeof path, "%s/basics.ptx", argv[1]);
    char *text = read_file(path, &length);
    double t = seconds();
    struct program p = program_load(text);
    printf("load: %.1f ms for %zu kB\n", (seconds() - t) * 1000, length / 1000);
    device_workers = argc > 2 ? (unsigned)atoi(argv[2]) : 1;

    int n = 256;
    uint64_t a = device_alloc((uint64_t)n * n * 4), b = device_alloc((uint64_t)n * n * 4), c = device_alloc((uint64_t)n * n * 4);
    float *x = host_of(a), *y = host_of(b), *z = host_of(c);
    for (int i = 0; i < n * n; i++) x[i] = (float)i / n, y[i] = (float)(i % 17);
    t = seconds();
    LAUNCH(&p, "matmul", D3((uint32_t)n / 16, (uint32_t)n / 16, 1), D3(16, 16, 1), 0, &a, &b, &c, &n);
    double took = seconds() - t;
    /* unrolled by 16: two shared loads and a fused multiply-add a step */
    printf("matmul %d: %.3f s, %.0f M instructions/s (3 a step), ", n, took, 3.0 * n * n * n / took / 1e6);
    t = seconds();
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            float s = 0;
            for (int k = 0; k < n; k++) s += x[i * n + k] * y[k * n + j];
            z[i * n + j] = s;
        }
    sink = z[5];
    printf("plain C %.3f s\n", seconds() - t);

    n = 1024;
    uint64_t q = device_alloc((uint64_t)n * 16), r = device_alloc((uint64_t)n * 16);
    float *pos = host_of(q);
    for (int i = 0; i < 4 * n; i++) pos[i] = (float)(i * 7919 % 1000) / 1000;
    t = seconds();
    LAUNCH(&p, "nbody", D3((uint32_t)n / 128, 1, 1), D3(128, 1, 1), 0, &q, &r, &n);
    took = seconds() - t;
    printf("n-body %d: %.3f s, %.0f M instructions/s (17 a pair), ", n, took, 17.0 * n * n / took / 1e6);
    t = seconds();
    for (int i = 0; i < n; i++) {
        float ax = 0, ay = 0, az = 0;
        for (int k = 0; k < n; k++) {
            float dx = pos[4 * k] - pos[4 * i], dy = pos[4 * k + 1] - pos[4 * i + 1], dz = pos[4 * k + 2] - pos[4 * i + 2], inv = 1 / sqrtf(dx * dx + dy * dy + dz * dz + 0.01f);
            inv = inv * inv * inv * pos[4 * k + 3];
            ax += dx * inv;
            ay += dy * inv;
            az += dz * inv;
        }
        sink = ax + ay + az;
    }
    printf("plain C %.3f s\n", seconds() - t);

    n = 1 << 22;
    uint64_t in = device_alloc((uint64_t)n * 4), out = device_alloc(4096);
    t = seconds();
    LAUNCH(&p, "reduce", D3(64, 1, 1), D3(256, 1, 1), 0, &in, &out, &n);
    took = seconds() - t;
    printf("reduce %d: %.3f s, %.0f M elements/s\n", n, took, n / took / 1e6);
    t = seconds();
    LAUNCH(&p, "histogram", D3(64, 1, 1), D3(256, 1, 1), 0, &in, &out, &n);
    took = seconds() - t;
    printf("histogram %d: %.3f s, %.0f M elements/s\n", n, took, n / took / 1e6);
    program_free(&p);
    return 0;
}
