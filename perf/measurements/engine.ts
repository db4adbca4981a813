// How fast the software GPU computes: instructions of threads a second and core, beside the same work in plain C on one core.
import { join } from 'node:path'
import type { Measurement } from '../model.ts'
import { root } from '../programs.ts'

const FLOOR = 200e6

export const engine: Measurement = {
  name: 'engine',
  title: 'kernels',
  what: 'A tiled matrix multiply, an n-body step, a reduction and a histogram of CUDA C++, in instructions of threads a second and core; beside plain C on one core.',
  subject: { program: 'programs/engine', arguments: [join(root, 'tests/ptx/programs/basics.ptx')] },
  reference: { program: 'references/plain' },
  repetitions: 3,
  metrics: [
    { name: 'matmul', title: 'matrix multiply', unit: '/s', better: 'higher', bar: { value: FLOOR } },
    { name: 'nbody', title: 'n-body', unit: '/s', better: 'higher', bar: { value: FLOOR } },
    { name: 'reduce', title: 'reduction', unit: '/s', better: 'higher', bar: { value: FLOOR } },
    { name: 'histogram', title: 'histogram', unit: '/s', better: 'higher' },
  ],
}
