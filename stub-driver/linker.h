/* The state of a cuLink: texts until they are linked, then the image made of them. */
#ifndef RF_STUB_LINKER_H
#define RF_STUB_LINKER_H

#include "handle.h"
#include "image.h"

struct linker {
  struct rf_object object;
  struct rf_jit jit;
  struct rf_texts texts;
  void *packed; /* what cuLinkComplete gave out; lives as long as the state */
  bool busy;          /* a step of it is under way; under linker.c's lock */
};

#endif
