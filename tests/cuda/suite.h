// suite.h - what each program of tests/cuda/programs includes: CUDA, checks, and the few words that let one text be compiled twice.
//
// With nvcc a program is an ordinary CUDA C++ program on libcudart. Without (RF_DRIVER) g++ compiles its host part alone, against
// driver_runtime.h, which answers the runtime calls of these programs with the driver API, and the kernels come from the
// checked-in PTX of tests/cuda/ptx. A program therefore begins with its kernels inside `#ifdef __CUDACC__`, names each of them once
// outside with KERNEL(name, parameter types...), and launches with LAUNCH(kernel, grid, block...)(arguments...).
#ifndef SUITE_H
#define SUITE_H

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#ifdef __CUDACC__
#include <cuda_runtime.h>
#define KERNEL(name, ...) static_assert(std::is_same<decltype(&name), void (*)(__VA_ARGS__)>::value, #name " has other parameters");
#define TEMPLATE_KERNEL(head, name, ...)
#define LAUNCH(kernel, ...) kernel<<<__VA_ARGS__>>>
#else
#include "driver_runtime.h"
#define KERNEL(name, ...) __attribute__((noipa, used)) void name(__VA_ARGS__) {}
#define TEMPLATE_KERNEL(head, name, ...) head __attribute__((noipa, used)) void name(__VA_ARGS__) {}
#define LAUNCH(kernel, ...) rf::launcher(kernel, __VA_ARGS__)
#endif

#define RF_COMMA , // in TEMPLATE_KERNEL's first argument

[[noreturn]] inline void fail(const char *file, int line, const std::string &text)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, text.c_str());
    fflush(stdout);
    _Exit(1); // the GPU may be busy, or broken on purpose
}

inline std::string named(cudaError_t error) { return std::string(cudaGetErrorString(error)) + " (" + std::to_string((int)error) + ")"; }

inline void expect(cudaError_t got, cudaError_t wanted, const char *call, const char *file, int line)
{
    if (got != wanted) fail(file, line, std::string(call) + " returned " + named(got) + ", not " + named(wanted));
}

#define OK(...) expect((__VA_ARGS__), cudaSuccess, #__VA_ARGS__, __FILE__, __LINE__)
#define FAILS(error, ...) expect((__VA_ARGS__), (error), #__VA_ARGS__, __FILE__, __LINE__)
#define CHECK(...)                                                                  \
    do {                                                                            \
        if (!(__VA_ARGS__)) fail(__FILE__, __LINE__, "not so: " #__VA_ARGS__);      \
    } while (0)

// Kernels are asynchronous: what was wrong with the launch, then what was wrong with the kernel.
#define DONE()                       \
    do {                             \
        OK(cudaGetLastError());      \
        OK(cudaDeviceSynchronize()); \
    } while (0)

// Both must be equal, element by element; `tolerance` is relative to the larger, and absolute below 1.
template <class T> void equal(const char *file, int line, const std::vector<T> &got, const std::vector<T> &wanted, double tolerance = 0)
{
    if (got.size() != wanted.size()) fail(file, line, "other sizes");
    for (size_t i = 0; i < got.size(); i++) {
        double a = (double)got[i], b = (double)wanted[i], scale = std::fmax(1.0, std::fmax(std::fabs(a), std::fabs(b)));
        if (!(std::fabs(a - b) <= tolerance * scale)) fail(file, line, "element " + std::to_string(i) + ": " + std::to_string(a) + ", not " + std::to_string(b));
    }
}
#define EQUAL(...) equal(__FILE__, __LINE__, __VA_ARGS__)
#define NEAR(...) equal(__FILE__, __LINE__, __VA_ARGS__)

// Numbers without a pattern, the same in every run.
class Random {
    uint64_t state;

public:
    explicit Random(uint64_t seed) : state(seed * 0x9e3779b97f4a7c15u + 1) {}
    uint32_t next()
    {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return (uint32_t)(state >> 33);
    }
    float unit() { return (float)(next() & 0xffffff) / 0x1000000; } // [0, 1)
    template <class T> std::vector<T> many(size_t n, T (*make)(Random &))
    {
        std::vector<T> values(n);
        for (T &value : values) value = make(*this);
        return values;
    }
};
inline std::vector<float> floats(size_t n, uint64_t seed) { return Random(seed).many<float>(n, [](Random &r) { return 2 * r.unit() - 1; }); }
inline std::vector<int> ints(size_t n, uint64_t seed) { return Random(seed).many<int>(n, [](Random &r) { return (int)(r.next() % 1000); }); }

// Device memory with a vector's type. Not freed by itself: some programs reset the device under it.
template <class T> T *device(size_t n)
{
    void *memory = nullptr;
    OK(cudaMalloc(&memory, n * sizeof(T)));
    return (T *)memory;
}
template <class T> T *device(const std::vector<T> &values)
{
    T *memory = device<T>(values.size());
    OK(cudaMemcpy(memory, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice));
    return memory;
}
template <class T> std::vector<T> host(const T *memory, size_t n)
{
    std::vector<T> values(n);
    OK(cudaMemcpy(values.data(), memory, n * sizeof(T), cudaMemcpyDeviceToHost));
    return values;
}

#endif
