// A training step's trace: what Ringfence adds to a whole, when the GPU has work of its own. Until the software GPU runs kernels,
// copies within the device that are slowed to a byte a nanosecond stand for them, on both sides.
import { Daemon } from '../daemon.ts'
import type { Measurement, Scene } from '../model.ts'
import { direct, runOnce } from '../sides.ts'

const MEMORY = 64 * 2 ** 20
const STEPS = 12
/** Nothing inline: a real GPU never computes on the caller's thread. */
const SLOW = { RINGFENCE_STUB_COPY_BANDWIDTH: '1G', RINGFENCE_STUB_INLINE: '0' }

const SUBJECT = { program: 'programs/mix', arguments: [String(STEPS)] }

async function prepare(): Promise<Scene> {
  const daemon = await Daemon.start({ zones: ['mix'], memory: MEMORY, environment: SLOW })
  return {
    sides: ['ringfence', 'direct'],
    measure: (side) => runOnce(SUBJECT, side === 'direct' ? { ...direct(2 * MEMORY), ...SLOW } : daemon.environment('mix')),
    close: () => daemon.stop(),
  }
}

export const mix: Measurement = {
  name: 'mix',
  title: 'a training step',
  what: '320 calls on two streams, 288 of them "kernels" of 5 to 500 us, 4 waited for.',
  subject: SUBJECT,
  prepare,
  metrics: [{ name: 'step', title: 'whole step', unit: 'ns', better: 'lower', bar: { ratio: 1.01, to: 'direct' } }],
}
