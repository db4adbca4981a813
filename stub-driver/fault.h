/* Faults on order (RINGFENCE_STUB_FAULTS): calls that fail, operations that poison their context, a device that is lost. */
#ifndef RF_STUB_FAULT_H
#define RF_STUB_FAULT_H

#include <stdbool.h>

#include "api.h"

#define RF_FAULTS_FORM                                                                                      \
  "a comma-separated list of FUNCTION@N=CODE (its N-th call), FUNCTION@N+=CODE (from the N-th on), "        \
  "op@N=illegal-address or op@N=device-lost (the N-th copy or memset); CODE is a number or a CUDA_ERROR_ name"

/* Parses the list and arms it. False when it is nonsense; nothing is armed then. */
bool rf_faults_parse(const char *text);

/* Makes each call come by rf_fault_call though no fault is ordered: that is where debug logging sees it. */
void rf_faults_watch(void);

enum rf_op_fault { RF_OP_FAULT_NONE, RF_OP_FAULT_ILLEGAL_ADDRESS, RF_OP_FAULT_DEVICE_LOST };

/* Counts one operation of the GPU, and answers what was ordered for it. Called only when faults are armed. */
enum rf_op_fault rf_fault_operation(void);

#endif
