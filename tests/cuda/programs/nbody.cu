// Gravity between bodies, tile by tile through shared memory, a few steps; float4 loads, rsqrtf, against doubles.
#include "../suite.h"

#ifdef __CUDACC__
__global__ void step(const float4 *position, float4 *next, float3 *velocity, int n, float dt)
{
    extern __shared__ float4 tile[];
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const float4 me = i < n ? position[i] : make_float4(0, 0, 0, 0);
    float3 force = make_float3(0, 0, 0);
    for (int base = 0; base < n; base += blockDim.x) {
        tile[threadIdx.x] = base + threadIdx.x < n ? position[base + threadIdx.x] : make_float4(0, 0, 0, 0);
        __syncthreads();
        for (int j = 0; j < blockDim.x; j++) {
            const float4 other = tile[j];
            const float x = other.x - me.x, y = other.y - me.y, z = other.z - me.z;
            const float inverse = rsqrtf(x * x + y * y + z * z + 0.01f), pull = other.w * inverse * inverse * inverse;
            force.x += x * pull, force.y += y * pull, force.z += z * pull;
        }
        __syncthreads();
    }
    if (i >= n) return;
    float3 v = velocity[i];
    v.x += force.x * dt, v.y += force.y * dt, v.z += force.z * dt;
    velocity[i] = v;
    next[i] = make_float4(me.x + v.x * dt, me.y + v.y * dt, me.z + v.z * dt, me.w);
}
#endif
KERNEL(step, const float4 *, float4 *, float3 *, int, float)

int main()
{
    const int n = 300, steps = 4;
    const float dt = 0.01f;
    std::vector<float> start = floats(4 * n, 9), zero(3 * n);
    for (int i = 0; i < n; i++) start[4 * i + 3] = 0.5f + 0.5f * std::fabs(start[4 * i + 3]);
    std::vector<double> p(start.begin(), start.end()), v(3 * n);
    for (int s = 0; s < steps; s++) {
        std::vector<double> from = p;
        for (int i = 0; i < n; i++) {
            double force[3] = {};
            for (int j = 0; j < n; j++) {
                double d[3], square = 0.01;
                for (int k = 0; k < 3; k++) {
                    d[k] = from[4 * j + k] - from[4 * i + k];
                    square += d[k] * d[k];
                }
                for (int k = 0; k < 3; k++) force[k] += d[k] * from[4 * j + 3] / (square * std::sqrt(square));
            }
            for (int k = 0; k < 3; k++) {
                v[3 * i + k] += force[k] * dt;
                p[4 * i + k] += v[3 * i + k] * dt;
            }
        }
    }
    float *a = device(start), *b = device<float>(4 * n), *velocity = device(zero);
    for (int s = 0; s < steps; s++) {
        LAUNCH(step, (n + 63) / 64, 64, 64 * 16)((const float4 *)a, (float4 *)b, (float3 *)velocity, n, dt);
        std::swap(a, b);
    }
    DONE();
    NEAR(host(a, 4 * n), std::vector<float>(p.begin(), p.end()), 2e-3);
    return 0;
}
