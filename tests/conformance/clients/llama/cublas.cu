// A stand-in for cuBLAS 13, which is not to be had where tests run and is machine code: what llama.cpp's backend calls of it, by one plain
// kernel. Matrices lie by columns. Numbers of types and of ways to compute are those of cuBLAS' documentation.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

enum { REAL_32F = 0, REAL_16F = 2, COMPUTE_16F = 64, COMPUTE_16F_PEDANTIC = 65, EXECUTION_FAILED = 13, NOT_SUPPORTED = 15 };

struct handle { cudaStream_t stream; };
/* `list`: in device memory, a pointer for each matrix of the batch; else they follow each other `stride` apart. */
struct matrix { void *data; void *const *list; int type, rows; long long stride; };

__device__ char *matrix_of(const struct matrix &m, int batch)
{
    return m.list ? (char *)m.list[batch] : (char *)m.data + batch * m.stride * (m.type == REAL_32F ? 4 : 2);
}

__device__ float get(const char *data, int type, size_t i)
{
    return type == REAL_32F ? ((const float *)data)[i] : type == REAL_16F ? __half2float(((const __half *)data)[i]) : __bfloat162float(((const __nv_bfloat16 *)data)[i]);
}

__device__ void put(char *data, int type, size_t i, float value)
{
    if (type == REAL_32F) ((float *)data)[i] = value;
    else if (type == REAL_16F) ((__half *)data)[i] = __float2half(value);
    else ((__nv_bfloat16 *)data)[i] = __float2bfloat16(value);
}

__global__ void gemm(int turn_a, int turn_b, int m, int k, float alpha, struct matrix a, struct matrix b, float beta, struct matrix c)
{
    const int row = blockIdx.x * blockDim.x + threadIdx.x, column = blockIdx.y;
    if (row >= m) return;
    const char *const as = matrix_of(a, blockIdx.z), *const bs = matrix_of(b, blockIdx.z);
    char *const cs = matrix_of(c, blockIdx.z);
    float sum = 0;
    for (int i = 0; i < k; i++)
        sum += get(as, a.type, turn_a ? (size_t)row * a.rows + i : (size_t)i * a.rows + row) * get(bs, b.type, turn_b ? (size_t)i * b.rows + column : (size_t)column * b.rows + i);
    const size_t at = (size_t)column * c.rows + row;
    put(cs, c.type, at, alpha * sum + (beta != 0 ? beta * get(cs, c.type, at) : 0));
}

static int run(struct handle *h, int turn_a, int turn_b, int m, int n, int k, float alpha, struct matrix a, struct matrix b, float beta, struct matrix c, int batches)
{
    gemm<<<dim3((m + 63) / 64, n, batches), 64, 0, h->stream>>>(turn_a, turn_b, m, k, alpha, a, b, beta, c);
    return cudaPeekAtLastError() ? EXECUTION_FAILED : 0;
}

static float factor(const void *at, int compute) { return compute == COMPUTE_16F || compute == COMPUTE_16F_PEDANTIC ? __half2float(*(const __half *)at) : *(const float *)at; }
#define ONE(data, type, rows) matrix{(void *)(data), nullptr, type, rows, 0}
#define STRIDED(data, type, rows, stride) matrix{(void *)(data), nullptr, type, rows, stride}
#define LISTED(list, type, rows) matrix{nullptr, (void *const *)(list), type, rows, 0}
#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT int cublasCreate_v2(struct handle **h) { *h = new handle{}; return 0; }
EXPORT int cublasDestroy_v2(struct handle *h) { delete h; return 0; }
EXPORT int cublasSetStream_v2(struct handle *h, cudaStream_t stream) { h->stream = stream; return 0; }
EXPORT int cublasSetMathMode(struct handle *, int) { return 0; }
EXPORT int cublasSetWorkspace_v2(struct handle *, void *, size_t) { return 0; }
EXPORT const char *cublasGetStatusString(int status) { return status ? "the stand-in for cuBLAS failed" : "success"; }
EXPORT int cublasStrsmBatched(...) { return NOT_SUPPORTED; }

EXPORT int cublasGemmEx(struct handle *h, int ta, int tb, int m, int n, int k, const void *alpha, const void *a, int at, int lda, const void *b, int bt, int ldb, const void *beta, void *c, int ct, int ldc, int compute, int)
{
    return run(h, ta, tb, m, n, k, factor(alpha, compute), ONE(a, at, lda), ONE(b, bt, ldb), factor(beta, compute), ONE(c, ct, ldc), 1);
}

EXPORT int cublasGemmBatchedEx(struct handle *h, int ta, int tb, int m, int n, int k, const void *alpha, const void *const *a, int at, int lda, const void *const *b, int bt, int ldb, const void *beta, void *const *c, int ct, int ldc, int batches, int compute, int)
{
    return run(h, ta, tb, m, n, k, factor(alpha, compute), LISTED(a, at, lda), LISTED(b, bt, ldb), factor(beta, compute), LISTED(c, ct, ldc), batches);
}

EXPORT int cublasGemmStridedBatchedEx(struct handle *h, int ta, int tb, int m, int n, int k, const void *alpha, const void *a, int at, int lda, long long sa, const void *b, int bt, int ldb, long long sb, const void *beta, void *c, int ct, int ldc, long long sc, int batches, int compute, int)
{
    return run(h, ta, tb, m, n, k, factor(alpha, compute), STRIDED(a, at, lda, sa), STRIDED(b, bt, ldb, sb), factor(beta, compute), STRIDED(c, ct, ldc, sc), batches);
}

EXPORT int cublasSgemm_v2(struct handle *h, int ta, int tb, int m, int n, int k, const float *alpha, const float *a, int lda, const float *b, int ldb, const float *beta, float *c, int ldc)
{
    return run(h, ta, tb, m, n, k, *alpha, ONE(a, REAL_32F, lda), ONE(b, REAL_32F, ldb), *beta, ONE(c, REAL_32F, ldc), 1);
}

EXPORT int cublasSgemmBatched(struct handle *h, int ta, int tb, int m, int n, int k, const float *alpha, const float *const *a, int lda, const float *const *b, int ldb, const float *beta, float *const *c, int ldc, int batches)
{
    return run(h, ta, tb, m, n, k, *alpha, LISTED(a, REAL_32F, lda), LISTED(b, REAL_32F, ldb), *beta, LISTED(c, REAL_32F, ldc), batches);
}

EXPORT int cublasSgemmStridedBatched(struct handle *h, int ta, int tb, int m, int n, int k, const float *alpha, const float *a, int lda, long long sa, const float *b, int ldb, long long sb, const float *beta, float *c, int ldc, long long sc, int batches)
{
    return run(h, ta, tb, m, n, k, *alpha, STRIDED(a, REAL_32F, lda, sa), STRIDED(b, REAL_32F, ldb, sb), *beta, STRIDED(c, REAL_32F, ldc, sc), batches);
}
