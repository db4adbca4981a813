// What a message costs the executor, and on what: by leaving parts of the work out (inside.ts), each variant in a process of its own.
import { join } from 'node:path'
import type { Measurement, Metric, Sample, Scene } from '../model.ts'
import { root } from '../programs.ts'
import { runHere } from '../sides.ts'

const KINDS = [
  { name: 'null', title: 'waited null call' },
  { name: 'record', title: 'event record' },
  { name: 'set', title: 'memset of 4 bytes' },
] as const

const PARTS = [
  { name: 'all', title: 'all' },
  { name: 'driver', title: 'Node-API, koffi and the driver' },
  { name: 'check', title: 'decoding and checks' },
  { name: 'ring', title: 'the ring and the header' },
] as const

async function measure(): Promise<Sample> {
  const least = async (kind: string, variant: string): Promise<number> =>
    (await runHere(process.execPath, ['--import', 'tsx', join(root, 'perf/inside.ts'), kind, variant], {}))['message']
  const sample: Sample = {}
  // A null call must be answered, so what an answer costs is told by the record, which need not be.
  const answered = await least('record', 'without-handler')
  for (const { name } of KINDS) {
    const whole = await least(name, 'whole')
    const driverless = await least(name, 'without-driver')
    const bare = await least(name, name === 'null' ? 'without-handler' : 'posted')
    if (name === 'record') sample['answer'] = Math.max(0, answered - bare)
    Object.assign(sample, { [`${name}_all`]: whole, [`${name}_driver`]: whole - driverless, [`${name}_check`]: Math.max(0, driverless - bare), [`${name}_ring`]: bare })
  }
  return sample
}

export const message: Measurement = {
  name: 'message',
  title: 'a message in the executor',
  what: 'Batches of 200 messages of one kind, served in a process that is client and executor in one; the least of 600 batches. The null call is answered, which "the ring" then holds.',
  subject: { program: 'programs/waited' },
  prepare: (): Promise<Scene> => Promise.resolve({ sides: ['ringfence'], measure, close: () => Promise.resolve() }),
  repetitions: 1,
  metrics: [
    ...KINDS.flatMap((kind) => PARTS.map((part): Metric => ({ name: `${kind.name}_${part.name}`, title: `${kind.title}, ${part.title}`, unit: 'ns', better: 'lower' }))),
    { name: 'answer', title: 'an answer', unit: 'ns', better: 'lower' },
  ],
}
