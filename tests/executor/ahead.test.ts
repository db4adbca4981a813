// Looking ahead: of a batch's records just those words are looked at that will be looked up, whatever a client wrote, and none while little lives.
import fc from '../support/property.ts'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { BATCH_BYTES, RecordWord, SLOT_POSTED } from '../../idm/ring.ts'
import { Ahead } from '../../proxy/executor/ahead.ts'
import type { Executor } from '../../proxy/executor/executor.ts'
import { CuStreamWaitEvent, GpuCopy, GpuSet, Message, MESSAGES } from '../../proxy/generated/messages.ts'

/** Notes what is looked at in place of looking. */
function watch(live: number): { executor: Executor; rows: number[]; addresses: number[] } {
  const rows: number[] = []
  const addresses: number[] = []
  const handles = {
    live,
    touch: (lows: Int32Array, count: number) => {
      rows.push(...lows.subarray(0, count))
      return 0
    },
  }
  const memory = { allocations: 0, touch: (low: number, high: number) => addresses.push(high * 2 ** 32 + low) }
  return { executor: { handles, memory } as unknown as Executor, rows, addresses }
}

const batch = new Int32Array(BATCH_BYTES >> 2)
let end = 0

function record(message: Message, words: [number, number][]): void {
  const bytes = 32 + MESSAGES[message].request
  batch.fill(0, end, end + (bytes >> 2))
  batch[end + RecordWord.length] = bytes
  batch[end + RecordWord.callAndSlot] = message | (SLOT_POSTED << 16)
  for (const [word, value] of words) batch[end + RecordWord.payload + word] = value
  end += ((bytes + 7) >>> 3) << 1
}

test('events, and addresses of sets and copies', () => {
  end = 0
  record(Message.cuEventRecord, [[0, 11], [2, 99]])
  record(Message.GPU_SET, [[GpuSet.address, 22], [GpuSet.address + 1, 1]])
  record(Message.cuStreamWaitEvent, [[CuStreamWaitEvent.hStream, 99], [CuStreamWaitEvent.hEvent, 33]])
  record(Message.GPU_COPY, [[GpuCopy.dst_base, 44], [GpuCopy.dst_base + 1, 2]])
  record(Message.PING, [])
  record(Message.cuEventRecord, [[0, 55]])
  const seen = watch(100_000)
  new Ahead(seen.executor).look(batch, end)
  assert.equal(seen.rows, [11, 33, 55])
  assert.equal(seen.addresses, [2 ** 32 + 22, 2 * 2 ** 32 + 44])
  const few = watch(10)
  new Ahead(few.executor).look(batch, end)
  assert.equal([few.rows, few.addresses], [[], []])
})

test('any words whatever', () => {
  const seen = watch(100_000)
  const ahead = new Ahead(seen.executor)
  const word = fc.oneof(fc.integer(), fc.integer({ min: 8, max: 80 }), fc.nat(0xffff))
  fc.assert(fc.property(fc.array(word, { maxLength: 400 }), (words) => {
    batch.fill(-1)
    batch.set(words)
    seen.rows.length = 0
    seen.addresses.length = 0
    ahead.look(batch, words.length)
    assert.ok(seen.rows.length + seen.addresses.length <= words.length / 2)
    for (const row of seen.rows) assert.ok(words.includes(row), `${row} is beyond the batch`)
  }), { numRuns: 2000 })
})

test.run()
