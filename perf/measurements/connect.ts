// A fresh process to its first result. In a zone that has clients already it finds an executor; in one that had none, it is given one
// of those that wait in the pool. Each measured process enters a zone that no one was in before.
import { Daemon } from '../daemon.ts'
import type { Measurement, Sample, Scene, Side } from '../model.ts'
import { direct, runOnce } from '../sides.ts'
import { median } from '../statistics.ts'

const MEMORY = 64 * 2 ** 20
const TIMES = 4
const POOL = 2

const SUBJECT = { program: 'programs/connect' }

async function prepare(): Promise<Scene> {
  const daemon = await Daemon.start({ zones: ['other'], memory: 2 * MEMORY, pool: POOL })
  const enter = async (side: Side): Promise<{ first: Sample; again: Sample }> => {
    if (side === 'direct') return { first: await runOnce(SUBJECT, direct(2 * MEMORY)), again: await runOnce(SUBJECT, direct(2 * MEMORY)) }
    return daemon.inFreshZone(MEMORY, POOL, async (environment) => ({ first: await runOnce(SUBJECT, environment), again: await runOnce(SUBJECT, environment) }))
  }
  const measure = async (side: Side): Promise<Sample> => {
    const all: { first: Sample; again: Sample }[] = []
    for (let i = 0; i < TIMES; i++) all.push(await enter(side))
    return {
      first: median(all.map(({ first }) => first['connect'])),
      load: median(all.map(({ first }) => first['load'])),
      again: median(all.map(({ again }) => again['connect'])),
    }
  }
  return { sides: ['ringfence', 'direct'], measure, close: () => daemon.stop() }
}

export const connect: Measurement = {
  name: 'connect',
  title: 'fresh process to first result',
  what: 'cuInit, the primary context, one waited call; medians of four processes, each in a zone that no one was in before, with a pool that is full and has rehearsed.',
  subject: SUBJECT,
  prepare,
  repetitions: 3,
  metrics: [
    { name: 'first', title: 'warm pool', unit: 'ns', better: 'lower', bar: { value: 5e6 } },
    { name: 'load', title: 'warm pool, with the making of the process', unit: 'ns', better: 'lower' },
    { name: 'again', title: 'a zone with a running executor', unit: 'ns', better: 'lower' },
  ],
}
