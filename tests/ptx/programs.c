/* Runs the kernels of programs/ and compares them with the same computation in plain C. argv: folder of the .ptx files,
 * number of workers, name of the first file ("basics" or "basics_debug"). */
#include <math.h>

#include "device.h"

static uint32_t seed = 12345;
static uint32_t rnd(void) {
    seed ^= seed << 13;
    seed ^= seed >> 17;
    return seed ^= seed << 5;
}
static float rndf(void) { return (float)(int32_t)rnd() / 2147483648.0f; }

#define CHECK(condition, ...) do { if (!(condition)) die("line %d: %s: " #condition, __LINE__, current); } while (0)
#define NEAR(a, b, tolerance) do { double a_ = (a), b_ = (b); if (!(fabs(a_ - b_) <= (tolerance) * fmax(1.0, fabs(b_))) && !(isnan(a_) && isnan(b_)) && a_ != b_) die("line %d: %s: %g is not %g", __LINE__, current, a_, b_); } while (0)
static const char *current = "";
#define TEST(name) current = #name; for (int once_ = (printf("%s\n", #name), 1); once_; once_ = 0)

static void basics(struct program *p, bool debug) {
    TEST(vector_add) {
        int n = 1000;
        uint64_t a = device_alloc(4000), b = device_alloc(4000), c = device_alloc(4000);
        float *x = host_of(a), *y = host_of(b), *z = host_of(c);
        for (int i = 0; i < n; i++) x[i] = rndf(), y[i] = rndf();
        LAUNCH(p, "vector_add", D3(8, 1, 1), D3(128, 1, 1), 0, &a, &b, &c, &n);
        for (int i = 0; i < n; i++) CHECK(z[i] == x[i] + y[i]);
    }
    TEST(matmul) {
        int n = 64;
        uint64_t a = device_alloc(n * n * 4), b = device_alloc(n * n * 4), c = device_alloc(n * n * 4);
        float *x = host_of(a), *y = host_of(b), *z = host_of(c);
        for (int i = 0; i < n * n; i++) x[i] = rndf(), y[i] = rndf();
        LAUNCH(p, "matmul", D3(4, 4, 1), D3(16, 16, 1), 0, &a, &b, &c, &n);
        for (int r = 0; r < n; r++)
            for (int k = 0; k < n; k++) {
                float s = 0;
                for (int j = 0; j < n; j++) s = debug ? s + x[r * n + j] * y[j * n + k] : fmaf(x[r * n + j], y[j * n + k], s);
                NEAR(z[r * n + k], s, 1e-5);
            }
    }
    TEST(reduce) {
        int n = 10000, sum = 0;
        uint64_t a = device_alloc(n * 4), c = device_alloc(4);
        int *x = host_of(a);
        for (int i = 0; i < n; i++) sum += x[i] = (int)rnd() % 1000;
        LAUNCH(p, "reduce", D3(5, 1, 1), D3(256, 1, 1), 0, &a, &c, &n);
        CHECK(*(int *)host_of(c) == sum);
    }
    TEST(histogram) {
        int n = 20000;
        unsigned bins[256] = {0};
        uint64_t a = device_alloc(n), c = device_alloc(1024);
        unsigned char *x = host_of(a);
        for (int i = 0; i < n; i++) bins[x[i] = (unsigned char)(rnd() % 256)]++;
        LAUNCH(p, "histogram", D3(6, 1, 1), D3(256, 1, 1), 0, &a, &c, &n);
        CHECK(memcmp(bins, host_of(c), 1024) == 0);
    }
    TEST(scan) {
        int n = 500, sum = 0;
        uint64_t a = device_alloc(2048), c = device_alloc(2048);
        int *x = host_of(a), *z = host_of(c);
        for (int i = 0; i < n; i++) x[i] = (int)rnd() % 100;
        LAUNCH(p, "scan", D3(1, 1, 1), D3(512, 1, 1), 2 * 512 * 4, &a, &c, &n);
        for (int i = 0; i < n; i++) CHECK(z[i] == (sum += x[i]));
    }
    TEST(transpose) {
        int w = 70, h = 45;
        uint64_t a = device_alloc(w * h * 8), c = device_alloc(w * h * 8);
        double *x = host_of(a), *z = host_of(c);
        for (int i = 0; i < w * h; i++) x[i] = i * 0.5;
        LAUNCH(p, "transpose", D3(3, 2, 1), D3(32, 8, 1), 0, &a, &c, &w, &h);
        for (int i = 0; i < h; i++)
            for (int j = 0; j < w; j++) CHECK(z[j * h + i] == x[i * w + j]);
    }
    TEST(nbody) {
        int n = 256;
        uint64_t a = device_alloc(n * 16), c = device_alloc(n * 16);
        float *x = host_of(a), *z = host_of(c);
        for (int i = 0; i < n * 4; i++) x[i] = rndf();
        LAUNCH(p, "nbody", D3(2, 1, 1), D3(128, 1, 1), 0, &a, &c, &n);
        for (int i = 0; i < n; i++) {
            double ax = 0;
            for (int k = 0; k < n; k++) {
                double dx = x[4 * k] - x[4 * i], dy = x[4 * k + 1] - x[4 * i + 1], dz = x[4 * k + 2] - x[4 * i + 2];
                double inv = 1 / sqrt(dx * dx + dy * dy + dz * dz + 0.01f);
                ax += dx * inv * inv * inv * x[4 * k + 3];
            }
            NEAR(z[4 * i], ax, 1e-4);
        }
    }
    struct mixed { char c; double d; short s[3]; uint64_t out; };
    TEST(struct_param) {
        char first = -3;
        unsigned char last = 200;
        short s = -777;
        struct mixed m = {.c = -9, .d = 2.125, .s = {1, 2, 3}, .out = device_alloc(512)};
        LAUNCH(p, "struct_param", D3(1, 1, 1), D3(32, 1, 1), 0, &first, &m, &s, &last);
        const long long *z = host_of(m.out);
        CHECK(z[0] == -3 && z[1] == -9 && z[2] == 17 && z[3] == 321 && z[4] == -777 && z[5] == 200);
        LAUNCH(p, "indexed_param", D3(1, 1, 1), D3(32, 1, 1), 0, &m);
        for (int i = 0; i < 32; i++) CHECK(z[i] == m.s[i % 3] + i);
    }
    TEST(pointers) {
        uint64_t c = device_alloc(256);
        int *z = host_of(c);
        LAUNCH(p, "pointers", D3(1, 1, 1), D3(64, 1, 1), 0, &c);
        for (int i = 0; i < 64; i++) CHECK(z[i] == (i % 3 == 0 ? i + 7 : i % 3 == 1 ? i - 7 : i * 7));
    }
    TEST(recursion) {
        uint64_t c = device_alloc(512);
        long long *z = host_of(c), fib[14] = {0, 1};
        for (int i = 2; i < 14; i++) fib[i] = fib[i - 1] + fib[i - 2];
        LAUNCH(p, "recursion", D3(1, 1, 1), D3(40, 1, 1), 0, &c);
        for (int i = 0; i < 40; i++) CHECK(z[i] == fib[i % 14]);
    }
    TEST(local_array) {
        int n = 97;
        uint64_t a = device_alloc(n * 4), c = device_alloc(64 * 64 * 4);
        int *x = host_of(a), *z = host_of(c);
        for (int i = 0; i < n; i++) x[i] = (int)(rnd() % 1000);
        LAUNCH(p, "local_array", D3(1, 1, 1), D3(64, 1, 1), 0, &a, &c, &n);
        for (int t = 0; t < 64; t++) {
            long sum = 0, want = 0;
            for (int i = 0; i < 64; i++) {
                sum += z[t * 64 + i];
                want += x[(t + i) % n];
                if (i) CHECK(z[t * 64 + i] >= z[t * 64 + i - 1]);
            }
            CHECK(sum == want);
        }
    }
    TEST(printf) {
        int n = 2;
        uint64_t name = device_alloc(16);
        strcpy(host_of(name), "lane");
        LAUNCH(p, "say", D3(1, 1, 1), D3(32, 1, 1), 0, &n, &name);
        const char *want = "lane 0:  0.00|0     |000abc|a|-5000000000|%|end\nlane 1:  1.50|1     |000abc|b|-5000000000|%|end\n";
        if (!device.printed || strcmp(device.printed, want) != 0) die("printed: %s", device.printed ? device.printed : "nothing");
    }
    TEST(constants) {
        float *k = host_of(program_global(p, "coefficients"));
        for (int i = 0; i < 16; i++) k[i] = (float)i / 3;
        uint64_t a = device_alloc(128), b = device_alloc(128), c = device_alloc(2);
        LAUNCH(p, "constants", D3(1, 1, 1), D3(32, 1, 1), 0, &a, &b, &c);
        const int off[4] = {1, 20, 300, 4000};
        for (int i = 0; i < 32; i++) CHECK(((float *)host_of(a))[i] == k[i % 16] * 2 && ((int *)host_of(b))[i] == off[i % 4] + 42);
        CHECK(((char *)host_of(c))[0] == 'z' && ((char *)host_of(c))[1] == 'o');
    }
    TEST(lambdas) {
        int k = 9;
        uint64_t c = device_alloc(128);
        LAUNCH(p, "lambdas", D3(1, 1, 1), D3(32, 1, 1), 0, &c, &k);
        for (int i = 0; i < 32; i++) CHECK(((int *)host_of(c))[i] == i * 9 + 1);
    }
    TEST(switches) {
        int n = 250;
        uint64_t a = device_alloc(1024), c = device_alloc(1024);
        int *x = host_of(a), *z = host_of(c);
        for (int i = 0; i < n; i++) x[i] = (int)(rnd() % 12);
        LAUNCH(p, "switches", D3(1, 1, 1), D3(256, 1, 1), 0, &a, &c, &n);
        for (int i = 0; i < n; i++) {
            unsigned r = 0;
            switch (x[i]) {
                case 0: r = (unsigned)i + 5; break;
                case 1: r = (unsigned)i * 3; break;
                case 2: for (int k = 0; k < i; k++) r ^= (unsigned)k * 7; break;
                case 3: r = 100u - (unsigned)i; break;
                case 4: r = 100; break;
                case 5: r = (unsigned)__builtin_popcount((unsigned)i); break;
                case 6: r = i ? (unsigned)__builtin_clz((unsigned)i) : 32; break;
                case 7: for (int b = 0; b < 32; b++) r |= ((unsigned)i >> b & 1) << (31 - b); break;
                case 8: r = i % 3 ? 1 : 2; break;
                case 9: r = (unsigned)i / 5; break;
                default: r = 77;
            }
            CHECK((unsigned)z[i] == r);
        }
    }
    TEST(divide) {
        uint64_t a = device_alloc(2048), b = device_alloc(2048), c = device_alloc(4096), d = device_alloc(4096), e = device_alloc(2048);
        long long *x = host_of(a), *y = host_of(b), *z = host_of(c);
        unsigned long long *u = host_of(d);
        int *v = host_of(e);
        for (int i = 0; i < 256; i++) {
            x[i] = (long long)((uint64_t)rnd() << 32 | rnd()) >> (rnd() % 60);
            y[i] = (long long)((uint64_t)rnd() << 32 | rnd()) >> (rnd() % 60);
            if (!y[i]) y[i] = 5;
            if ((int)y[i] == -1) y[i] = 11;
        }
        LAUNCH(p, "divide", D3(1, 1, 1), D3(256, 1, 1), 0, &a, &b, &c, &d, &e);
        for (int i = 0; i < 256; i++) {
            CHECK(z[2 * i] == x[i] / y[i] && z[2 * i + 1] == x[i] % y[i]);
            CHECK(u[2 * i] == (uint64_t)x[i] / (uint64_t)y[i] && u[2 * i + 1] == (uint64_t)x[i] % (uint64_t)y[i]);
            CHECK(v[2 * i] == (int)x[i] / ((int)y[i] ? (int)y[i] : 3) && v[2 * i + 1] == (short)x[i] % 7);
        }
    }
    TEST(math_float) {
        int n = 300;
        uint64_t a = device_alloc(n * 4), c = device_alloc(n * 80);
        float *x = host_of(a), *z = host_of(c);
        for (int i = 0; i < n; i++) x[i] = i < 4 ? (float[]){0.5f, 1.0f, -1.0f, 3.25f}[i] : rndf() * 20;
        LAUNCH(p, "math_float", D3(3, 1, 1), D3(128, 1, 1), 0, &a, &c, &n);
        for (int i = 0; i < n; i++) {
            double v = x[i];
            const float *o = z + i * 20;
            NEAR(o[0], sin(v), 1e-6); NEAR(o[1], cos(v), 1e-6); NEAR(o[2], tan(v), 1e-5); NEAR(o[3], exp(v), 1e-6); NEAR(o[4], log(fabs(v)), 1e-6);
            NEAR(o[5], pow(fabs(v), 1.7f), 1e-6); NEAR(o[6], erf(v), 1e-6); NEAR(o[7], sqrt(fabs(v)), 1e-7); NEAR(o[8], cbrt(v), 1e-6); NEAR(o[9], atan2(v, 2), 1e-6);
            NEAR(o[10], sinh((float)(v * 0.1f)), 1e-6); NEAR(o[11], tgamma(fabs(v) * 0.1f + 1), 1e-5); NEAR(o[12], fmod(v, 3), 1e-6);
            NEAR(o[13], floor(v) + ceil(v) + trunc(v) + rint(v), 0); NEAR(o[14], log2(fabs(v)), 1e-6); NEAR(o[15], exp2((float)(v * 0.1f)), 1e-6);
            NEAR(o[16], hypot(v, 1), 1e-6); NEAR(o[17], asin((float)(v * 0.01f)), 1e-6); CHECK(o[18] == x[i] / 3.1f); NEAR(o[19], ldexp(v, 3), 0);
        }
    }
    TEST(math_double) {
        int n = 300;
        uint64_t a = device_alloc(n * 8), c = device_alloc(n * 96);
        double *x = host_of(a), *z = host_of(c);
        for (int i = 0; i < n; i++) x[i] = rndf() * 20;
        LAUNCH(p, "math_double", D3(3, 1, 1), D3(128, 1, 1), 0, &a, &c, &n);
        for (int i = 0; i < n; i++) {
            double v = x[i];
            const double *o = z + i * 12;
            NEAR(o[0], sin(v), 1e-14); NEAR(o[1], cos(v), 1e-14); NEAR(o[2], exp(v * 0.1), 1e-14); NEAR(o[3], log(fabs(v)), 1e-14); NEAR(o[4], pow(fabs(v), 1.7), 1e-14);
            NEAR(o[5], erf(v * 0.1), 1e-14); CHECK(o[6] == sqrt(fabs(v))); CHECK(o[7] == v / 3.7); CHECK(o[8] == fma(v, v, 1)); NEAR(o[9], atan(v), 1e-14); NEAR(o[10], fmod(v, 3), 1e-14);
            CHECK(o[11] == floor(v));
        }
    }
    TEST(atomics) {
        uint64_t a = device_alloc(64), b = device_alloc(64), c = device_alloc(64), d = device_alloc(64), e = device_alloc(64);
        int *i = host_of(a);
        unsigned *u = host_of(b);
        i[4] = -1;
        u[2] = 1000;
        LAUNCH(p, "atomics", D3(4, 1, 1), D3(96, 1, 1), 0, &a, &b, &c, &d, &e);
        int n = 384, x = 0;
        unsigned inc = 0, dec = 0;
        for (int k = 0; k < n; k++) x ^= k, inc = inc >= 99 ? 0 : inc + 1, dec = dec == 0 || dec > 99 ? 99 : dec - 1;
        CHECK(i[0] == n * (n - 1) / 2 && i[1] == -i[0] && i[2] == 1 - n && i[3] == n - 1 && i[4] == (int)0x80000000 && i[5] == -1 && i[6] == x && i[7] == 3 * n);
        CHECK(u[0] == inc && u[1] == dec && u[2] == 5 && u[3] == (unsigned)n - 1);
        uint64_t *l = host_of(c);
        CHECK(l[0] == (uint64_t)(n * (n - 1) / 2) << 20 && l[1] == (uint64_t)n - 1 && l[2] == 7);
        CHECK(*(float *)host_of(d) == n * 0.5f && *(double *)host_of(e) == n * 0.25);
    }
    TEST(spin_lock) {
        uint64_t c = device_alloc(4);
        LAUNCH(p, "spin_lock", D3(3, 1, 1), D3(64, 1, 1), 0, &c);
        CHECK(*(int *)host_of(c) == 192);
    }
    TEST(producer) {
        uint64_t a = device_alloc(4), c = device_alloc(4);
        LAUNCH(p, "producer", D3(1, 1, 1), D3(32, 1, 1), 0, &a, &c);
        CHECK(*(int *)host_of(c) == 5);
    }
    TEST(votes) {
        uint64_t a = device_alloc(128), c = device_alloc(1280);
        int *x = host_of(a);
        unsigned *z = host_of(c), ballot = 0, odd = 0, sum = 0;
        for (int i = 0; i < 32; i++) {
            x[i] = (int)(rnd() % 10);
            ballot |= (unsigned)(x[i] > 3) << i;
            odd |= (unsigned)(x[i] & 1) << i;
            sum += (unsigned)x[i];
        }
        x[7] == 9 ? (void)0 : (void)(sum += 9 - (unsigned)x[7], x[7] = 9, ballot |= 1u << 7, odd |= 1u << 7);
        LAUNCH(p, "votes", D3(1, 1, 1), D3(32, 1, 1), 0, &a, &c);
        for (int i = 0; i < 32; i++) {
            unsigned same = 0;
            for (int k = 0; k < 32; k++) same |= (unsigned)(x[k] == x[i]) << k;
            const unsigned *o = z + 10 * i;
            CHECK(o[0] == ballot && o[1] != 0 && o[2] != 0 && o[3] == same && o[4] == ~0u && o[5] != 0);
            CHECK(o[6] == (unsigned)(i < 3 ? x[i] : x[i - 3]) && o[7] == (unsigned)x[(i & 24) + i * 5 % 8]);
            CHECK(o[8] == (x[i] & 1 ? odd : 0) && o[9] == sum);
        }
    }
    TEST(barrier_reduce) {
        uint64_t a = device_alloc(400), c = device_alloc(400);
        int *x = host_of(a), *z = host_of(c), n = 0;
        for (int i = 0; i < 100; i++) n += (x[i] = (int)(rnd() % 10)) > 5;
        LAUNCH(p, "barrier_reduce", D3(1, 1, 1), D3(100, 1, 1), 0, &a, &c);
        for (int i = 0; i < 100; i++) CHECK(z[i] == n * 4 + 2);
    }
    TEST(shorts) {
        int n = 100;
        uint64_t a = device_alloc(200), b = device_alloc(100), c = device_alloc(200), d = device_alloc(100);
        short *x = host_of(a), *z = host_of(c);
        unsigned char *y = host_of(b);
        signed char *v = host_of(d);
        for (int i = 0; i < n; i++) x[i] = (short)rnd(), y[i] = (unsigned char)rnd();
        LAUNCH(p, "shorts", D3(1, 1, 1), D3(128, 1, 1), 0, &a, &b, &c, &d, &n);
        for (int i = 0; i < n; i++) CHECK(z[i] == (short)(x[i] * y[i] + (x[i] >> 2)) && v[i] == (signed char)(x[i] - y[i]));
    }
    TEST(heap) {
        uint64_t c = device_alloc(256);
        LAUNCH(p, "heap", D3(1, 1, 1), D3(64, 1, 1), 0, &c);
        for (int i = 0; i < 64; i++) CHECK(((int *)host_of(c))[i] == 120 * i);
    }
}

static float half(uint16_t h) {
    int e = h >> 10 & 31, m = h & 1023;
    double v = e == 31 ? (m ? NAN : INFINITY) : e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);
    return (float)(h & 0x8000 ? -v : v);
}

/* The nearest half of a double, by search. */
static uint16_t nearest_half(double x) {
    uint16_t best = 0;
    double distance = INFINITY;
    for (int h = 0; h < 0x7c00; h++) {
        double d = fabs(fabs(x) - half((uint16_t)h));
        if (d < distance || (d == distance && !(h & 1))) distance = d, best = (uint16_t)h;
    }
    if (fabs(x) >= 65520) best = 0x7c00;
    return (uint16_t)(best | (signbit(x) ? 0x8000 : 0));
}

static void halves(struct program *p) {
    TEST(softmax) {
        int n = 100;
        uint64_t a = device_alloc(800), c = device_alloc(800);
        uint16_t *x = host_of(a), *z = host_of(c);
        for (int i = 0; i < 400; i++) x[i] = nearest_half(rndf() * 8);
        LAUNCH(p, "softmax", D3(4, 1, 1), D3(32, 1, 1), 0, &a, &c, &n);
        for (int r = 0; r < 4; r++) {
            double sum = 0;
            for (int i = 0; i < n; i++) sum += exp(half(x[r * n + i]));
            for (int i = 0; i < n; i++) {
                double want = exp(half(x[r * n + i])) / sum;
                CHECK(fabs(half(z[r * n + i]) - want) <= want * 1e-3 + 0x1p-24);
            }
        }
    }
    TEST(half2_math) {
        uint64_t a = device_alloc(256), b = device_alloc(256), c = device_alloc(1024), d = device_alloc(512);
        uint16_t *x = host_of(a), *y = host_of(b), *z = host_of(c);
        for (int i = 0; i < 128; i++) x[i] = nearest_half(rndf() * 100), y[i] = nearest_half(rndf() * 3);
        LAUNCH(p, "half2_math", D3(1, 1, 1), D3(64, 1, 1), 0, &a, &b, &c, &d);
        for (int i = 0; i < 64; i++)
            for (int k = 0; k < 2; k++) {
                double u = half(x[2 * i + k]), v = half(y[2 * i + k]);
                CHECK(z[8 * i + k] == nearest_half(u + v));
                CHECK(z[8 * i + 2 + k] == nearest_half(u * v));
                CHECK(z[8 * i + 4 + k] == nearest_half(u * v + u));
                double difference = half(nearest_half(u - v));
                CHECK(half(z[8 * i + 6 + k]) == (u > difference ? u : difference));
            }
    }
    TEST(groups) {
        uint64_t a = device_alloc(256), c = device_alloc(64 * 12);
        int *x = host_of(a), *z = host_of(c);
        for (int i = 0; i < 64; i++) x[i] = (int)(rnd() % 50);
        LAUNCH(p, "groups", D3(1, 1, 1), D3(64, 1, 1), 0, &a, &c);
        for (int i = 0; i < 64; i++) {
            int sum = 0, most = -1, size = 0, rank = 0;
            for (int k = i & ~7; k < (i & ~7) + 8; k++) sum += x[k], most = x[k] > most ? x[k] : most;
            for (int k = i & ~31; k < (i & ~31) + 32; k++) size += x[k] % 3 == 0, rank += x[k] % 3 == 0 && k < i;
            CHECK(z[3 * i] == sum && z[3 * i + 1] == most && z[3 * i + 2] == (x[i] % 3 ? 0 : size * 1000 + rank));
        }
    }
}

static void cooperative(struct program *p) {
    TEST(grid_sync) {
        enum { N = 12 };
        int rounds = 9, data[2][N] = {{0}};
        uint64_t a = device_alloc(2 * N * 4), c = device_alloc(N * 4);
        struct ptx_fault fault;
        for (int i = 0; i < N; i++) ((int *)host_of(a))[i] = data[0][i] = i * 3 + 1;
        if (launch_raw(p, "grid_sync", D3(N, 1, 1), D3(64, 1, 1), 0, true, &fault, ARGS(&a, &c, &rounds)) != PTX_FAULT_NONE) die("%s", fault.message);
        for (int r = 0; r < rounds; r++)
            for (int i = 0; i < N; i++) {
                int sum = 0;
                for (int k = 0; k < N; k++) sum += data[r & 1][k];
                data[1 - (r & 1)][i] = sum % 1000 + i;
            }
        CHECK(memcmp(data[rounds & 1], host_of(c), N * 4) == 0);
    }
}

int main(int argc, char **argv) {
    if (argc < 4) die("usage: programs FOLDER WORKERS basics|basics_debug|half");
    char path[512];
    size_t length;
    device_workers = (unsigned)atoi(argv[2]);
    snprintf(path, sizeof path, "%s/%s.ptx", argv[1], argv[3]);
    char *text = read_file(path, &length);
    struct program p = program_load(text);
    if (strncmp(argv[3], "half", 4) == 0) halves(&p), cooperative(&p);
    else basics(&p, strcmp(argv[3], "basics_debug") == 0);
    program_free(&p);
    free(text);
    free(device.printed);
    for (size_t i = 0; i < device.count; i++) free(device.list[i].host);
    puts("done");
    return 0;
}
