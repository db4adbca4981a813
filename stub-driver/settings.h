/* The software GPU's settings, from RINGFENCE_STUB_*; docs/SOFTWARE-GPU.md describes each. */
#ifndef RF_STUB_SETTINGS_H
#define RF_STUB_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#define RF_MAX_DEVICES 16
#define RF_MAX_NAME 128

struct rf_settings {
  uint64_t memory;         /* bytes of each device, a multiple of the frame size */
  char name[RF_MAX_NAME];
  int devices;             /* that the program sees: the card's, as CUDA_VISIBLE_DEVICES chooses and orders them */
  int card_devices;        /* that the card has */
  int on_card[RF_MAX_DEVICES]; /* by the program's number: the card's */
  int card_fd;             /* inherited memfd, or -1 */
  const char *faults;      /* the text, or NULL */
  uint64_t bandwidth;      /* bytes a second of a copy, or 0: as fast as the host copies */
  uint64_t latency_ns;     /* added to each copy */
  uint64_t kernel_timeout_ns; /* kernels that run longer are ended; 0: none is */
  int threads;             /* that a kernel's blocks run on */
  bool eager_modules;      /* what cuModuleGetLoadingMode says: programs of the runtime load all their code at once, or each piece when it is wanted */
  bool lazy_loading;       /* the first launch of a module waits until its context is idle */
  bool process_faults;     /* a fault poisons all contexts of the process, later ones too, and not its own alone */
  int capability;          /* compute capability, x 10: 80, 90 or 100 */
  unsigned checks;         /* enum ptx_check bits: what kernels are looked over for */
  uint64_t inline_bytes;   /* an asynchronous operation of at most so many bytes may run on the caller's thread */
};

extern struct rf_settings rf_settings;

/* Reads the environment. False, after one line on stderr naming variable, value and form, when one is nonsense. */
bool rf_settings_read(void);

/* The UUID of a device by its number on the card; in device.c. */
void rf_device_uuid(int on_card, uint8_t uuid[16]);

/* Parses `16Gi 16GiB 4G 4GB 512M 64Ki 1K 1073741824`: Ki/Mi/Gi/Ti are powers of 1024, K/M/G/T of 1000. */
bool rf_parse_size(const char *text, uint64_t *bytes);

#endif
