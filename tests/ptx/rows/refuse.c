/* Loads texts that must be refused. argv: a file of texts parted by lines of "//====". Prints of each its status and the log's
 * first line. */
#include <stdio.h>
#include <string.h>

#include "../device.h"

int main(int argc, char **argv) {
    if (argc != 2) die("usage: refuse FILE");
    size_t length;
    char *text = read_file(argv[1], &length);
    for (char *at = text, *stop; at; at = stop ? stop + 7 : NULL) {
        static char log[4096];
        struct ptx_module *module = NULL;
        stop = strstr(at, "//====\n");
        size_t size = stop ? (size_t)(stop - at) : strlen(at);
        char *exact = malloc(size ? size : 1); /* so that a read past the end is seen */
        memcpy(exact, at, size);
        enum ptx_status status = ptx_module_load(exact, size, NULL, &module, log, sizeof log);
        log[strcspn(log, "\n")] = 0;
        printf("%d %s\n", status, log);
        ptx_module_free(module);
        free(exact);
    }
    free(text);
    return 0;
}
