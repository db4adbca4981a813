/*
 * What cuLink* is given beside PTX and fat binaries: host object files, which carry fat binaries in sections of their own, and libraries
 * of them. Their PTX is linked; a member that has only machine code contributes nothing, and what is then missing is named when the link
 * is completed. libcudadevrt.a's functions end in calls that a driver answers, so its member stands for the texts below. All of it is
 * a tenant's bytes: nothing is believed that the size does not cover.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"

/* The part of the device runtime that this GPU has: grids of cooperative launches, as cooperative groups and numba ask for them (scope 1;
 * %envreg1 and 2 hold the workspace, 0 in other launches). The barrier's word counts arrivals; the first block's turns its highest bit over. */
static const char device_runtime[] =
    ".version 6.0\n.target sm_30\n.address_size 64\n"
    ".weak .func (.param .b64 handle) cudaCGGetIntrinsicHandle(.param .b32 scope) {\n"
    "  .reg .pred %p; .reg .b32 %r<3>; .reg .b64 %d<2>;\n"
    "  ld.param.u32 %r0, [scope]; mov.u32 %r1, %envreg1; mov.u32 %r2, %envreg2; mov.b64 %d0, {%r2, %r1};\n"
    "  setp.eq.u32 %p, %r0, 1; selp.b64 %d1, %d0, 0, %p; st.param.b64 [handle], %d1; ret;\n}\n"
    ".weak .func (.param .b32 status) cudaCGSynchronize(.param .b64 handle, .param .b32 flags) {\n"
    "  .reg .pred %p; .reg .b32 %r<8>; .reg .b64 %d;\n"
    "  ld.param.u64 %d, [handle]; setp.eq.u64 %p, %d, 0; @%p bra INVALID;\n"
    "  bar.sync 0;\n"
    "  mov.u32 %r0, %tid.x; mov.u32 %r1, %tid.y; or.b32 %r0, %r0, %r1; mov.u32 %r1, %tid.z; or.b32 %r0, %r0, %r1;\n"
    "  setp.ne.u32 %p, %r0, 0; @%p bra MET;\n"
    "  mov.u32 %r2, %nctaid.x; mov.u32 %r3, %nctaid.y; mul.lo.u32 %r2, %r2, %r3; mov.u32 %r3, %nctaid.z; mul.lo.u32 %r2, %r2, %r3;\n"
    "  sub.u32 %r2, 0x80000001, %r2;\n"
    "  mov.u32 %r0, %ctaid.x; mov.u32 %r1, %ctaid.y; or.b32 %r0, %r0, %r1; mov.u32 %r1, %ctaid.z; or.b32 %r0, %r0, %r1;\n"
    "  setp.eq.u32 %p, %r0, 0; selp.b32 %r4, %r2, 1, %p;\n"
    "  membar.gl; atom.add.u32 %r5, [%d+128], %r4;\n"
    "AGAIN: ld.volatile.u32 %r6, [%d+128]; xor.b32 %r7, %r6, %r5; setp.ge.s32 %p, %r7, 0; @%p bra AGAIN;\n"
    "  membar.gl;\n"
    "MET: bar.sync 0; st.param.b32 [status], 0; ret;\n"
    "INVALID: st.param.b32 [status], 1; ret;\n}\n"
    ".weak .func (.param .b32 status) cudaCGSynchronizeGrid(.param .b64 handle, .param .b32 flags) {\n"
    "  .reg .b32 %r<2>; .reg .b64 %d;\n"
    "  ld.param.u64 %d, [handle]; ld.param.u32 %r0, [flags];\n"
    "  { .param .b64 a; .param .b32 b; .param .b32 c; st.param.b64 [a], %d; st.param.b32 [b], %r0; call (c), cudaCGSynchronize, (a, b); ld.param.b32 %r1, [c]; }\n"
    "  st.param.b32 [status], %r1; ret;\n}\n"
    ".weak .func (.param .b32 status) cudaCGGetSize(.param .b64 threads, .param .b64 grids, .param .b64 handle) {\n"
    "  .reg .pred %p; .reg .b32 %r<7>; .reg .b64 %d<3>;\n"
    "  ld.param.u64 %d0, [threads]; ld.param.u64 %d1, [grids]; ld.param.u64 %d2, [handle]; setp.eq.u64 %p, %d2, 0; @%p bra INVALID;\n"
    "  mov.u32 %r0, %ntid.x; mov.u32 %r1, %ntid.y; mov.u32 %r2, %ntid.z; mov.u32 %r3, %nctaid.x; mov.u32 %r4, %nctaid.y; mov.u32 %r5, %nctaid.z;\n"
    "  mul.lo.u32 %r0, %r0, %r1; mul.lo.u32 %r0, %r0, %r2; mul.lo.u32 %r0, %r0, %r3; mul.lo.u32 %r0, %r0, %r4; mul.lo.u32 %r0, %r0, %r5;\n"
    "  setp.ne.u64 %p, %d0, 0; @%p st.u32 [%d0], %r0; setp.ne.u64 %p, %d1, 0; @%p st.u32 [%d1], 1; st.param.b32 [status], 0; ret;\n"
    "INVALID: st.param.b32 [status], 1; ret;\n}\n"
    ".weak .func (.param .b32 status) cudaCGGetRank(.param .b64 thread, .param .b64 grid, .param .b64 handle) {\n"
    "  .reg .pred %p; .reg .b32 %r<12>; .reg .b64 %d<3>;\n"
    "  ld.param.u64 %d0, [thread]; ld.param.u64 %d1, [grid]; ld.param.u64 %d2, [handle]; setp.eq.u64 %p, %d2, 0; @%p bra INVALID;\n"
    "  mov.u32 %r0, %ntid.x; mov.u32 %r1, %ntid.y; mov.u32 %r2, %ntid.z; mov.u32 %r3, %nctaid.x; mov.u32 %r4, %nctaid.y;\n"
    "  mov.u32 %r5, %ctaid.z; mov.u32 %r6, %ctaid.y; mad.lo.u32 %r5, %r5, %r4, %r6; mov.u32 %r6, %ctaid.x; mad.lo.u32 %r5, %r5, %r3, %r6;\n"
    "  mov.u32 %r6, %tid.z; mov.u32 %r7, %tid.y; mad.lo.u32 %r6, %r6, %r1, %r7; mov.u32 %r7, %tid.x; mad.lo.u32 %r6, %r6, %r0, %r7;\n"
    "  mul.lo.u32 %r0, %r0, %r1; mul.lo.u32 %r0, %r0, %r2; mad.lo.u32 %r5, %r5, %r0, %r6;\n"
    "  setp.ne.u64 %p, %d0, 0; @%p st.u32 [%d0], %r5; setp.ne.u64 %p, %d1, 0; @%p st.u32 [%d1], 0; st.param.b32 [status], 0; ret;\n"
    "INVALID: st.param.b32 [status], 1; ret;\n}\n";

/* Fat binaries one behind the other; true: all of it went well, also when there is no PTX in it that this GPU takes. */
static CUresult from_section(const char *data, size_t size, const char *name, struct rf_texts *into, char *log) {
  size_t at = 0;
  while (size - at >= 16) {
    uint32_t magic;
    uint16_t header_size;
    uint64_t body;
    memcpy(&magic, data + at, sizeof magic);
    memcpy(&header_size, data + at + 6, sizeof header_size);
    memcpy(&body, data + at + 8, sizeof body);
    if (magic == 0) { /* padding */
      at += 8;
      continue;
    }
    if (body > size - at || header_size > size - at - body) return CUDA_ERROR_INVALID_IMAGE;
    struct rf_texts texts = {0};
    CUresult result = rf_texts_find(data + at, header_size + body, name, &texts, log);
    for (size_t i = 0; !result && i < texts.count; i++)
      if (!rf_texts_add(into, texts.list[i].text, texts.list[i].length, name)) result = CUDA_ERROR_OUT_OF_MEMORY;
    rf_texts_free(&texts);
    if (result && result != CUDA_ERROR_NO_BINARY_FOR_GPU) return result;
    at += header_size + body;
  }
  return CUDA_SUCCESS;
}

static bool holds_code(const char *section) { return strcmp(section, ".nv_fatbin") == 0 || strcmp(section, "__nv_relfatbin") == 0; }

CUresult rf_texts_of_object(const void *data, size_t size, const char *name, struct rf_texts *into, char *log) {
  const char *const bytes = data;
  Elf64_Ehdr header;
  Elf64_Shdr names, section;
  if (size < sizeof header) return CUDA_ERROR_INVALID_IMAGE;
  memcpy(&header, bytes, sizeof header);
  if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_shentsize != sizeof section ||
      header.e_shoff > size || (size - header.e_shoff) / sizeof section < header.e_shnum || header.e_shstrndx >= header.e_shnum)
    return CUDA_ERROR_INVALID_IMAGE;
  memcpy(&names, bytes + header.e_shoff + header.e_shstrndx * sizeof names, sizeof names);
  if (names.sh_offset > size || names.sh_size > size - names.sh_offset) return CUDA_ERROR_INVALID_IMAGE;
  for (unsigned i = 0; i < header.e_shnum; i++) {
    memcpy(&section, bytes + header.e_shoff + i * sizeof section, sizeof section);
    if (section.sh_type == SHT_NOBITS || section.sh_type == SHT_NULL) continue;
    if (section.sh_name >= names.sh_size || !memchr(bytes + names.sh_offset + section.sh_name, 0, names.sh_size - section.sh_name) ||
        section.sh_offset > size || section.sh_size > size - section.sh_offset)
      return CUDA_ERROR_INVALID_IMAGE;
    if (!holds_code(bytes + names.sh_offset + section.sh_name)) continue;
    const CUresult result = from_section(bytes + section.sh_offset, section.sh_size, name, into, log);
    if (result) return result;
  }
  return CUDA_SUCCESS;
}

static bool is_device_runtime(const char *member, const char *names, size_t names_size) {
  static const char wanted[] = "cuda_device_runtime.o/";
  char digits[16] = {0};
  memcpy(digits, member + 1, sizeof digits - 1);
  const unsigned long long at = strtoull(digits, NULL, 10);
  return member[0] == '/' && digits[0] >= '0' && digits[0] <= '9' && at < names_size && names_size - at >= sizeof wanted - 1 &&
         memcmp(names + at, wanted, sizeof wanted - 1) == 0;
}

CUresult rf_texts_of_library(const void *data, size_t size, const char *name, struct rf_texts *into, char *log) {
  enum { MAGIC = 8, HEADER = 60, SIZE_AT = 48, SIZE_LENGTH = 10 };
  const char *const bytes = data;
  const char *names = NULL; /* of members whose names are longer than 15 bytes; a header then has a slash and the place in here */
  size_t names_size = 0;
  if (size < MAGIC || memcmp(bytes, "!<arch>\n", MAGIC) != 0) return CUDA_ERROR_INVALID_IMAGE;
  for (size_t at = MAGIC; size - at >= HEADER;) {
    char digits[SIZE_LENGTH + 1] = {0};
    memcpy(digits, bytes + at + SIZE_AT, SIZE_LENGTH);
    char *end = NULL;
    const unsigned long long length = strtoull(digits, &end, 10);
    const char *const member = bytes + at;
    at += HEADER;
    if (end == digits || length > size - at) return CUDA_ERROR_INVALID_IMAGE;
    CUresult result = CUDA_SUCCESS;
    if (memcmp(member, "// ", 3) == 0) {
      names = bytes + at;
      names_size = length;
    } else if (is_device_runtime(member, names, names_size))
      result = rf_texts_add(into, device_runtime, sizeof device_runtime - 1, name) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
    else if (length >= SELFMAG && memcmp(bytes + at, ELFMAG, SELFMAG) == 0)
      result = rf_texts_of_object(bytes + at, length, name, into, log);
    if (result) return result;
    at += length + (length & 1 && length < size - at);
  }
  return CUDA_SUCCESS;
}
