/* What tests need to know of matrix instructions: how long their operands are. */
#ifndef RINGFENCE_PTX_MATRIX_H
#define RINGFENCE_PTX_MATRIX_H

#include "table.h"

/* Registers in operand `operand` (0 d, 1 a, 2 b, 3 c; any for those that have one fragment). *wide: they have 64 bits. */
unsigned matrix_registers(const struct opcode *opcode, unsigned operand, bool *wide);

#endif
