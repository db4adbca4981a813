// Stream-ordered allocation and memory pools. The columns are explained in ../table.ts.
import { hand, ptsz, row } from '../table.ts'

export const pool = [
  row('cuDeviceSetMemPool', 11020, 'CUdevice dev, CUmemoryPool pool', hand('waited', 'POOL_OF_DEVICE')),
  row('cuDeviceGetMemPool', 11020, 'CUmemoryPool *pool, CUdevice dev', hand('waited', 'POOL_OF_DEVICE')),
  row('cuDeviceGetDefaultMemPool', 11020, 'CUmemoryPool *pool_out, CUdevice dev', hand('waited', 'POOL_OF_DEVICE')),
  row('cuMemFreeAsync', 11020, 'CUdeviceptr dptr, CUstream hStream', hand('posted', 'GPU_FREE'), ptsz(11020)),
  row('cuMemAllocAsync', 11020, 'CUdeviceptr *dptr, size_t bytesize, CUstream hStream', hand('waited', 'GPU_ALLOC'), ptsz(11020)),
  row('cuMemPoolTrimTo', 11020, 'CUmemoryPool pool, size_t minBytesToKeep', hand('waited', 'POOL_TRIM')),
  row('cuMemPoolSetAttribute', 11020, 'CUmemoryPool pool, CUmemPool_attribute attr, void *value', hand('waited', 'POOL_SET')),
  row('cuMemPoolGetAttribute', 11020, 'CUmemoryPool pool, CUmemPool_attribute attr, void *value', hand('waited', 'POOL_GET')),
  row('cuMemPoolSetAccess', 11020, 'CUmemoryPool pool, const CUmemAccessDesc *map, size_t count', hand('waited', 'POOL_GET')),
  row('cuMemPoolGetAccess', 11020, 'CUmemAccess_flags *flags, CUmemoryPool memPool, CUmemLocation *location', hand('waited', 'POOL_GET')),
  row('cuMemPoolCreate', 11020, 'CUmemoryPool *pool, const CUmemPoolProps *poolProps', hand('waited', 'POOL_CREATE')),
  row('cuMemPoolDestroy', 11020, 'CUmemoryPool pool', hand('waited', 'POOL_DESTROY')),
  row('cuMemGetDefaultMemPool', 13000, 'CUmemoryPool *pool_out, CUmemLocation *location, CUmemAllocationType type', hand('waited', 'POOL_OF_DEVICE')),
  row('cuMemGetMemPool', 13000, 'CUmemoryPool *pool, CUmemLocation *location, CUmemAllocationType type', hand('waited', 'POOL_OF_DEVICE')),
  row('cuMemSetMemPool', 13000, 'CUmemLocation *location, CUmemAllocationType type, CUmemoryPool pool', hand('waited', 'POOL_OF_DEVICE')),
  row('cuMemAllocFromPoolAsync', 11020, 'CUdeviceptr *dptr, size_t bytesize, CUmemoryPool pool, CUstream hStream', hand('waited', 'GPU_ALLOC'), ptsz(11020)),
  row('cuMemPoolExportToShareableHandle', 11020, 'void *handle_out, CUmemoryPool pool, CUmemAllocationHandleType handleType, unsigned long long flags', hand('waited', 'POOL_EXPORT')),
  row('cuMemPoolImportFromShareableHandle', 11020, 'CUmemoryPool *pool_out, void *handle, CUmemAllocationHandleType handleType, unsigned long long flags', hand('waited', 'POOL_IMPORT')),
  row('cuMemPoolExportPointer', 11020, 'CUmemPoolPtrExportData *shareData_out, CUdeviceptr ptr', hand('waited', 'POOL_GIVE')),
  row('cuMemPoolImportPointer', 11020, 'CUdeviceptr *ptr_out, CUmemoryPool pool, CUmemPoolPtrExportData *shareData', hand('waited', 'POOL_TAKE')),
]
