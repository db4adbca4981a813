// Bulk copies, 64 MiB: pageable memory goes through the region's staging, pinned memory is shared with the executor.
import type { Measurement } from '../model.ts'

const BYTES = String(64 << 20)
/** Of a slice the median, after one that is not counted: a machine with company takes a core away for some copies in a row. */
const COPIES = '3'
const SLICES = 6

const copy = (direction: 'h2d' | 'd2h', memory: 'pageable' | 'pinned', least: number): Measurement => ({
  name: `${direction}-${memory}`,
  title: `64 MiB ${direction === 'h2d' ? 'to' : 'from'} the device, ${memory}`,
  what: `${direction === 'h2d' ? 'cuMemcpyHtoD' : 'cuMemcpyDtoH'}, ${memory === 'pinned' ? 'memory of cuMemHostAlloc' : 'memory of malloc'}; the reference is one memcpy.`,
  subject: { program: 'programs/copy', arguments: [direction, memory, BYTES, COPIES] },
  reference: { program: 'references/memcpy', arguments: [BYTES, COPIES] },
  slices: SLICES,
  metrics: [{ name: 'rate', title: 'rate', unit: 'GB/s', better: 'higher', bar: { ratio: least, to: 'direct' } }],
})

export const copies: Measurement[] = [copy('h2d', 'pageable', 0.9), copy('d2h', 'pageable', 0.9), copy('h2d', 'pinned', 0.97), copy('d2h', 'pinned', 0.97)]
