/*
 * Runs generated kernels over operands. argv: module's file, operands' file, results' file, kernels, threads, slots in, slots out,
 * threads of a block if not 48, blocks of a cluster. Kernel n is "k<n>"; thread v of it reads slots of 8 bytes at in + v * slots in * 8 and writes likewise.
 * Blocks of 48 threads have a whole warp, whose loops are the vectorised ones, and half of one.
 */
#include "../device.h"

int main(int argc, char **argv) {
    if (argc < 8 || argc > 10) die("usage: run MODULE IN OUT KERNELS VECTORS SLOTS SLOTS [THREADS [CLUSTER]]");
    const unsigned block = argc > 8 ? (unsigned)atoi(argv[8]) : 48;
    if (argc > 9 && atoi(argv[9])) memcpy(device_cluster, D3((uint32_t)atoi(argv[9]), 1, 1), sizeof device_cluster);
    size_t length, in_length;
    char *text = read_file(argv[1], &length);
    unsigned kernels = (unsigned)atoi(argv[4]), vectors = (unsigned)atoi(argv[5]), in_slots = (unsigned)atoi(argv[6]), out_slots = (unsigned)atoi(argv[7]);
    size_t in_bytes = (size_t)vectors * in_slots * 8, out_bytes = (size_t)vectors * out_slots * 8;
    char *operands = read_file(argv[2], &in_length);
    if (in_length != kernels * in_bytes) die("%zu bytes of operands", in_length);
    FILE *results = fopen(argv[3], "wb");
    struct program p = program_load(text);
    unsigned char blob[64]; /* what kernels with a third parameter get: byte i is 7 i + 129 */
    for (unsigned i = 0; i < sizeof blob; i++) blob[i] = (unsigned char)(7 * i + 129);
    uint64_t in = device_alloc(in_bytes), out = device_alloc(out_bytes);
    for (unsigned k = 0; k < kernels; k++) {
        char name[16];
        snprintf(name, sizeof name, "k%u", k);
        memcpy(host_of(in), operands + k * in_bytes, in_bytes);
        memset(host_of(out), 0xa5, out_bytes);
        LAUNCH(&p, name, D3(vectors / block, 1, 1), D3(block, 1, 1), 256, &in, &out, blob);
        if (fwrite(host_of(out), 1, out_bytes, results) != out_bytes) die("results cannot be written");
    }
    fclose(results);
    program_free(&p);
    free(text);
    free(operands);
    for (size_t i = 0; i < device.count; i++) free(device.list[i].host);
    free(device.printed);
    return 0;
}
