/* device.c - identity and attributes of devices, answered from the info block without a message.
 *
 * Programs number the devices that CUDA_VISIBLE_DEVICES leaves them; numbers on the wire are the executor's own. */
#include "device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "context.h"
#include "hand.h"
#include "settings.h"
#include "visible_devices.h"

static int count;
static int wire[RF_DEVICES_MAX];

void vgpu_device_init(void)
{
    uint8_t uuids[RF_DEVICES_MAX][16];
    for (uint32_t i = 0; i < vgpu.info.device_count; i++) memcpy(uuids[i], vgpu.info.devices[i].uuid, sizeof uuids[i]);
    count = rf_visible_devices(vgpu_settings()->visible, (int)vgpu.info.device_count, uuids, wire);
}

int vgpu_device_count(void) { return count; }

const struct rf_device_info *vgpu_device(CUdevice device)
{
    return device >= 0 && device < count ? &vgpu.info.devices[wire[device]] : NULL;
}

int32_t vgpu_device_to_wire(CUdevice device) { return device >= 0 && device < count ? wire[device] : -1; }

CUdevice vgpu_device_from_wire(int32_t number)
{
    for (int i = 0; i < count; i++)
        if (wire[i] == number) return i;
    return -1;
}

int vgpu_device_attribute(const struct rf_device_info *info, CUdevice_attribute attribute)
{
    unsigned i = (unsigned)attribute;
    return i < RF_ATTRIBUTES && (info->present[i / 32] >> i % 32 & 1) ? info->attributes[i] : 0;
}

/* ---- the calls ---- */

CUresult vgpu_cuDeviceGetCount(int *out)
{
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    *out = count;
    return CUDA_SUCCESS;
}

CUresult vgpu_cuDeviceGet(CUdevice *device, int ordinal)
{
    if (!device) return CUDA_ERROR_INVALID_VALUE;
    if (!vgpu_device(ordinal)) return CUDA_ERROR_INVALID_DEVICE;
    *device = ordinal;
    return CUDA_SUCCESS;
}

CUresult vgpu_cuDeviceGetName(char *name, int len, CUdevice dev)
{
    const struct rf_device_info *info = vgpu_device(dev);
    if (!name || len <= 0) return CUDA_ERROR_INVALID_VALUE;
    if (!info) return CUDA_ERROR_INVALID_DEVICE;
    snprintf(name, (size_t)len, "%s", info->name);
    return CUDA_SUCCESS;
}

CUresult vgpu_cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice dev)
{
    const struct rf_device_info *info = vgpu_device(dev);
    if (!uuid) return CUDA_ERROR_INVALID_VALUE;
    if (!info) return CUDA_ERROR_INVALID_DEVICE;
    memcpy(uuid->bytes, info->uuid, sizeof uuid->bytes);
    return CUDA_SUCCESS;
}

CUresult vgpu_cuDeviceTotalMem_v2(size_t *bytes, CUdevice dev)
{
    const struct rf_device_info *info = vgpu_device(dev);
    if (!bytes) return CUDA_ERROR_INVALID_VALUE;
    if (!info) return CUDA_ERROR_INVALID_DEVICE;
    *bytes = info->total_memory;
    return CUDA_SUCCESS;
}

CUresult vgpu_cuDeviceTotalMem(unsigned int *bytes, CUdevice dev)
{
    size_t total;
    if (!bytes) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_cuDeviceTotalMem_v2(&total, dev);
    if (error == CUDA_SUCCESS) *bytes = total > UINT32_MAX ? UINT32_MAX : (unsigned int)total; /* the 32-bit form saturates */
    return error;
}

CUresult vgpu_cuDeviceGetAttribute(int *pi, CUdevice_attribute attrib, CUdevice dev)
{
    const struct rf_device_info *info = vgpu_device(dev);
    if (!pi) return CUDA_ERROR_INVALID_VALUE;
    if (!info) return CUDA_ERROR_INVALID_DEVICE;
    unsigned i = (unsigned)attrib;
    if (i >= RF_ATTRIBUTES || !(info->present[i / 32] >> i % 32 & 1)) return CUDA_ERROR_INVALID_VALUE;
    *pi = info->attributes[i];
    return CUDA_SUCCESS;
}

CUresult vgpu_cuDeviceComputeCapability(int *major, int *minor, CUdevice dev)
{
    const struct rf_device_info *info = vgpu_device(dev);
    if (!major || !minor) return CUDA_ERROR_INVALID_VALUE;
    if (!info) return CUDA_ERROR_INVALID_DEVICE;
    *major = vgpu_device_attribute(info, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
    *minor = vgpu_device_attribute(info, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
    return CUDA_SUCCESS;
}

CUresult vgpu_cuDeviceGetProperties(CUdevprop *prop, CUdevice dev)
{
    const struct rf_device_info *info = vgpu_device(dev);
    if (!prop) return CUDA_ERROR_INVALID_VALUE;
    if (!info) return CUDA_ERROR_INVALID_DEVICE;
    prop->maxThreadsPerBlock = vgpu_device_attribute(info, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
    for (int i = 0; i < 3; i++) {
        prop->maxThreadsDim[i] = vgpu_device_attribute(info, (CUdevice_attribute)(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X + i));
        prop->maxGridSize[i] = vgpu_device_attribute(info, (CUdevice_attribute)(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X + i));
    }
    prop->sharedMemPerBlock = vgpu_device_attribute(info, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK);
    prop->totalConstantMemory = vgpu_device_attribute(info, CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY);
    prop->SIMDWidth = vgpu_device_attribute(info, CU_DEVICE_ATTRIBUTE_WARP_SIZE);
    prop->memPitch = vgpu_device_attribute(info, CU_DEVICE_ATTRIBUTE_MAX_PITCH);
    prop->regsPerBlock = vgpu_device_attribute(info, CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK);
    prop->clockRate = vgpu_device_attribute(info, CU_DEVICE_ATTRIBUTE_CLOCK_RATE);
    prop->textureAlign = vgpu_device_attribute(info, CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT);
    return CUDA_SUCCESS;
}

static size_t format_bytes(CUarray_format format)
{
    switch ((int)format) {
    case CU_AD_FORMAT_UNSIGNED_INT8: case CU_AD_FORMAT_SIGNED_INT8: return 1;
    case CU_AD_FORMAT_UNSIGNED_INT16: case CU_AD_FORMAT_SIGNED_INT16: case CU_AD_FORMAT_HALF: return 2;
    case CU_AD_FORMAT_UNSIGNED_INT32: case CU_AD_FORMAT_SIGNED_INT32: case CU_AD_FORMAT_FLOAT: return 4;
    default: return 0;
    }
}

CUresult vgpu_cuDeviceGetTexture1DLinearMaxWidth(size_t *maxWidthInElements, CUarray_format format, unsigned numChannels, CUdevice dev)
{
    const struct rf_device_info *info = vgpu_device(dev);
    size_t element = format_bytes(format) * numChannels;
    if (!maxWidthInElements || element == 0 || (numChannels != 1 && numChannels != 2 && numChannels != 4)) return CUDA_ERROR_INVALID_VALUE;
    if (!info) return CUDA_ERROR_INVALID_DEVICE;
    /* The attribute is in texels; only what the zone could ever allocate limits it further. */
    size_t width = (size_t)vgpu_device_attribute(info, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_LINEAR_WIDTH);
    size_t fits = info->total_memory / element;
    *maxWidthInElements = width < fits ? width : fits;
    return CUDA_SUCCESS;
}

/* ---- PCI ---- */

CUresult vgpu_cuDeviceGetPCIBusId(char *pciBusId, int len, CUdevice dev)
{
    const struct rf_device_info *info = vgpu_device(dev);
    if (!pciBusId || len <= 0) return CUDA_ERROR_INVALID_VALUE;
    if (!info) return CUDA_ERROR_INVALID_DEVICE;
    char text[32];
    int length = snprintf(text, sizeof text, "%04x:%02x:%02x.0", (unsigned)vgpu_device_attribute(info, CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID) & 0xffffu,
                          (unsigned)vgpu_device_attribute(info, CU_DEVICE_ATTRIBUTE_PCI_BUS_ID) & 0xffu,
                          (unsigned)vgpu_device_attribute(info, CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID) & 0xffu);
    if (length >= len) return CUDA_ERROR_INVALID_VALUE;
    memcpy(pciBusId, text, (size_t)length + 1);
    return CUDA_SUCCESS;
}

CUresult vgpu_cuDeviceGetByPCIBusId(CUdevice *dev, const char *pciBusId)
{
    if (!dev || !pciBusId) return CUDA_ERROR_INVALID_VALUE;
    /* [domain]:[bus]:[device].[function], [domain]:[bus]:[device] or [bus]:[device].[function], hexadecimal */
    unsigned domain = 0, bus, device, function = 0;
    int end = 0;
    if ((sscanf(pciBusId, "%x:%x:%x.%x%n", &domain, &bus, &device, &function, &end) != 4 || pciBusId[end]) &&
        (sscanf(pciBusId, "%x:%x:%x%n", &domain, &bus, &device, &end) != 3 || pciBusId[end])) {
        domain = 0;
        if (sscanf(pciBusId, "%x:%x.%x%n", &bus, &device, &function, &end) != 3 || pciBusId[end]) return CUDA_ERROR_INVALID_VALUE;
    }
    for (CUdevice i = 0; i < count; i++) {
        const struct rf_device_info *info = vgpu_device(i);
        if (function == 0 && (unsigned)vgpu_device_attribute(info, CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID) == domain &&
            (unsigned)vgpu_device_attribute(info, CU_DEVICE_ATTRIBUTE_PCI_BUS_ID) == bus &&
            (unsigned)vgpu_device_attribute(info, CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID) == device) {
            *dev = i;
            return CUDA_SUCCESS;
        }
    }
    return CUDA_ERROR_INVALID_DEVICE;
}

/* ---- peers: a zone's devices do not see each other's memory ---- */

CUresult vgpu_cuDeviceCanAccessPeer(int *canAccessPeer, CUdevice dev, CUdevice peerDev)
{
    if (!canAccessPeer) return CUDA_ERROR_INVALID_VALUE;
    if (!vgpu_device(dev) || !vgpu_device(peerDev)) return CUDA_ERROR_INVALID_DEVICE;
    *canAccessPeer = 0;
    return CUDA_SUCCESS;
}

CUresult vgpu_cuDeviceGetP2PAttribute(int *value, CUdevice_P2PAttribute attrib, CUdevice srcDevice, CUdevice dstDevice)
{
    if (!value) return CUDA_ERROR_INVALID_VALUE;
    if (!vgpu_device(srcDevice) || !vgpu_device(dstDevice) || srcDevice == dstDevice) return CUDA_ERROR_INVALID_DEVICE;
    if ((int)attrib < 1 || (int)attrib > CU_DEVICE_P2P_ATTRIBUTE_ONLY_PARTIAL_NATIVE_ATOMIC_SUPPORTED) return CUDA_ERROR_INVALID_VALUE;
    *value = 0;
    return CUDA_SUCCESS;
}

CUresult vgpu_cuDeviceGetExecAffinitySupport(int *pi, CUexecAffinityType type, CUdevice dev)
{
    if (!pi || (int)type < 0 || (int)type >= CU_EXEC_AFFINITY_TYPE_MAX) return CUDA_ERROR_INVALID_VALUE;
    if (!vgpu_device(dev)) return CUDA_ERROR_INVALID_DEVICE;
    *pi = 0; /* a matter of MPS, which a zone is not */
    return CUDA_SUCCESS;
}
