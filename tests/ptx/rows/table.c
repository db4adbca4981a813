/* The instruction table for the tests: a line a row, kind, pattern, operands and section parted by tabs. */
#include <stdio.h>

int main(void) {
#define ROW(section, kind, pattern, operands, key, note) printf("%s\t%s\t%s\t%s\n", #kind, pattern, operands, section);
#include "ptx/instructions.def"
    return 0;
}
