/* vmm.c - the virtual memory calls: addresses, physical memory and mappings apart. None needs a current context.
 * Addresses come from the zone's window, which this process keeps free of its own mappings. */
#include <stddef.h>
#include <string.h>

#include "call.h"
#include "device.h"
#include "hand.h"
#include "sure.h"
#include "token.h"

static CUresult begin(struct vgpu_call *call, uint16_t message, uint32_t bytes)
{
    return vgpu_begin(call, message, bytes, VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
}

CUresult vgpu_cuMemAddressReserve(CUdeviceptr *ptr, size_t size, size_t alignment, CUdeviceptr addr, unsigned long long flags)
{
    if (!ptr || size == 0 || flags != 0 || (alignment & (alignment - 1))) return CUDA_ERROR_INVALID_VALUE;
    struct vgpu_call call;
    CUresult error = begin(&call, RF_ADDRESS_RESERVE, sizeof(struct rf_ADDRESS_RESERVE));
    if (error != CUDA_SUCCESS) return error;
    struct rf_ADDRESS_RESERVE *request = call.payload;
    request->size = size;
    request->alignment = alignment;
    request->hint = addr;
    request->flags = flags;
    struct rf_ADDRESS_RESERVE_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error == CUDA_SUCCESS) *ptr = reply.address;
    return error;
}

CUresult vgpu_cuMemAddressFree(CUdeviceptr ptr, size_t size)
{
    struct vgpu_call call;
    CUresult error = begin(&call, RF_ADDRESS_FREE, sizeof(struct rf_ADDRESS_FREE));
    if (error != CUDA_SUCCESS) return error;
    struct rf_ADDRESS_FREE *request = call.payload;
    request->address = ptr;
    request->size = size;
    return vgpu_wait(&call, NULL, 0);
}

/* Locations on the wire are the executor's device numbers. */
static CUresult wire_location(const CUmemLocation *location, uint32_t *type, int32_t *number)
{
    switch ((int)location->type) {
    case CU_MEM_LOCATION_TYPE_DEVICE: break;
    case CU_MEM_LOCATION_TYPE_HOST:
    case CU_MEM_LOCATION_TYPE_HOST_NUMA:
    case CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT: return CUDA_ERROR_NOT_SUPPORTED; /* host memory behind device addresses */
    default: return CUDA_ERROR_INVALID_VALUE;
    }
    if (!vgpu_device(location->id)) return CUDA_ERROR_INVALID_DEVICE;
    *type = (uint32_t)location->type;
    *number = vgpu_device_to_wire(location->id);
    return CUDA_SUCCESS;
}

CUresult vgpu_cuMemCreate(CUmemGenericAllocationHandle *handle, size_t size, const CUmemAllocationProp *prop, unsigned long long flags)
{
    uint32_t location_type;
    int32_t location;
    if (!handle || !prop || size == 0 || flags != 0 || prop->type != CU_MEM_ALLOCATION_TYPE_PINNED) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = wire_location(&prop->location, &location_type, &location);
    if (error != CUDA_SUCCESS) return error;
    if (prop->requestedHandleTypes & ~CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) return CUDA_ERROR_NOT_SUPPORTED; /* Windows, other machines */
    struct vgpu_call call;
    error = begin(&call, RF_MEM_CREATE, sizeof(struct rf_MEM_CREATE));
    if (error != CUDA_SUCCESS) return error;
    struct rf_MEM_CREATE *request = call.payload;
    request->size = size;
    request->flags = flags;
    request->type = (uint32_t)prop->type;
    request->handle_types = (uint32_t)prop->requestedHandleTypes;
    request->location_type = location_type;
    request->location = location;
    struct rf_MEM_CREATE_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error == CUDA_SUCCESS) *handle = reply.allocation;
    return error;
}

CUresult vgpu_cuMemRelease(CUmemGenericAllocationHandle handle)
{
    struct vgpu_call call;
    CUresult error = begin(&call, RF_MEM_RELEASE, sizeof(struct rf_MEM_RELEASE));
    if (error != CUDA_SUCCESS) return error;
    ((struct rf_MEM_RELEASE *)call.payload)->allocation = handle;
    return vgpu_wait(&call, NULL, 0);
}

CUresult vgpu_cuMemExportToShareableHandle(void *shareableHandle, CUmemGenericAllocationHandle handle, CUmemAllocationHandleType handleType, unsigned long long flags)
{
    if (!shareableHandle || flags != 0) return CUDA_ERROR_INVALID_VALUE;
    if (handleType != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) return CUDA_ERROR_NOT_SUPPORTED;
    return vgpu_token_export(VGPU_TOKEN_MEMORY, handle, shareableHandle);
}

CUresult vgpu_cuMemImportFromShareableHandle(CUmemGenericAllocationHandle *handle, void *osHandle, CUmemAllocationHandleType shHandleType)
{
    if (!handle) return CUDA_ERROR_INVALID_VALUE;
    if (shHandleType != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) return CUDA_ERROR_NOT_SUPPORTED;
    uint64_t allocation;
    CUresult error = vgpu_token_import(VGPU_TOKEN_MEMORY, (int)(intptr_t)osHandle, &allocation);
    if (error == CUDA_SUCCESS) *handle = allocation;
    return error;
}

CUresult vgpu_cuMemMap(CUdeviceptr ptr, size_t size, size_t offset, CUmemGenericAllocationHandle handle, unsigned long long flags)
{
    struct vgpu_call call;
    CUresult error = begin(&call, RF_MEM_MAP, sizeof(struct rf_MEM_MAP));
    if (error != CUDA_SUCCESS) return error;
    struct rf_MEM_MAP *request = call.payload;
    request->address = ptr;
    request->size = size;
    request->offset = offset;
    request->allocation = handle;
    request->flags = flags;
    return vgpu_wait(&call, NULL, 0);
}

CUresult vgpu_cuMemUnmap(CUdeviceptr ptr, size_t size)
{
    struct vgpu_call call;
    CUresult error = begin(&call, RF_MEM_UNMAP, sizeof(struct rf_MEM_UNMAP));
    if (error != CUDA_SUCCESS) return error;
    struct rf_MEM_UNMAP *request = call.payload;
    request->address = ptr;
    request->size = size;
    vgpu_sure_memory_remove(ptr);
    return vgpu_wait(&call, NULL, 0);
}

CUresult vgpu_cuMemSetAccess(CUdeviceptr ptr, size_t size, const CUmemAccessDesc *desc, size_t count)
{
    if (!desc || count == 0) return CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < count; i++) {
        uint32_t location_type;
        int32_t location;
        CUresult error = wire_location(&desc[i].location, &location_type, &location);
        if (error != CUDA_SUCCESS) return error;
        struct vgpu_call call;
        error = begin(&call, RF_MEM_SET_ACCESS, sizeof(struct rf_MEM_SET_ACCESS));
        if (error != CUDA_SUCCESS) return error;
        struct rf_MEM_SET_ACCESS *request = call.payload;
        request->address = ptr;
        request->size = size;
        request->location_type = location_type;
        request->location = location;
        request->flags = (uint32_t)desc[i].flags;
        vgpu_sure_memory_remove(ptr); /* as it was */
        error = vgpu_wait(&call, NULL, 0);
        if (error != CUDA_SUCCESS) return error;
        if (desc[i].flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE) vgpu_sure_memory_add(ptr, size, 1);
    }
    return CUDA_SUCCESS;
}

CUresult vgpu_cuMemGetAccess(unsigned long long *flags, const CUmemLocation *location, CUdeviceptr ptr)
{
    uint32_t location_type;
    int32_t number;
    if (!flags || !location) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = wire_location(location, &location_type, &number);
    if (error != CUDA_SUCCESS) return error;
    struct vgpu_call call;
    error = begin(&call, RF_MEM_GET_ACCESS, sizeof(struct rf_MEM_GET_ACCESS));
    if (error != CUDA_SUCCESS) return error;
    struct rf_MEM_GET_ACCESS *request = call.payload;
    request->address = ptr;
    request->location_type = location_type;
    request->location = number;
    struct rf_MEM_GET_ACCESS_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error == CUDA_SUCCESS) *flags = reply.flags;
    return error;
}

CUresult vgpu_cuMemGetAllocationGranularity(size_t *granularity, const CUmemAllocationProp *prop, CUmemAllocationGranularity_flags option)
{
    uint32_t location_type;
    int32_t location;
    if (!granularity || !prop || prop->type != CU_MEM_ALLOCATION_TYPE_PINNED) return CUDA_ERROR_INVALID_VALUE;
    if (option != CU_MEM_ALLOC_GRANULARITY_MINIMUM && option != CU_MEM_ALLOC_GRANULARITY_RECOMMENDED) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = wire_location(&prop->location, &location_type, &location);
    if (error == CUDA_SUCCESS) *granularity = vgpu.info.granularity;
    return error;
}

CUresult vgpu_cuMemGetAllocationPropertiesFromHandle(CUmemAllocationProp *prop, CUmemGenericAllocationHandle handle)
{
    struct vgpu_call call;
    if (!prop) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = begin(&call, RF_MEM_PROPERTIES, sizeof(struct rf_MEM_PROPERTIES));
    if (error != CUDA_SUCCESS) return error;
    ((struct rf_MEM_PROPERTIES *)call.payload)->allocation = handle;
    struct rf_MEM_PROPERTIES_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error != CUDA_SUCCESS) return error;
    memset(prop, 0, sizeof *prop);
    prop->type = (CUmemAllocationType)reply.type;
    prop->requestedHandleTypes = (CUmemAllocationHandleType)reply.handle_types;
    prop->location.type = (CUmemLocationType)reply.location_type;
    prop->location.id = vgpu_device_from_wire(reply.location);
    return CUDA_SUCCESS;
}

CUresult vgpu_cuMemRetainAllocationHandle(CUmemGenericAllocationHandle *handle, void *addr)
{
    struct vgpu_call call;
    if (!handle) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = begin(&call, RF_MEM_RETAIN, sizeof(struct rf_MEM_RETAIN));
    if (error != CUDA_SUCCESS) return error;
    ((struct rf_MEM_RETAIN *)call.payload)->address = (uintptr_t)addr;
    struct rf_MEM_RETAIN_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error == CUDA_SUCCESS) *handle = reply.allocation;
    return error;
}
