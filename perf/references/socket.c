/* socket - what an earlier limiter does for each call: one line of JSON each way over a UNIX socket, to a server that parses
 * it (socket.mjs, under the Node that RINGFENCE_PERF_NODE names, or the first in PATH). program SERVER [ROUNDS] */
#include "../programs/turns.h"
#include <sys/socket.h>
#include <sys/wait.h>

int main(int argc, char **argv)
{
    size_t rounds = number_argument(argc, argv, 2, 5000);
    int ends[2];
    if (argc < 2) { fprintf(stderr, "give the server's path\n"); return 2; }
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) { perror("socketpair"); return 1; }
    const char *node = getenv("RINGFENCE_PERF_NODE");
    pid_t child = fork();
    if (child < 0) { perror("fork"); return 1; }
    if (child == 0) {
        close(ends[0]);
        if (dup2(ends[1], 0) != 0) _exit(126);
        execlp(node ? node : "node", "node", argv[1], (char *)NULL);
        perror("node");
        _exit(127);
    }
    close(ends[1]);
    uint64_t *samples = samples_of(rounds);
    size_t warm = rounds / 5 + 1;
    turns_open();
    while (turn_begins()) {
        for (size_t i = 0; i < warm + rounds; i++) {
            char request[160], reply[160], *end;
            uint64_t begin = now_ns();
            int length = snprintf(request, sizeof request, "{\"id\":%zu,\"call\":\"cuCtxGetStreamPriorityRange\",\"context\":\"0x%zx\"}\n", i, i * 16);
            if (write(ends[0], request, (size_t)length) != length) { perror("write"); return 1; }
            size_t got = 0;
            do {
                ssize_t more = read(ends[0], reply + got, sizeof reply - 1 - got);
                if (more <= 0) { fprintf(stderr, "the server hung up\n"); return 1; }
                got += (size_t)more;
                reply[got] = 0;
            } while (!(end = strchr(reply, '\n')) && got < sizeof reply - 1);
            size_t id;
            int status, least, greatest;
            if (sscanf(reply, "{\"id\":%zu,\"status\":%d,\"least\":%d,\"greatest\":%d}", &id, &status, &least, &greatest) != 4 || id != i) {
                fprintf(stderr, "not the answer to request %zu: %s\n", i, reply);
                return 1;
            }
            if (i >= warm) samples[i - warm] = now_ns() - begin;
        }
        report_percentiles(samples, rounds);
        turn_ends();
    }
    close(ends[0]);
    waitpid(child, NULL, 0);
    turns_close();
    return 0;
}
