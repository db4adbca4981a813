// Calls that nobody waits for: what they cost the calling thread, and how many a second the executor keeps up with.
import type { Metric, Measurement } from '../model.ts'

const metrics: Metric[] = [
  { name: 'client', title: 'client side', unit: 'ns', better: 'lower', bar: { value: 150 } },
  { name: 'sustained', title: 'sustained', unit: '/s', better: 'higher', bar: { value: 1_500_000 } },
]

const reference = { program: 'references/stream', arguments: ['1000000'] }

export const record: Measurement = {
  name: 'record',
  title: 'posted call: event record',
  what: 'cuEventRecord on a stream of its own: the shortest posted call.',
  subject: { program: 'programs/posted', arguments: ['event-record', '200000'] },
  reference,
  metrics,
}

export const set: Measurement = {
  name: 'set',
  title: 'posted call: memset of 4 bytes',
  what: 'cuMemsetD8Async of 4 bytes: a device range is checked, and the software GPU has something to do.',
  subject: { program: 'programs/posted', arguments: ['memset', '200000'] },
  reference,
  metrics: metrics.map(({ name, title, unit, better }) => ({ name, title, unit, better })),
}
