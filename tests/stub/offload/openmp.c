/* An OpenMP program whose target regions are compiled by GCC's nvptx back end: reductions, teams with nested parallel
 * regions and simd, device functions with recursion and function pointers, mathematics, globals, atomics. Each result is
 * compared with the host's; ends with the number of devices and of failures. */
#include <complex.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;
#define CHECK(condition) ((condition) ? 0 : (failures++, printf("line %d: " #condition "\n", __LINE__)))
static int near(double a, double b) { return fabs(a - b) <= 1e-9 * fmax(1, fabs(b)); }

#pragma omp declare target
int table[16];
static int fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
static double wave(double x) { return sin(x) * cos(x) + sqrt(x) + exp(-x) + pow(x, 0.25) + log1p(x) + atan2(x, 3) + tgamma(1 + x / 1000); }
static int twice(int x) { return 2 * x; }
static int square(int x) { return x * x; }
static int (*choose(int which))(int) { return which ? square : twice; }
struct point { double x, y, z; };
static struct point middle(struct point a, struct point b) { return (struct point){(a.x + b.x) / 2, (a.y + b.y) / 2, (a.z + b.z) / 2}; }
static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
#pragma omp end declare target

enum { N = 6000 };
static double a[N], b[N], c[N];

static void loops(void) {
    double sum = 0, product = 1, expected = 0, least = 1e9, most = -1e9;
    for (int i = 0; i < N; i++) a[i] = i * 0.01;
#pragma omp target teams distribute parallel for simd map(to : a) map(from : b) map(tofrom : sum) reduction(+ : sum)
    for (int i = 0; i < N; i++) {
        b[i] = wave(a[i]);
        sum += b[i];
    }
    /* one reduction each: GCC 12 combines several into one 16-byte atomic, for which nvptx has no function */
#pragma omp target parallel for map(to : b) map(tofrom : least) reduction(min : least)
    for (int i = 0; i < N; i++) least = b[i] < least ? b[i] : least;
#pragma omp target parallel for map(to : b) map(tofrom : most) reduction(max : most)
    for (int i = 0; i < N; i++) most = b[i] > most ? b[i] : most;
    double low = 1e9, high = -1e9;
    for (int i = 0; i < N; i++) {
        double v = wave(a[i]);
        CHECK(near(b[i], v));
        expected += v;
        low = fmin(low, v);
        high = fmax(high, v);
    }
    CHECK(near(sum, expected) && near(least, low) && near(most, high));
#pragma omp target parallel for map(tofrom : product) reduction(* : product)
    for (int i = 1; i <= 20; i++) product *= i;
    CHECK(product == 2432902008176640000.0);
    int bits = 0, all = ~0, odd = 0;
#pragma omp target teams distribute parallel for map(tofrom : bits) reduction(| : bits)
    for (int i = 0; i < 1000; i++) bits |= i;
#pragma omp target parallel for map(tofrom : all) reduction(& : all)
    for (int i = 0; i < 1000; i++) all &= i | 0x4000;
#pragma omp target teams distribute parallel for map(tofrom : odd) reduction(^ : odd)
    for (int i = 0; i < 1000; i++) odd ^= i;
    int odd_expected = 0;
    for (int i = 0; i < 1000; i++) odd_expected ^= i;
    CHECK(bits == 1023 && all == 0x4000 && odd == odd_expected);
}

static void nested(void) {
    static int teams_seen[64], cell[64][32];
    int where = 1, count = 0;
#pragma omp target map(from : where)
    where = omp_is_initial_device();
    CHECK(where == 0);
#pragma omp target teams num_teams(8) map(tofrom : teams_seen, cell, count)
    {
        int team = omp_get_team_num();
        int local = 0;
        teams_seen[team] = omp_get_num_teams();
#pragma omp parallel for reduction(+ : local)
        for (int i = 0; i < 32; i++) {
            int inner = 0;
#pragma omp simd reduction(+ : inner)
            for (int k = 0; k < 100; k++) inner += k * (team + 1);
            cell[team][i] = inner + i;
            local += i;
        }
        if (local != 496) teams_seen[team] = -1;
#pragma omp parallel
        {
#pragma omp atomic
            count++;
#pragma omp barrier
#pragma omp single
            cell[team][0] += 1000000;
        }
    }
    CHECK(teams_seen[0] > 0 && count > 0);
    for (int t = 0; t < teams_seen[0]; t++) {
        CHECK(teams_seen[t] == teams_seen[0]);
        for (int i = 1; i < 32; i++) CHECK(cell[t][i] == 4950 * (t + 1) + i);
        CHECK(cell[t][0] == 4950 * (t + 1) + 1000000);
    }
}

static void functions(void) {
    int f = 0, sum = 0, sorted = 1;
    struct point p = {1, 2, 3}, q = {3, 6, 9}, m;
    double _Complex z = 1 + 2 * I, w;
    char text[64] = "";
#pragma omp target map(from : f, m, w) map(to : p, q, z) map(tofrom : sum, sorted, text)
    {
        f = fibonacci(16);
        m = middle(p, q);
        w = z * z + conj(z);
        for (int i = 0; i < 10; i++) sum += choose(i & 1)(i);
        int values[40];
        for (int i = 0; i < 40; i++) values[i] = i * 7919 % 101;
        qsort(values, 40, sizeof *values, compare);
        for (int i = 1; i < 40; i++) sorted &= values[i - 1] <= values[i];
        char *copy = malloc(32);
        strcpy(copy, "from the device");
        memcpy(text, copy, strlen(copy) + 1);
        free(copy);
    }
    CHECK(f == 987 && sorted == 1 && strcmp(text, "from the device") == 0);
    CHECK(m.x == 2 && m.y == 4 && m.z == 6);
    CHECK(near(creal(w), -2) && near(cimag(w), 2));
    CHECK(sum == 0 + 1 + 4 + 9 + 8 + 25 + 12 + 49 + 16 + 81);
}

static void memory(void) {
    for (int i = 0; i < 16; i++) table[i] = i;
#pragma omp target update to(table)
#pragma omp target teams distribute parallel for
    for (int i = 0; i < 16; i++) table[i] = table[i] * 3 + 1;
#pragma omp target update from(table)
    for (int i = 0; i < 16; i++) CHECK(table[i] == 3 * i + 1);
    for (int i = 0; i < N; i++) a[i] = i, b[i] = 2 * i;
#pragma omp target data map(to : a, b) map(from : c)
    {
#pragma omp target teams distribute parallel for collapse(2)
        for (int i = 0; i < N / 100; i++)
            for (int k = 0; k < 100; k++) c[100 * i + k] = a[100 * i + k] + b[100 * i + k];
#pragma omp target parallel for schedule(dynamic, 16)
        for (int i = 0; i < N; i++) c[i] *= 2;
    }
    for (int i = 0; i < N; i++) CHECK(c[i] == 6.0 * i);
    long total = 0;
    int *unmapped = omp_target_alloc(4096 * sizeof *unmapped, 0);
#pragma omp target teams distribute parallel for is_device_ptr(unmapped)
    for (int i = 0; i < 4096; i++) unmapped[i] = i;
#pragma omp target teams distribute parallel for is_device_ptr(unmapped) map(tofrom : total) reduction(+ : total)
    for (int i = 0; i < 4096; i++) total += unmapped[i];
    omp_target_free(unmapped, 0);
    CHECK(total == 4096L * 4095 / 2);
    int histogram[16] = {0};
#pragma omp target teams distribute parallel for map(tofrom : histogram)
    for (int i = 0; i < 4096; i++) {
#pragma omp atomic update
        histogram[i * 31 % 16]++;
    }
    for (int i = 0; i < 16; i++) CHECK(histogram[i] == 256);
}

int main(void) {
    loops();
    nested();
    functions();
    memory();
    printf("%d devices, %d failures\n", omp_get_num_devices(), failures);
    return failures != 0;
}
