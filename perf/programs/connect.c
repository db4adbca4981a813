/* connect - a fresh process to its first result: program. Nanoseconds, once each:
 *
 * connect  from the first instruction of main to the answer of a first waited call: cuInit, context, call
 * load     from the process's making (fork and exec of itself) to that answer, as its parent sees it: loading included */
#include "device.h"
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    uint64_t begin = now_ns();
    if (argc == 2 && strcmp(argv[1], "child") == 0) {
        CUdevice device = open_device();
        int least, greatest;
        MUST(cuCtxGetStreamPriorityRange(&least, &greatest));
        uint64_t took = now_ns() - begin;
        if (write(3, &took, sizeof took) != sizeof took) return 1;
        close_device(device);
        return 0;
    }
    int ends[2];
    if (pipe(ends) != 0) { perror("pipe"); return 1; }
    pid_t child = fork();
    if (child < 0) { perror("fork"); return 1; }
    if (child == 0) {
        if (dup2(ends[1], 3) != 3) _exit(126);
        execl("/proc/self/exe", argv[0], "child", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    uint64_t took;
    ssize_t got = read(ends[0], &took, sizeof took);
    uint64_t end = now_ns();
    int status;
    waitpid(child, &status, 0);
    if (got != sizeof took || status != 0) { fprintf(stderr, "the fresh process failed\n"); return 1; }
    report("connect", (double)took, "ns");
    report("load", (double)(end - begin), "ns");
    return 0;
}
