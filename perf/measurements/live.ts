// Lookups must not slow down with what lives: the executor finds an allocation or a handle among 10 as among 100,000.
import type { Curve, Measurement, Metric } from '../model.ts'

const COUNTS = [10, 100, 1000, 10_000, 100_000]

const KINDS = [
  { name: 'memset', title: 'memset of 4 bytes at a random one' },
  { name: 'copy', title: 'copy of 4 bytes to a random one' },
  { name: 'record', title: 'record of a random event' },
]

const points = KINDS.flatMap(({ name, title }) => COUNTS.map((x): Metric => ({ name: `${name}_${x}`, title, unit: 'ns', better: 'lower', at: { curve: name, x } })))
const growths = KINDS.map(({ name, title }): Metric => ({ name: `${name}_growth`, title: `${title}, 100,000 against 10`, unit: 'times', better: 'lower', bar: { value: 1.5 } }))
const curves = KINDS.map(({ name, title }): Curve => ({ name, title, over: 'live' }))

export const live: Measurement = {
  name: 'live',
  title: 'live objects',
  what: 'Sustained posted calls, each about a random one of 10 to 100,000 live allocations or events.',
  subject: { program: 'programs/live', arguments: COUNTS.map(String) },
  metrics: [...growths, ...points],
  curves,
}
