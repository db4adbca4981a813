/* nvenc.c - libnvidia-encode.so.1 for a zone: it says that there is no video encoder.
 *
 * A zone has compute and no video engines. GStreamer registers its CUDA elements (cudaupload, cudadownload, cudaconvert), which need
 * no engine, only where this library or NVIDIA's decoder library can be loaded; so it can be loaded, and every session that a
 * program opens through it is refused as on a card without an encoder. Source: NVENC API, NvEncodeAPICreateInstance. */
#include <stddef.h>
#include <stdint.h>

#define NVENC_EXPORT __attribute__((visibility("default")))

enum { NV_ENC_SUCCESS = 0, NV_ENC_ERR_NO_ENCODE_DEVICE = 1, NV_ENC_ERR_INVALID_PTR = 6 };

/* Major version << 4 | minor version of the API, as old as programs ask for. */
#define MAX_SUPPORTED_VERSION (12u << 4 | 0u)

NVENC_EXPORT int NvEncodeAPIGetMaxSupportedVersion(uint32_t *version)
{
    if (!version) return NV_ENC_ERR_INVALID_PTR;
    *version = MAX_SUPPORTED_VERSION;
    return NV_ENC_SUCCESS;
}

/* The list of functions begins with its version and a reserved word; the first of them opens a session, and so do all programs. */
struct function_list {
    uint32_t version, reserved;
    int (*functions[43])(void);
};

static int refuse(void) { return NV_ENC_ERR_NO_ENCODE_DEVICE; }

NVENC_EXPORT int NvEncodeAPICreateInstance(struct function_list *list)
{
    if (!list) return NV_ENC_ERR_INVALID_PTR;
    for (size_t i = 0; i < sizeof list->functions / sizeof *list->functions; i++) list->functions[i] = refuse;
    return NV_ENC_SUCCESS;
}
