// Queries that send nothing: the client read the answers once, at connect.
import type { Measurement } from '../model.ts'

export const cached: Measurement = {
  name: 'cached',
  title: 'cached query',
  what: 'cuDeviceGetAttribute and cuCtxGetCurrent: answered inside the client, no message.',
  subject: { program: 'programs/cached', arguments: ['300'] },
  metrics: [
    { name: 'attribute', title: 'cuDeviceGetAttribute', unit: 'ns', better: 'lower', bar: { value: 30 } },
    { name: 'current', title: 'cuCtxGetCurrent', unit: 'ns', better: 'lower', bar: { value: 30 } },
  ],
}
