/* objects.h - pages that the executor made and shares with this process: pinned and managed memory.
 *
 * An object comes in two parts. Its descriptor comes over the socket, to the listener; its number, address and size come in the
 * reply to the call that made it, through the ring. They meet here. */
#ifndef VGPU_OBJECTS_H
#define VGPU_OBJECTS_H

#include <stdint.h>

#include "cuda.h"

/* From the listener: the descriptor of object `id`, whose bytes are [offset, offset + length) of it. Takes the descriptor. */
void vgpu_object_arrived(uint64_t id, int descriptor, uint64_t offset, uint64_t length);

/* From the listener: the broker is gone, whoever waits for a descriptor must look. */
void vgpu_objects_failed(void);

/* Whether the addresses that the GPU uses for shared pages could be kept free in this process. Without them pinned memory lies
 * at other addresses than the GPU's, and there is no managed memory. */
int vgpu_objects_in_place(void);

/* Maps `bytes` bytes of object `id` where `*at` says: the GPU's address if that is kept free here, else anywhere. Waits for the
 * descriptor. An object that is mapped at its place already is left as it is. *at: where it is.
 * Errors: CUDA_ERROR_OUT_OF_MEMORY (the kernel maps no more), the state's. */
CUresult vgpu_object_map(uint64_t id, uint64_t bytes, uintptr_t *at);

/* Maps object `id` at just [base, base + bytes), which nobody keeps free. CUDA_ERROR_NOT_SUPPORTED when the program has something
 * there. Mapped already: success. */
CUresult vgpu_object_map_at(uint64_t id, uint64_t base, uint64_t bytes);

/* Maps the first `whole` bytes of an object, and moves `bytes` of them, whole pages from `lead` on, over what is at `fixed`, after that
 * has been copied into them. *rest: where the object's first byte is mapped, if there are pages before or behind these; else 0. */
CUresult vgpu_object_move_over(uint64_t id, uint64_t whole, uint64_t lead, uint64_t bytes, void *fixed, uintptr_t *rest);

/* Takes an object's pages away again, unless another object has been mapped at the same place since. */
void vgpu_object_unmap(uint64_t id, uint64_t bytes, uintptr_t at);

uintptr_t vgpu_page_up(uintptr_t n);
uintptr_t vgpu_page_down(uintptr_t n);

#endif
