// Events. The columns are explained in ../table.ts.
import { hand, posted, ptsz, row, waited } from '../table.ts'

export const event = [
  row('cuEventCreate', 2000, 'CUevent *phEvent, unsigned int Flags', waited()),
  row('cuEventRecord', 2000, 'CUevent hEvent, CUstream hStream', posted({ capture: true, sure: 'vgpu_sure_record(hEvent, hStream)' }), ptsz(7000)),
  row('cuEventRecordWithFlags', 11010, 'CUevent hEvent, CUstream hStream, unsigned int flags', posted({ capture: true, sure: 'flags == 0 && vgpu_sure_record(hEvent, hStream)' }), ptsz(11010)),
  row('cuEventQuery', 2000, 'CUevent hEvent', waited({ capture: true })),
  row('cuEventSynchronize', 2000, 'CUevent hEvent', hand('waited', 'GPU_SYNC')),
  row('cuEventDestroy', 2000, 'CUevent hEvent', hand('waited', 'EVENT_DESTROY')),
  row('cuEventDestroy_v2', 4000, 'CUevent hEvent', hand('waited', 'EVENT_DESTROY')),
  row('cuEventElapsedTime', 2000, 'float *pMilliseconds, CUevent hStart, CUevent hEnd', waited({ capture: true })),
  row('cuEventElapsedTime_v2', 12080, 'float *pMilliseconds, CUevent hStart, CUevent hEnd', waited({ capture: true })),
]
