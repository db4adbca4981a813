// One client with many threads: they share a ring, an executor, and here two cores.
import type { Curve, Measurement, Metric } from '../model.ts'

const COUNTS = [1, 2, 4, 8, 16]
const KINDS = [
  { name: 'waited', title: 'waited calls, all together' },
  { name: 'posted', title: 'posted calls, all together' },
  { name: 'set', title: 'a memset, waited for, all together' },
]

export const threads: Measurement = {
  name: 'threads',
  title: 'threads of one client',
  what: 'cuStreamQuery, cuEventRecord, and cuMemsetD8Async of 256 bytes with cuStreamSynchronize, each thread with a stream, an event and memory of its own.',
  subject: { program: 'programs/threads', arguments: ['100', ...COUNTS.map(String)] },
  metrics: KINDS.flatMap(({ name, title }) => COUNTS.map((x): Metric => ({ name: `${name}_${x}`, title, unit: '/s', better: 'higher', at: { curve: name, x } }))),
  curves: KINDS.map(({ name, title }): Curve => ({ name, title, over: 'threads' })),
  repetitions: 3,
}
