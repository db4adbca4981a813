/*
 * The card: physical memory in frames of 2 MiB, and who owns each.
 *
 * It is one shared mapping (a memfd): private to the process, or inherited by RINGFENCE_STUB_CARD_FD and then shared by
 * several processes, as one real card is. Nothing is ever zeroed: a freed frame keeps its bytes until its next owner
 * writes, as on hardware. No host memory is used for a frame before it is first touched, and no file is left behind.
 */
#ifndef RF_STUB_CARD_H
#define RF_STUB_CARD_H

#include "api.h"

#define RF_NO_FRAME UINT32_MAX

/* Opens or makes the card of rf_settings. False after one line on stderr. */
bool rf_card_open(void);

/* In a forked child: lets go of the card, so that the parent's death is seen though the child lives on. */
void rf_card_after_fork(void);

/* Takes `count` frames of a device, writes their numbers. Frames are numbered through all devices.
 * Errors: OUT_OF_MEMORY, after frames of dead processes have been reclaimed. */
CUresult rf_card_take(int device, uint32_t count, uint32_t *frames);

/* Gives frames back; their content stays. */
void rf_card_give(const uint32_t *frames, uint32_t count);

/* Bytes free on a device, across all processes that share the card, after frames of dead ones were reclaimed. */
uint64_t rf_card_free(int device);

/* Faults a whole frame of the process's view in at once, the first time; for operations on most of a frame, for which
 * taking its 512 pages one by one would cost more than the operation. `at` is anywhere in it. */
void rf_card_populate(const char *at);

/* The process's view of all frames, in order: frame n is at rf_card_bytes + n * RF_FRAME_SIZE. Constant after opening. */
extern char *rf_card_bytes;

#endif
