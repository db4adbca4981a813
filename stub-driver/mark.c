/* The mark by which a program that was given a libcuda.so.1 knows the software GPU: no real driver exports this symbol. */
extern const int ringfence_software_gpu;
__attribute__((visibility("default"))) const int ringfence_software_gpu = 1;
