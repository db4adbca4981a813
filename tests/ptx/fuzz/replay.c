/* Runs a fuzz target over files and folders of inputs, for compilers without libFuzzer and for what was found before. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "target.h"

static long count;

static void replay(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0) {
        fprintf(stderr, "%s cannot be read\n", path);
        exit(2);
    }
    if (S_ISDIR(status.st_mode)) {
        DIR *folder = opendir(path);
        for (struct dirent *entry; folder && (entry = readdir(folder));) {
            char inner[4096];
            if (entry->d_name[0] == '.') continue;
            snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
            replay(inner);
        }
        if (folder) closedir(folder);
        return;
    }
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc((size_t)status.st_size + 1);
    size_t size = file ? fread(bytes, 1, (size_t)status.st_size, file) : 0;
    if (file) fclose(file);
    uint8_t *exact = realloc(bytes, size ? size : 1);
    fprintf(stderr, "%s\n", path); /* the last one named is the one that crashed */
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    count++;
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) replay(argv[i]);
    printf("%ld inputs\n", count);
    return count == 0;
}
