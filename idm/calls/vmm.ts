// The virtual memory calls: addresses, physical memory and mappings apart. The columns are explained in ../table.ts.
import { hand, local, ptsz, refused, row } from '../table.ts'

export const vmm = [
  row('cuMemGetHandleForAddressRange', 11070, 'void *handle, CUdeviceptr dptr, size_t size, CUmemRangeHandleType handleType, unsigned long long flags', refused()),
  row('cuMemAddressReserve', 10020, 'CUdeviceptr *ptr, size_t size, size_t alignment, CUdeviceptr addr, unsigned long long flags', hand('waited', 'ADDRESS_RESERVE')),
  row('cuMemAddressFree', 10020, 'CUdeviceptr ptr, size_t size', hand('waited', 'ADDRESS_FREE')),
  row('cuMemCreate', 10020, 'CUmemGenericAllocationHandle *handle, size_t size, const CUmemAllocationProp *prop, unsigned long long flags', hand('waited', 'MEM_CREATE')),
  row('cuMemRelease', 10020, 'CUmemGenericAllocationHandle handle', hand('waited', 'MEM_RELEASE')),
  row('cuMemMap', 10020, 'CUdeviceptr ptr, size_t size, size_t offset, CUmemGenericAllocationHandle handle, unsigned long long flags', hand('waited', 'MEM_MAP')),
  row('cuMemMapArrayAsync', 11010, 'CUarrayMapInfo *mapInfoList, unsigned int count, CUstream hStream', refused(), ptsz(11010)),
  row('cuMemUnmap', 10020, 'CUdeviceptr ptr, size_t size', hand('waited', 'MEM_UNMAP')),
  row('cuMemSetAccess', 10020, 'CUdeviceptr ptr, size_t size, const CUmemAccessDesc *desc, size_t count', hand('waited', 'MEM_SET_ACCESS')),
  row('cuMemGetAccess', 10020, 'unsigned long long *flags, const CUmemLocation *location, CUdeviceptr ptr', hand('waited', 'MEM_GET_ACCESS')),
  row('cuMemExportToShareableHandle', 10020, 'void *shareableHandle, CUmemGenericAllocationHandle handle, CUmemAllocationHandleType handleType, unsigned long long flags', hand('waited', 'MEM_EXPORT')),
  row('cuMemImportFromShareableHandle', 10020, 'CUmemGenericAllocationHandle *handle, void *osHandle, CUmemAllocationHandleType shHandleType', hand('waited', 'MEM_IMPORT')),
  row('cuMemGetAllocationGranularity', 10020, 'size_t *granularity, const CUmemAllocationProp *prop, CUmemAllocationGranularity_flags option', local()),
  row('cuMemGetAllocationPropertiesFromHandle', 10020, 'CUmemAllocationProp *prop, CUmemGenericAllocationHandle handle', hand('waited', 'MEM_PROPERTIES')),
  row('cuMemRetainAllocationHandle', 11000, 'CUmemGenericAllocationHandle *handle, void *addr', hand('waited', 'MEM_RETAIN')),
  row('cuMulticastCreate', 12010, 'CUmemGenericAllocationHandle *mcHandle, const CUmulticastObjectProp *prop', refused()),
  row('cuMulticastAddDevice', 12010, 'CUmemGenericAllocationHandle mcHandle, CUdevice dev', refused()),
  row('cuMulticastBindMem', 12010, 'CUmemGenericAllocationHandle mcHandle, size_t mcOffset, CUmemGenericAllocationHandle memHandle, size_t memOffset, size_t size, unsigned long long flags', refused()),
  row('cuMulticastBindAddr', 12010, 'CUmemGenericAllocationHandle mcHandle, size_t mcOffset, CUdeviceptr memptr, size_t size, unsigned long long flags', refused()),
  row('cuMulticastUnbind', 12010, 'CUmemGenericAllocationHandle mcHandle, CUdevice dev, size_t mcOffset, size_t size', refused()),
  row('cuMulticastGetGranularity', 12010, 'size_t *granularity, const CUmulticastObjectProp *prop, CUmulticastGranularity_flags option', refused()),
]
