// What an executor's calls leave for V8's collector: a collection holds up a whole crowd of zones, so the calls that programs make by the million leave next to nothing.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { join } from 'node:path'
import { getHeapSpaceStatistics } from 'node:v8'
import { SLOT_POSTED } from '../../idm/ring.ts'
import { openDriver } from '../../proxy/driver/devices.ts'
import { type Caller, type Fields, Rehearsal } from '../../proxy/executor/rehearsal.ts'
import { AllocKind, GpuAlloc, GpuCopy, GpuSet, GpuSync, Message, Place, SyncScope } from '../../proxy/generated/messages.ts'

const root = join(import.meta.dirname, '../..')
const open = openDriver(process.env['RINGFENCE_TEST_DRIVER'] ?? join(root, 'build/stub/libcuda.so.1'))

const BYTES = 256
const BATCHES = 200
/** Until V8 has compiled what is measured, each number of a call is an object; on a machine with other work that takes its time. */
const ROUNDS = 60

/** Each number that V8 cannot take for a small integer is an object of 16 bytes when the driver is called with it: handles and addresses. */
const NUMBER = 16

interface Kind {
  name: string
  message: Message
  fields: Fields
  /** Bytes behind the request. */
  tail?: number
  waited: boolean
  /** Calls served in one go. */
  calls: number
  /** Bytes that one may leave. */
  most: number
}

const used = (): number => getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')!.space_used_size

/** Bytes a call, the median over batches, of the first round that is within what there may be, or of the last. A batch in which there was a collection is none. */
async function garbage(call: Caller, stage: Rehearsal, kind: Kind, sync: Fields): Promise<number> {
  let bytes = Infinity
  for (let round = 0; round < ROUNDS && bytes > kind.most; round++) {
    const left: number[] = []
    for (let batch = 0; batch < BATCHES; batch++) {
      for (let i = 0; i < kind.calls; i++) call.write(kind.message, kind.fields, kind.waited ? 0 : SLOT_POSTED, kind.tail ?? 0)
      const first = used()
      const before = used()
      stage.zone.rang()
      // Less what asking leaves itself.
      const made = used() - before - (before - first)
      if (made >= 0 && before > first) left.push(made / kind.calls)
      await call.waited(Message.GPU_SYNC, sync)
    }
    bytes = left.sort((a, b) => a - b)[left.length >> 1]!
  }
  return bytes
}

test('calls leave next to nothing to collect', async () => {
  const found: string[] = []
  const play = async (call: Caller, stage: Rehearsal): Promise<void> => {
    await call.waited(Message.cuStreamCreate, [[0, 1]])
    const stream = call.reply()
    const at = (word: number, [low, high]: readonly [number, number]): Fields => [[word, low], [word + 1, high]]
    await call.waited(Message.cuEventCreate, [[0, 2]])
    const event = call.reply()
    await call.waited(Message.GPU_ALLOC, [[GpuAlloc.kind, AllocKind.device], [GpuAlloc.bytes, 4096]])
    const memory = call.reply()
    const copy: Fields = [[GpuCopy.rows, 1], [GpuCopy.depth, 1], [GpuCopy.width, BYTES], ...at(GpuCopy.stream, stream)]
    const toDevice: Fields = [...copy, [GpuCopy.src_place, Place.inline], [GpuCopy.dst_place, Place.device], ...at(GpuCopy.dst_base, memory)]
    const fromDevice: Fields = [...copy, [GpuCopy.src_place, Place.device], ...at(GpuCopy.src_base, memory), [GpuCopy.dst_place, Place.inline]]
    const set: Fields = [...at(GpuSet.address, memory), [GpuSet.width, 4], [GpuSet.rows, 1], [GpuSet.element, 1], ...at(GpuSet.stream, stream)]
    const kinds: Kind[] = [
      { name: 'a waited null call', message: Message.cuCtxGetStreamPriorityRange, fields: [], waited: true, calls: 64, most: NUMBER },
      { name: 'a posted event record', message: Message.cuEventRecord, fields: [...at(0, event), ...at(2, stream)], waited: false, calls: 64, most: 3 * NUMBER },
      { name: 'a posted memset', message: Message.GPU_SET, fields: set, waited: false, calls: 64, most: 3 * NUMBER },
      { name: 'a copy to the device', message: Message.GPU_COPY, fields: toDevice, tail: BYTES, waited: true, calls: 16, most: 6 * NUMBER },
      { name: 'a copy from the device', message: Message.GPU_COPY, fields: fromDevice, waited: true, calls: 16, most: 6 * NUMBER },
    ]
    stage.zone.neverSpins()
    const sync: Fields = [[GpuSync.scope, SyncScope.stream], ...at(GpuSync.target, stream)]
    for (const kind of kinds) {
      const bytes = await garbage(call, stage, kind, sync)
      if (!(bytes <= kind.most)) found.push(`${kind.name}: ${bytes.toFixed(1)} bytes, ${kind.most} at most`)
    }
  }
  const wrong = await new Promise<unknown>((done) => void new Rehearsal(open, done, play))
  assert.not.ok(wrong)
  assert.equal(found, [])
})

test.run()
