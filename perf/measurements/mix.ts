// A training step's trace: what Ringfence adds to a whole, when the GPU has work of its own.
import type { Measurement } from '../model.ts'

export const mix: Measurement = {
  name: 'mix',
  title: 'a training step',
  what: '320 calls on two streams, 288 of them launches of kernels of 5 to 500 us, 4 waited for.',
  subject: { program: 'programs/mix', arguments: ['12'] },
  metrics: [{ name: 'step', title: 'whole step', unit: 'ns', better: 'lower', bar: { ratio: 1.01, to: 'direct' } }],
}
