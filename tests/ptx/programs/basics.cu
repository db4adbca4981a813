// Ordinary CUDA C++ as applications write it; checked against a CPU reference in programs.c.
#include <cstdio>
#include <cassert>

extern "C" __global__ void vector_add(const float *a, const float *b, float *c, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) c[i] = a[i] + b[i];
}

template <int TILE> __device__ void matmul_tile(const float *a, const float *b, float *c, int n) {
    __shared__ float as[TILE][TILE], bs[TILE][TILE];
    int row = blockIdx.y * TILE + threadIdx.y, col = blockIdx.x * TILE + threadIdx.x;
    float sum = 0;
    for (int t = 0; t < n / TILE; t++) {
        as[threadIdx.y][threadIdx.x] = a[row * n + t * TILE + threadIdx.x];
        bs[threadIdx.y][threadIdx.x] = b[(t * TILE + threadIdx.y) * n + col];
        __syncthreads();
        for (int k = 0; k < TILE; k++) sum += as[threadIdx.y][k] * bs[k][threadIdx.x];
        __syncthreads();
    }
    c[row * n + col] = sum;
}
extern "C" __global__ void matmul(const float *a, const float *b, float *c, int n) { matmul_tile<16>(a, b, c, n); }

extern "C" __global__ void reduce(const int *in, int *out, int n) {
    __shared__ int partial[32];
    int sum = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) sum += in[i];
    for (int d = 16; d; d /= 2) sum += __shfl_down_sync(~0u, sum, d);
    if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x < 32) {
        sum = threadIdx.x < blockDim.x / 32 ? partial[threadIdx.x] : 0;
        for (int d = 16; d; d /= 2) sum += __shfl_xor_sync(~0u, sum, d);
        if (threadIdx.x == 0) atomicAdd(out, sum);
    }
}

extern "C" __global__ void histogram(const unsigned char *in, unsigned *out, int n) {
    __shared__ unsigned bins[256];
    bins[threadIdx.x] = 0;
    __syncthreads();
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) atomicAdd(&bins[in[i]], 1u);
    __syncthreads();
    atomicAdd(&out[threadIdx.x], bins[threadIdx.x]);
}

extern "C" __global__ void scan(const int *in, int *out, int n) { // one block, Hillis and Steele in dynamic shared memory
    extern __shared__ int temp[];
    int t = threadIdx.x, from = 0;
    temp[t] = t < n ? in[t] : 0;
    __syncthreads();
    for (int d = 1; d < blockDim.x; d *= 2) {
        int to = 1 - from;
        temp[to * blockDim.x + t] = temp[from * blockDim.x + t] + (t >= d ? temp[from * blockDim.x + t - d] : 0);
        from = to;
        __syncthreads();
    }
    if (t < n) out[t] = temp[from * blockDim.x + t];
}

extern "C" __global__ void transpose(const double *in, double *out, int width, int height) {
    __shared__ double tile[32][33];
    int x = blockIdx.x * 32 + threadIdx.x, y = blockIdx.y * 32 + threadIdx.y;
    for (int j = 0; j < 32; j += 8)
        if (x < width && y + j < height) tile[threadIdx.y + j][threadIdx.x] = in[(y + j) * width + x];
    __syncthreads();
    x = blockIdx.y * 32 + threadIdx.x;
    y = blockIdx.x * 32 + threadIdx.y;
    for (int j = 0; j < 32; j += 8)
        if (x < height && y + j < width) out[(y + j) * height + x] = tile[threadIdx.x][threadIdx.y + j];
}

extern "C" __global__ void nbody(const float4 *p, float4 *a, int n) {
    __shared__ float4 tile[128];
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    float4 me = p[i];
    float ax = 0, ay = 0, az = 0;
    for (int t = 0; t < n / 128; t++) {
        tile[threadIdx.x] = p[t * 128 + threadIdx.x];
        __syncthreads();
#pragma unroll 4
        for (int k = 0; k < 128; k++) {
            float dx = tile[k].x - me.x, dy = tile[k].y - me.y, dz = tile[k].z - me.z;
            float d2 = dx * dx + dy * dy + dz * dz + 0.01f;
            float inv = rsqrtf(d2), inv3 = inv * inv * inv * tile[k].w;
            ax += dx * inv3;
            ay += dy * inv3;
            az += dz * inv3;
        }
        __syncthreads();
    }
    a[i] = make_float4(ax, ay, az, 0);
}

struct Mixed {
    char c;
    double d;
    short s[3];
    long long *out;
};
extern "C" __global__ void struct_param(char first, Mixed m, short s, unsigned char last) {
    if (threadIdx.x == 0) {
        m.out[0] = first;
        m.out[1] = m.c;
        m.out[2] = (long long)(m.d * 8);
        m.out[3] = m.s[0] + 10 * m.s[1] + 100 * m.s[2];
        m.out[4] = s;
        m.out[5] = last;
    }
}
extern "C" __global__ void indexed_param(Mixed m) { // the parameter is indexed at run time
    m.out[threadIdx.x] = m.s[threadIdx.x % 3] + threadIdx.x;
}

typedef int (*binary)(int, int);
__device__ __noinline__ int op_add(int a, int b) { return a + b; }
__device__ __noinline__ int op_sub(int a, int b) { return a - b; }
__device__ __noinline__ int op_mul(int a, int b) { return a * b; }
__device__ binary table[3] = {op_add, op_sub, op_mul};
extern "C" __global__ void pointers(int *out) { out[threadIdx.x] = table[threadIdx.x % 3](threadIdx.x, 7); }

__device__ __noinline__ long long fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
extern "C" __global__ void recursion(long long *out) { out[threadIdx.x] = fibonacci(threadIdx.x % 14); }

extern "C" __global__ void local_array(const int *in, int *out, int n) {
    int stack[64];
    for (int i = 0; i < 64; i++) stack[i] = in[(threadIdx.x + i) % n];
    for (int i = 1; i < 64; i++) { // insertion sort: dynamic indices
        int v = stack[i], j = i - 1;
        while (j >= 0 && stack[j] > v) {
            stack[j + 1] = stack[j];
            j--;
        }
        stack[j + 1] = v;
    }
    for (int i = 0; i < 64; i++) out[threadIdx.x * 64 + i] = stack[i];
}

extern "C" __global__ void say(int n, const char *name) {
    if (threadIdx.x < n) printf("%s %d: %5.2f|%-6d|%06x|%c|%lld|%%|%s\n", name, threadIdx.x, threadIdx.x * 1.5, threadIdx.x, 0xabc, 'a' + threadIdx.x, -5000000000LL, "end");
}

__constant__ float coefficients[16];
__constant__ int offsets[4] = {1, 20, 300, 4000};
__device__ int counter = 42;
__device__ const char *names[2] = {"zero", "one"};
extern "C" __global__ void constants(float *out, int *ints, char *text) {
    int i = threadIdx.x;
    out[i] = coefficients[i % 16] * 2;
    ints[i] = offsets[i % 4] + counter;
    if (i < 2) text[i] = names[i][0];
}

template <class F> __device__ void apply(int *out, F f) { out[threadIdx.x] = f(threadIdx.x); }
extern "C" __global__ void lambdas(int *out, int k) { apply(out, [=](int i) { return i * k + 1; }); }

extern "C" __global__ void switches(const int *in, int *out, int n) {
    int i = threadIdx.x, r = 0;
    if (i >= n) return;
    switch (in[i]) {
        case 0: r = i + 5; break;
        case 1: r = i * 3; break;
        case 2: for (int k = 0; k < i; k++) r ^= k * 7; break;
        case 3: r = -i; // falls through
        case 4: r += 100; break;
        case 5: r = __popc(i); break;
        case 6: r = __clz(i); break;
        case 7: r = __brev(i); break;
        case 8: r = i % 3 ? 1 : 2; break;
        case 9: r = i / 5; break;
        default: r = 77;
    }
    out[i] = r;
}

extern "C" __global__ void divide(const long long *a, const long long *b, long long *out, unsigned long long *uout, int *iout) {
    int i = threadIdx.x;
    out[2 * i] = a[i] / b[i];
    out[2 * i + 1] = a[i] % b[i];
    uout[2 * i] = (unsigned long long)a[i] / (unsigned long long)b[i];
    uout[2 * i + 1] = (unsigned long long)a[i] % (unsigned long long)b[i];
    iout[2 * i] = (int)a[i] / ((int)b[i] ? (int)b[i] : 3);
    iout[2 * i + 1] = (short)a[i] % 7;
}

extern "C" __global__ void math_float(const float *x, float *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float v = x[i];
    float *o = out + i * 20;
    o[0] = sinf(v); o[1] = cosf(v); o[2] = tanf(v); o[3] = expf(v); o[4] = logf(fabsf(v)); o[5] = powf(fabsf(v), 1.7f);
    o[6] = erff(v); o[7] = sqrtf(fabsf(v)); o[8] = cbrtf(v); o[9] = atan2f(v, 2.0f); o[10] = sinhf(v * 0.1f); o[11] = tgammaf(fabsf(v) * 0.1f + 1);
    o[12] = fmodf(v, 3.0f); o[13] = floorf(v) + ceilf(v) + truncf(v) + rintf(v); o[14] = log2f(fabsf(v)); o[15] = exp2f(v * 0.1f);
    o[16] = hypotf(v, 1.0f); o[17] = asinf(v * 0.01f); o[18] = v / 3.1f; o[19] = ldexpf(v, 3);
}
extern "C" __global__ void math_double(const double *x, double *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double v = x[i];
    double *o = out + i * 12;
    o[0] = sin(v); o[1] = cos(v); o[2] = exp(v * 0.1); o[3] = log(fabs(v)); o[4] = pow(fabs(v), 1.7); o[5] = erf(v * 0.1);
    o[6] = sqrt(fabs(v)); o[7] = v / 3.7; o[8] = fma(v, v, 1.0); o[9] = atan(v); o[10] = fmod(v, 3.0); o[11] = floor(v);
}

extern "C" __global__ void atomics(int *i, unsigned *u, unsigned long long *ull, float *f, double *d) {
    int t = blockIdx.x * blockDim.x + threadIdx.x;
    atomicAdd(&i[0], t); atomicSub(&i[1], t); atomicMin(&i[2], -t); atomicMax(&i[3], t); atomicAnd(&i[4], ~(1 << (t % 31))); atomicOr(&i[5], 1 << (t % 32)); atomicXor(&i[6], t);
    atomicInc(&u[0], 99); atomicDec(&u[1], 99); atomicMin(&u[2], (unsigned)t + 5); atomicMax(&u[3], (unsigned)t);
    atomicAdd(&ull[0], (unsigned long long)t << 20); atomicMax(&ull[1], (unsigned long long)t); atomicExch(&ull[2], 7ull);
    atomicAdd(&f[0], 0.5f); atomicAdd(&d[0], 0.25);
    int old = i[7], assumed; // compare-and-swap loop
    do { assumed = old; old = atomicCAS(&i[7], assumed, assumed + 3); } while (old != assumed);
}

__device__ int lock_word;
extern "C" __global__ void spin_lock(int *total) { // every lane of a warp fights for one lock
    bool done = false;
    while (!done) {
        if (atomicCAS(&lock_word, 0, 1) == 0) {
            *(volatile int *)total = *(volatile int *)total + 1;
            __threadfence();
            atomicExch(&lock_word, 0);
            done = true;
        }
    }
}
extern "C" __global__ void producer(volatile int *flag, int *out) { // lane 0 waits for lane 1 of its own warp
    if (threadIdx.x == 0) {
        while (*flag == 0) {}
        out[0] = *flag;
    } else if (threadIdx.x == 1) {
        for (volatile int i = 0; i < 100; i++) {}
        *flag = 5;
    }
}

extern "C" __global__ void votes(const int *in, unsigned *out) {
    int t = threadIdx.x, v = in[t];
    unsigned b = __ballot_sync(~0u, v > 3);
    int any = __any_sync(~0u, v == 9), all = __all_sync(~0u, v < 100);
    unsigned m = __match_any_sync(~0u, v);
    int pred;
    unsigned ma = __match_all_sync(~0u, v / 1000, &pred);
    int up = __shfl_up_sync(~0u, v, 3), idx = __shfl_sync(~0u, v, t * 5, 8);
    unsigned act = 0;
    if (v & 1) act = __activemask();
    int red = __reduce_add_sync(~0u, v);
    unsigned *o = out + t * 10;
    o[0] = b; o[1] = any; o[2] = all; o[3] = m; o[4] = ma; o[5] = pred; o[6] = up; o[7] = idx; o[8] = act; o[9] = red;
}

extern "C" __global__ void barrier_reduce(const int *in, int *out) {
    int t = threadIdx.x;
    int c = __syncthreads_count(in[t] > 5), a = __syncthreads_and(in[t] >= 0), o = __syncthreads_or(in[t] > 1000);
    out[t] = c * 4 + (a != 0) * 2 + (o != 0);
}

extern "C" __global__ void shorts(const short *a, const unsigned char *b, short *out, signed char *cout, int n) {
    int i = threadIdx.x;
    if (i >= n) return;
    out[i] = (short)(a[i] * b[i] + (a[i] >> 2));
    cout[i] = (signed char)(a[i] - b[i]);
}

extern "C" __global__ void heap(int *out) {
    int *p = (int *)malloc(16 * sizeof(int));
    for (int i = 0; i < 16; i++) p[i] = i * threadIdx.x;
    int s = 0;
    for (int i = 0; i < 16; i++) s += p[i];
    free(p);
    out[threadIdx.x] = s;
}

extern "C" __global__ void failing_assert(int n) { assert(threadIdx.x < n); }
extern "C" __global__ void out_of_bounds(int *p, int i) { p[i] = 1; }
extern "C" __global__ void misaligned(char *p) { *(int *)(p + 1) = 1; }
extern "C" __global__ void forever(volatile int *p) { while (*p == 0) {} }
__device__ __noinline__ int deep(int n, int *p) { int big[64]; for (int i = 0; i < 64; i++) big[i] = p[i % 4] + n; return n ? deep(n - 1, big) + big[n % 64] : big[0]; }
extern "C" __global__ void overflow(int *p, int n) { p[0] = deep(n, p); }
extern "C" __global__ void traps() { if (threadIdx.x == 5) __trap(); }
extern "C" __global__ void half_barrier(int *p) { if (threadIdx.x < 32) { __syncthreads(); p[0] = 1; } else { while (atomicAdd(p, 0) == 0) {} } }
