// Calls that nobody waits for: what they cost the calling thread, and how many a second the executor keeps up with.
import type { Metric, Measurement } from '../model.ts'

const client: Metric = { name: 'client', title: 'client side', unit: 'ns', better: 'lower', bar: { value: 150 } }
const cpu: Metric = { name: 'client_cpu', title: 'client side, CPU time', unit: 'ns', better: 'lower' }
const rate: Metric = { name: 'sustained', title: 'sustained', unit: '/s', better: 'higher' }
const metrics: Metric[] = [client, cpu, { ...rate, bar: { value: 1_500_000 } }]

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

export const launch: Measurement = {
  name: 'launch',
  title: 'posted call: kernel launch',
  what: 'cuLaunchKernel of an empty kernel, one thread: the call that CUDA is about.',
  subject: { program: 'programs/posted', arguments: ['launch', '100000'] },
  reference,
  // No bar for the rate: the software GPU starts a kernel in 10 us, whoever launches it.
  metrics: [client, cpu, rate],
}
