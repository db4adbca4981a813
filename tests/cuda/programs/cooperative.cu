// Cooperative groups: the block, tiles and what they reduce, groups of those that came, and all blocks of a grid at one barrier.
#include "../suite.h"

#ifdef __CUDACC__
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
namespace cg = cooperative_groups;

__global__ void groups(const int *in, int *out)
{
    cg::thread_block block = cg::this_thread_block();
    __shared__ int sum;
    if (block.thread_rank() == 0) sum = 0;
    block.sync();
    auto tile = cg::tiled_partition<8>(block);
    int total = cg::reduce(tile, in[block.thread_rank()], cg::plus<int>());
    if (tile.thread_rank() == 0) atomicAdd(&sum, total);
    int neighbour = tile.shfl(in[block.thread_rank()], (tile.thread_rank() + 1) % tile.size());
    block.sync();
    int *mine = out + 4 * block.thread_rank();
    mine[0] = sum;
    mine[1] = total;
    mine[2] = neighbour;
    mine[3] = 0;
    if (in[block.thread_rank()] % 3 == 0) {
        cg::coalesced_group came = cg::coalesced_threads();
        mine[3] = came.size();
    }
}

// Each round reads what other blocks wrote in the one before.
__global__ void grid_rounds(int *a, int *b, int n, int rounds)
{
    cg::grid_group grid = cg::this_grid();
    for (int r = 0; r < rounds; r++) {
        for (int i = grid.thread_rank(); i < n; i += grid.size()) b[i] = a[(i + 1) % n] + a[(i + n - 1) % n];
        grid.sync();
        int *swap = a;
        a = b;
        b = swap;
    }
}
#endif
KERNEL(groups, const int *, int *)
KERNEL(grid_rounds, int *, int *, int, int)

int main()
{
    const int threads = 128;
    std::vector<int> in = ints(threads, 16), wanted(4 * threads);
    int sum = 0;
    for (int value : in) sum += value;
    for (int t = 0; t < threads; t++) {
        int tile = 0, came = 0;
        for (int i = t / 8 * 8; i < t / 8 * 8 + 8; i++) tile += in[i];
        for (int i = t / 32 * 32; i < t / 32 * 32 + 32; i++) came += in[i] % 3 == 0;
        wanted[4 * t] = sum;
        wanted[4 * t + 1] = tile;
        wanted[4 * t + 2] = in[t / 8 * 8 + (t + 1) % 8];
        wanted[4 * t + 3] = in[t] % 3 == 0 ? came : 0;
    }
    int *din = device(in), *out = device<int>(4 * threads);
    LAUNCH(groups, 1, threads)(din, out);
    DONE();
    EQUAL(host(out, 4 * threads), wanted);

    int n = 1000, rounds = 7;
    std::vector<int> a(n), b(n);
    for (int i = 0; i < n; i++) a[i] = i % 5;
    int *da = device(a), *db = device<int>(n);
    for (int r = 0; r < rounds; r++) {
        for (int i = 0; i < n; i++) b[i] = a[(i + 1) % n] + a[(i + n - 1) % n];
        a.swap(b);
    }
    void *arguments[] = {&da, &db, &n, &rounds};
    int supported = 0;
    OK(cudaDeviceGetAttribute(&supported, cudaDevAttrCooperativeLaunch, 0));
    CHECK(supported == 1);
    OK(cudaLaunchCooperativeKernel(grid_rounds, dim3(4), dim3(64), arguments, 0, nullptr));
    DONE();
    EQUAL(host(rounds % 2 ? db : da, n), a);
    // More blocks than can be on the device at once.
    FAILS(cudaErrorCooperativeLaunchTooLarge, cudaLaunchCooperativeKernel(grid_rounds, dim3(1 << 20), dim3(64), arguments, 0, nullptr));
    (void)cudaGetLastError();
    return 0;
}
