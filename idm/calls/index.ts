// The call table: every function that libcuda.so.1 of CUDA 13.0 exports, by area. Columns: ../table.ts.
import type { Call } from '../table.ts'
import { array } from './array.ts'
import { context } from './context.ts'
import { copy } from './copy.ts'
import { device } from './device.ts'
import { driver } from './driver.ts'
import { event } from './event.ts'
import { graph } from './graph.ts'
import { interop } from './interop.ts'
import { memory } from './memory.ts'
import { module } from './module.ts'
import { pool } from './pool.ts'
import { set } from './set.ts'
import { stream } from './stream.ts'
import { texture } from './texture.ts'
import { vmm } from './vmm.ts'

export const AREAS: Record<string, Call[]> = {
  driver, device, context, memory, pool, vmm, copy, set, array, stream, event, module, graph, texture, interop,
}

export const CALLS: Call[] = Object.values(AREAS).flat()
