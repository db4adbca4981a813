// Inside an executor: what one message costs it, with parts of the work taken away: program null|record|set whole|without-driver|without-handler|posted.
// Each in a process of its own, for V8 compiles a loop for what it has seen. Prints nanoseconds a message as the other programs do.
//
//   whole            as it is
//   without-driver   the driver's function is one of JavaScript's that does nothing: what is missing is Node-API, koffi and the driver
//   without-handler  nor is the request decoded and checked: what is left is the ring, the record's header and the answer
//   posted           nor is it answered (not of `null`, which must be)
//
// The least of many batches: what others do to the machine in between only adds. The client is in the same thread, so its cache lines are near.
import { performance } from 'node:perf_hooks'
import { join } from 'node:path'
import { SLOT_POSTED } from '../idm/ring.ts'
import { openDriver } from '../proxy/driver/devices.ts'
import { type Caller, type Fields, Rehearsal } from '../proxy/executor/rehearsal.ts'
import { AllocKind, GpuAlloc, GpuSet, GpuSync, Message, SyncScope } from '../proxy/generated/messages.ts'
import { root } from './programs.ts'

const BATCH = 200
const BATCHES = 600
const CALLS = {
  null: { message: Message.cuCtxGetStreamPriorityRange, driver: 'cuCtxGetStreamPriorityRange' },
  record: { message: Message.cuEventRecord, driver: 'cuEventRecord' },
  set: { message: Message.GPU_SET, driver: 'cuMemsetD8Async' },
} as const

const [kind, variant] = process.argv.slice(2) as [keyof typeof CALLS, 'whole' | 'without-driver' | 'without-handler' | 'posted']
const { message, driver: name } = CALLS[kind]
const open = openDriver(join(root, 'build/stub/libcuda.so.1'))
if (variant !== 'whole') Object.defineProperty(open.driver, name, { value: () => 0 })

async function play(call: Caller, stage: Rehearsal): Promise<void> {
  await call.waited(Message.cuStreamCreate, [[0, 1]])
  const stream = call.reply()
  const onStream = (word: number): Fields => [[word, stream[0]], [word + 1, stream[1]]]
  await call.waited(Message.cuEventCreate, [[0, 2]])
  const event = call.reply()
  await call.waited(Message.GPU_ALLOC, [[GpuAlloc.kind, AllocKind.device], [GpuAlloc.bytes, 4096]])
  const memory = call.reply()
  const fields: Record<keyof typeof CALLS, Fields> = {
    null: [],
    record: [[0, event[0]], [1, event[1]], ...onStream(2)],
    set: [[GpuSet.address, memory[0]], [GpuSet.address + 1, memory[1]], [GpuSet.width, 4], [GpuSet.rows, 1], [GpuSet.element, 1], ...onStream(GpuSet.stream)],
  }
  if (variant === 'without-handler' || variant === 'posted') stage.handlers[message] = () => 0
  stage.zone.neverSpins()
  // A waited call that the handler answers later (a set) would measure the GPU; taken for itself it is posted.
  const slot = kind === 'null' || (variant !== 'posted' && variant === 'without-handler' && kind === 'record') ? 0 : SLOT_POSTED
  const sync: Fields = [[GpuSync.scope, SyncScope.stream], ...onStream(GpuSync.target)]
  let least = Infinity
  for (let batch = 0; batch < BATCHES; batch++) {
    for (let i = 0; i < BATCH; i++) call.write(message, fields[kind], slot, 0)
    const began = performance.now()
    stage.zone.rang()
    const took = (performance.now() - began) * 1e6
    if (took < least) least = took
    await call.waited(Message.GPU_SYNC, sync)
  }
  console.log(JSON.stringify({ metric: 'message', value: least / BATCH, unit: 'ns' }))
}

new Rehearsal(open, () => process.exit(0), play)
