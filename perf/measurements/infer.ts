// A word of a language model: one graph of 8 ms that is waited for, which ends when nobody looks.
import type { Measurement } from '../model.ts'

export const infer: Measurement = {
  name: 'infer',
  title: 'a word of a language model',
  what: 'Four inputs of 1 KiB, each waited for, a graph of 64 kernels, together 8 ms, the answer, and a wait for it.',
  subject: { program: 'programs/infer', arguments: ['40'] },
  metrics: [{ name: 'word', title: 'whole word', unit: 'ns', better: 'lower' }],
}
