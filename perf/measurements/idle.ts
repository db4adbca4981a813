// A waited call after a pause: both sides sleep by then, so it pays for the doorbell, two wake-ups and cold caches.
import type { Measurement } from '../model.ts'

export const idle: Measurement = {
  name: 'idle',
  title: 'waited null call after 20 ms of silence',
  what: 'cuCtxGetStreamPriorityRange, 40 times, 20 ms after the call before: the executor sleeps in epoll by then.',
  subject: { program: 'programs/waited', arguments: ['priority-range', '40', '20000'] },
  // Two C processes with nothing but the same two wake-ups between them: what the machine and its kernel leave of the bar.
  reference: { program: 'references/wake', arguments: ['40', '20000'] },
  metrics: [
    { name: 'p50', title: 'median', unit: 'ns', better: 'lower', bar: { value: 40_000 } },
    { name: 'p90', title: '90 %', unit: 'ns', better: 'lower' },
  ],
}
