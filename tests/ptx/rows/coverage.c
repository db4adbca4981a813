/* What ran: each spelling that a program's kernels executed, a line each, appended to the file that PTX_COVERAGE names: the
 * row's number and each group's word, empty where it is left out, parted by tabs. Linked to the engine built with -DPTX_COVERAGE. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ptx/exec.h"

static char *spellings[1 << 16]; /* a hash table; a test executes some thousands at most */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The words are the row's own: the text that they were read from may be gone. */
static void spell(const struct statement *statement, char *out, size_t size) {
    size_t n = (size_t)snprintf(out, size, "%zu", (size_t)(statement->match.row - ptx_rows));
    unsigned group = 0;
    for (const char *at = statement->match.row->pattern; (at = strpbrk(at, "[{")); at++, group++)
        if (n < size) {
            const char *word = match_word(&statement->match, group);
            n += (size_t)snprintf(out + n, size - n, "\t%.*s", word ? (int)statement->match.group[group].length : 0, word ? word : "");
        }
}

static void write_all(void) {
    const char *path = getenv("PTX_COVERAGE");
    FILE *file = path ? fopen(path, "a") : NULL;
    for (size_t i = 0; file && i < sizeof spellings / sizeof spellings[0]; i++)
        if (spellings[i]) fprintf(file, "%s\n", spellings[i]);
    if (file) fclose(file);
}

void ptx_coverage(const struct statement *statement) {
    if (statement->executed || !statement->match.row) return; /* no row: the end of a function */
    char text[512];
    spell(statement, text, sizeof text);
    unsigned h = 2166136261u;
    for (const char *at = text; *at; at++) h = (h ^ (unsigned char)*at) * 16777619u;
    pthread_mutex_lock(&lock);
    static bool registered;
    if (!registered) atexit(write_all);
    registered = true;
    for (h &= 0xffff; spellings[h]; h = (h + 1) & 0xffff)
        if (strcmp(spellings[h], text) == 0) break;
    if (!spellings[h]) spellings[h] = strdup(text);
    ((struct statement *)(uintptr_t)statement)->executed = true;
    pthread_mutex_unlock(&lock);
}
