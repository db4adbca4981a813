// Device memory through the quota. An earlier Xen proof of concept did 340 pairs a second, a socket-based limiter 379.
import type { Measurement } from '../model.ts'

export const alloc: Measurement = {
  name: 'alloc',
  title: 'alloc + free of 4 KiB',
  what: 'cuMemAlloc and cuMemFree in turn, counted by the quota; and cuMemAlloc of more than there is.',
  subject: { program: 'programs/alloc', arguments: ['30000', '4096'] },
  metrics: [
    { name: 'pairs', title: 'pairs', unit: '/s', better: 'higher', bar: { value: 250_000 } },
    { name: 'grant', title: 'alloc granted', unit: 'ns', better: 'lower' },
    { name: 'refusal', title: 'alloc refused', unit: 'ns', better: 'lower' },
  ],
}
