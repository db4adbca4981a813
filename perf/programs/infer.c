/* infer - the calls of a language model that says one word after another: program [WORDS]. As llama.cpp's backend makes them (cudaGraphLaunch and the
 * runtime's copies, watched): four small inputs, each waited for, a graph of all the kernels, the answer, and a wait for it.
 *
 * word  nanoseconds of one word (median)
 *
 * 64 kernels of 125 us: 8 ms, most of which everybody sleeps. */
#include "kernel.h"

enum { KERNELS = 64, KERNEL_NS = 125000, INPUTS = 4, INPUT_BYTES = 1024, ANSWER_BYTES = 4096 };

int main(int argc, char **argv)
{
    size_t words = number_argument(argc, argv, 1, 40);
    CUdevice device = open_device();
    CUstream stream;
    CUgraph graph;
    CUgraphExec instance;
    CUdeviceptr inputs[INPUTS], answer;
    static unsigned char input[INPUT_BYTES], said[ANSWER_BYTES];
    uint64_t length = KERNEL_NS;
    MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    for (int i = 0; i < INPUTS; i++) MUST(cuMemAlloc_v2(&inputs[i], INPUT_BYTES));
    MUST(cuMemAlloc_v2(&answer, ANSWER_BYTES));
    CUfunction spin = kernel("spin");
    MUST(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
    for (int i = 0; i < KERNELS; i++) MUST(launch(spin, &length, stream));
    MUST(cuStreamEndCapture(stream, &graph));
    MUST(cuGraphInstantiateWithFlags(&instance, graph, 0));
    uint64_t *samples = samples_of(words);
    for (size_t word = 0; word < words + 4; word++) {
        uint64_t begin = now_ns();
        for (int i = 0; i < INPUTS; i++) {
            memset(input, (int)(word + (size_t)i), sizeof input);
            MUST(cuMemcpyHtoDAsync_v2(inputs[i], input, sizeof input, stream));
            MUST(cuStreamSynchronize(stream));
        }
        MUST(cuMemsetD8Async(answer, (unsigned char)word, ANSWER_BYTES, stream));
        MUST(cuGraphLaunch(instance, stream));
        MUST(cuMemcpyDtoHAsync_v2(said, answer, sizeof said, stream));
        MUST(cuStreamSynchronize(stream));
        if (said[ANSWER_BYTES - 1] != (unsigned char)word) { fprintf(stderr, "word %zu reads %u\n", word, said[ANSWER_BYTES - 1]); return 1; }
        if (word >= 4) samples[word - 4] = now_ns() - begin;
    }
    qsort(samples, words, sizeof *samples, compare_u64);
    report("word", quantile(samples, words, 0.5), "ns");
    MUST(cuGraphExecDestroy(instance));
    MUST(cuGraphDestroy(graph));
    close_device(device);
    return 0;
}
