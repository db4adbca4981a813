// Copies of all sizes, and on several streams. RINGFENCE_PERF_FULL=1 adds points, up to 1 GiB, which take minutes.
import type { Measurement, Metric } from '../model.ts'

const full = process.env['RINGFENCE_PERF_FULL'] === '1'
const SIZES = full ? [4, 64, 1024, 2 ** 14, 2 ** 16, 2 ** 18, 2 ** 20, 2 ** 22, 2 ** 24, 2 ** 26, 2 ** 28, 2 ** 30] : [4, 2 ** 12, 2 ** 16, 2 ** 20, 2 ** 24]
const STREAMS = [1, 2, 4]

const sizes = (direction: 'h2d' | 'd2h', memory: 'pageable' | 'pinned'): Measurement => ({
  name: `sizes-${direction}-${memory}`,
  title: `copies ${direction === 'h2d' ? 'to' : 'from'} the device, ${memory}`,
  what: `${direction === 'h2d' ? 'cuMemcpyHtoD' : 'cuMemcpyDtoH'} of 4 bytes to ${full ? '1 GiB' : '16 MiB'}.`,
  subject: { program: 'programs/sizes', arguments: [direction, memory, ...SIZES.map(String)] },
  metrics: SIZES.map((x): Metric => ({ name: `rate_${x}`, title: 'rate', unit: 'GB/s', better: 'higher', at: { curve: 'rate', x } })),
  curves: [{ name: 'rate', title: 'rate', over: 'bytes' }],
  repetitions: 3,
})

const streams = (direction: 'h2d' | 'd2h'): Measurement => ({
  name: `streams-${direction}`,
  title: `4 MiB copies ${direction === 'h2d' ? 'to' : 'from'} the device, pinned, on several streams`,
  what: `${direction === 'h2d' ? 'cuMemcpyHtoDAsync' : 'cuMemcpyDtoHAsync'}, 256 MiB in all, round the streams.`,
  subject: { program: 'programs/streams', arguments: [direction, String(4 << 20), ...STREAMS.map(String)] },
  metrics: STREAMS.map((x): Metric => ({ name: `rate_${x}`, title: 'rate', unit: 'GB/s', better: 'higher', at: { curve: 'rate', x } })),
  curves: [{ name: 'rate', title: 'rate of all', over: 'streams' }],
  repetitions: 3,
})

export const curvesOfCopies: Measurement[] = [sizes('h2d', 'pageable'), sizes('d2h', 'pageable'), sizes('h2d', 'pinned'), sizes('d2h', 'pinned'), streams('h2d'), streams('d2h')]
