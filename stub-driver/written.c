/* See written.h. A bit a byte, in pieces of 64 KiB of addresses, found by hashing; a piece that is not there is unwritten. */
#include "written.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

#define PIECE UINT64_C(65536)
#define BUCKETS 4096

struct piece {
  struct piece *next;
  uint64_t number; /* address / PIECE */
  uint8_t bits[PIECE / 8];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct piece *pieces[BUCKETS];

static struct piece *find(uint64_t number, bool make) {
  struct piece **const bucket = &pieces[number % BUCKETS];
  struct piece *piece = *bucket;
  while (piece && piece->number != number) piece = piece->next;
  if (piece || !make) return piece;
  piece = calloc(1, sizeof *piece);
  if (!piece) {
    rf_log(RF_LOG_ERROR, "RINGFENCE_STUB_CHECK: no host memory to remember what is written; reads may be told wrongly");
    return NULL;
  }
  piece->number = number;
  piece->next = *bucket;
  return *bucket = piece;
}

void rf_written_mark(uint64_t address, uint64_t size, bool written) {
  pthread_mutex_lock(&lock);
  while (size) {
    const uint64_t at = address % PIECE, here = size < PIECE - at ? size : PIECE - at;
    struct piece *const piece = find(address / PIECE, written);
    if (piece) {
      uint64_t k = at;
      for (; k < at + here && k % 8; k++) piece->bits[k / 8] = (uint8_t)(written ? piece->bits[k / 8] | 1u << k % 8 : piece->bits[k / 8] & ~(1u << k % 8));
      const uint64_t whole = (at + here - k) / 8;
      if (k < at + here) memset(piece->bits + k / 8, written ? 0xff : 0, whole);
      for (k += 8 * whole; k < at + here; k++) piece->bits[k / 8] = (uint8_t)(written ? piece->bits[k / 8] | 1u << k % 8 : piece->bits[k / 8] & ~(1u << k % 8));
    }
    address += here;
    size -= here;
  }
  pthread_mutex_unlock(&lock);
}

bool rf_written_all(uint64_t address, uint64_t size) {
  bool all = true;
  pthread_mutex_lock(&lock);
  for (uint64_t i = 0; i < size && all; i++) {
    const struct piece *const piece = find((address + i) / PIECE, false);
    const uint64_t at = (address + i) % PIECE;
    all = piece && piece->bits[at / 8] >> at % 8 & 1;
  }
  pthread_mutex_unlock(&lock);
  return all;
}
