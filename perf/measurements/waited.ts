// A call that is waited for while both sides are awake: the round trip that everything else is made of.
import { join } from 'node:path'
import type { Measurement } from '../model.ts'
import { root } from '../programs.ts'

const p = (name: string, title: string) => ({ name, title, unit: 'ns', better: 'lower' }) as const

const percentiles = [
  { ...p('p50', 'median'), bar: { ratio: 3, to: 'bare' } },
  p('p90', '90 %'),
  p('p99', '99 %'),
  p('p999', '99.9 %'),
  { name: 'tail', title: '99 % against the median', unit: 'times', better: 'lower', bar: { value: 10 } },
  { name: 'rate', title: 'calls one after the other', unit: '/s', better: 'higher' },
] as const

/** With 10,000 calls each: a repetition of 0.7 s, most of it the socket's. */
const SLICES = 12

export const waited: Measurement = {
  name: 'waited',
  title: 'waited null call, hot',
  what: 'cuCtxGetStreamPriorityRange: no argument, a short answer, forwarded to the driver each time; the nearest that CUDA has to a null call.',
  subject: { program: 'programs/waited', arguments: ['priority-range', '10000'] },
  reference: { program: 'references/pingpong', arguments: ['10000'] },
  socket: { program: 'references/socket', arguments: [join(root, 'perf/references/socket.mjs'), '400'] },
  slices: SLICES,
  metrics: [...percentiles],
}

export const query: Measurement = {
  name: 'query',
  title: 'waited call with a handle, hot',
  what: 'cuStreamQuery of an empty stream: a handle is looked up and checked, and the driver is asked each time; what a client that polls does.',
  subject: { program: 'programs/waited', arguments: ['stream-query', '10000'] },
  reference: { program: 'references/pingpong', arguments: ['10000'] },
  slices: SLICES,
  metrics: percentiles.map(({ name, title, unit, better }) => ({ name, title, unit, better })),
}
