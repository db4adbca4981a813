// CUDA arrays and mipmapped arrays. The columns are explained in ../table.ts.
import { hand, row } from '../table.ts'

export const array = [
  row('cuArrayCreate', 2000, 'CUarray *pHandle, const CUDA_ARRAY_DESCRIPTOR_v1 *pAllocateArray', hand('waited', 'ARRAY_CREATE')),
  row('cuArrayCreate_v2', 3020, 'CUarray *pHandle, const CUDA_ARRAY_DESCRIPTOR *pAllocateArray', hand('waited', 'ARRAY_CREATE')),
  row('cuArrayGetDescriptor', 2000, 'CUDA_ARRAY_DESCRIPTOR_v1 *pArrayDescriptor, CUarray hArray', hand('waited', 'ARRAY_DESCRIBE')),
  row('cuArrayGetDescriptor_v2', 3020, 'CUDA_ARRAY_DESCRIPTOR *pArrayDescriptor, CUarray hArray', hand('waited', 'ARRAY_DESCRIBE')),
  row('cuArrayGetSparseProperties', 11010, 'CUDA_ARRAY_SPARSE_PROPERTIES *sparseProperties, CUarray array', hand('waited', 'ARRAY_DESCRIBE')),
  row('cuMipmappedArrayGetSparseProperties', 11010, 'CUDA_ARRAY_SPARSE_PROPERTIES *sparseProperties, CUmipmappedArray mipmap', hand('waited', 'MIPMAP_LEVEL')),
  row('cuArrayGetMemoryRequirements', 11060, 'CUDA_ARRAY_MEMORY_REQUIREMENTS *memoryRequirements, CUarray array, CUdevice device', hand('waited', 'ARRAY_DESCRIBE')),
  row('cuMipmappedArrayGetMemoryRequirements', 11060, 'CUDA_ARRAY_MEMORY_REQUIREMENTS *memoryRequirements, CUmipmappedArray mipmap, CUdevice device', hand('waited', 'MIPMAP_LEVEL')),
  row('cuArrayGetPlane', 11020, 'CUarray *pPlaneArray, CUarray hArray, unsigned int planeIdx', hand('waited', 'ARRAY_DESCRIBE')),
  row('cuArrayDestroy', 2000, 'CUarray hArray', hand('waited', 'ARRAY_DESTROY')),
  row('cuArray3DCreate', 2000, 'CUarray *pHandle, const CUDA_ARRAY3D_DESCRIPTOR_v1 *pAllocateArray', hand('waited', 'ARRAY_CREATE')),
  row('cuArray3DCreate_v2', 3020, 'CUarray *pHandle, const CUDA_ARRAY3D_DESCRIPTOR *pAllocateArray', hand('waited', 'ARRAY_CREATE')),
  row('cuArray3DGetDescriptor', 2000, 'CUDA_ARRAY3D_DESCRIPTOR_v1 *pArrayDescriptor, CUarray hArray', hand('waited', 'ARRAY_DESCRIBE')),
  row('cuArray3DGetDescriptor_v2', 3020, 'CUDA_ARRAY3D_DESCRIPTOR *pArrayDescriptor, CUarray hArray', hand('waited', 'ARRAY_DESCRIBE')),
  row('cuMipmappedArrayCreate', 5000, 'CUmipmappedArray *pHandle, const CUDA_ARRAY3D_DESCRIPTOR *pMipmappedArrayDesc, unsigned int numMipmapLevels', hand('waited', 'MIPMAP_CREATE')),
  row('cuMipmappedArrayGetLevel', 5000, 'CUarray *pLevelArray, CUmipmappedArray hMipmappedArray, unsigned int level', hand('waited', 'MIPMAP_LEVEL')),
  row('cuMipmappedArrayDestroy', 5000, 'CUmipmappedArray hMipmappedArray', hand('waited', 'MIPMAP_DESTROY')),
]
