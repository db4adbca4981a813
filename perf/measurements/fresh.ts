// The first second of a program in a zone that no one was in before: its executor is as its rehearsal has left it, and the one that takes
// its place in the pool starts and rehearses meanwhile.
import { Daemon } from '../daemon.ts'
import type { Measurement, Scene } from '../model.ts'
import { direct, runOnce } from '../sides.ts'

const MEMORY = 128 * 2 ** 20
const POOL = 1

const SUBJECT = { program: 'programs/fresh' }

async function prepare(): Promise<Scene> {
  const daemon = await Daemon.start({ zones: ['other'], memory: 2 * MEMORY, pool: POOL })
  return {
    sides: ['ringfence', 'direct'],
    measure: (side) => (side === 'direct' ? runOnce(SUBJECT, direct(2 * MEMORY)) : daemon.inFreshZone(MEMORY, POOL, (environment) => runOnce(SUBJECT, environment))),
    close: () => daemon.stop(),
  }
}

export const fresh: Measurement = {
  name: 'fresh',
  title: 'first second of a program',
  what: '64 MiB copies to the device from ordinary memory, one after the other for a second, in a zone that no one was in before.',
  subject: SUBJECT,
  prepare,
  metrics: [
    { name: 'early', title: 'a copy of 64 MiB in the first 0.2 s', unit: 'ns', better: 'lower' },
    { name: 'later', title: 'a copy of 64 MiB until 1 s', unit: 'ns', better: 'lower' },
    { name: 'slow', title: 'the slowest tenth of both', unit: 'ns', better: 'lower' },
  ],
}
