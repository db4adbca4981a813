// Memsets. The columns are explained in ../table.ts.
import { hand, ptds, ptsz, row } from '../table.ts'

export const set = [
  row('cuMemsetD8', 2000, 'CUdeviceptr_v1 dstDevice, unsigned char uc, unsigned int N', hand('waited', 'GPU_SET')),
  row('cuMemsetD8_v2', 3020, 'CUdeviceptr dstDevice, unsigned char uc, size_t N', hand('waited', 'GPU_SET'), ptds(7000)),
  row('cuMemsetD16', 2000, 'CUdeviceptr_v1 dstDevice, unsigned short us, unsigned int N', hand('waited', 'GPU_SET')),
  row('cuMemsetD16_v2', 3020, 'CUdeviceptr dstDevice, unsigned short us, size_t N', hand('waited', 'GPU_SET'), ptds(7000)),
  row('cuMemsetD32', 2000, 'CUdeviceptr_v1 dstDevice, unsigned int ui, unsigned int N', hand('waited', 'GPU_SET')),
  row('cuMemsetD32_v2', 3020, 'CUdeviceptr dstDevice, unsigned int ui, size_t N', hand('waited', 'GPU_SET'), ptds(7000)),
  row('cuMemsetD2D8', 2000, 'CUdeviceptr_v1 dstDevice, unsigned int dstPitch, unsigned char uc, unsigned int Width, unsigned int Height', hand('waited', 'GPU_SET')),
  row('cuMemsetD2D8_v2', 3020, 'CUdeviceptr dstDevice, size_t dstPitch, unsigned char uc, size_t Width, size_t Height', hand('waited', 'GPU_SET'), ptds(7000)),
  row('cuMemsetD2D16', 2000, 'CUdeviceptr_v1 dstDevice, unsigned int dstPitch, unsigned short us, unsigned int Width, unsigned int Height', hand('waited', 'GPU_SET')),
  row('cuMemsetD2D16_v2', 3020, 'CUdeviceptr dstDevice, size_t dstPitch, unsigned short us, size_t Width, size_t Height', hand('waited', 'GPU_SET'), ptds(7000)),
  row('cuMemsetD2D32', 2000, 'CUdeviceptr_v1 dstDevice, unsigned int dstPitch, unsigned int ui, unsigned int Width, unsigned int Height', hand('waited', 'GPU_SET')),
  row('cuMemsetD2D32_v2', 3020, 'CUdeviceptr dstDevice, size_t dstPitch, unsigned int ui, size_t Width, size_t Height', hand('waited', 'GPU_SET'), ptds(7000)),
  row('cuMemsetD8Async', 3020, 'CUdeviceptr dstDevice, unsigned char uc, size_t N, CUstream hStream', hand('posted', 'GPU_SET'), ptsz(7000)),
  row('cuMemsetD16Async', 3020, 'CUdeviceptr dstDevice, unsigned short us, size_t N, CUstream hStream', hand('posted', 'GPU_SET'), ptsz(7000)),
  row('cuMemsetD32Async', 3020, 'CUdeviceptr dstDevice, unsigned int ui, size_t N, CUstream hStream', hand('posted', 'GPU_SET'), ptsz(7000)),
  row('cuMemsetD2D8Async', 3020, 'CUdeviceptr dstDevice, size_t dstPitch, unsigned char uc, size_t Width, size_t Height, CUstream hStream', hand('posted', 'GPU_SET'), ptsz(7000)),
  row('cuMemsetD2D16Async', 3020, 'CUdeviceptr dstDevice, size_t dstPitch, unsigned short us, size_t Width, size_t Height, CUstream hStream', hand('posted', 'GPU_SET'), ptsz(7000)),
  row('cuMemsetD2D32Async', 3020, 'CUdeviceptr dstDevice, size_t dstPitch, unsigned int ui, size_t Width, size_t Height, CUstream hStream', hand('posted', 'GPU_SET'), ptsz(7000)),
]
