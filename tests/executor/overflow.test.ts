// test: timeout 240
// Numbers at which sums and products overflow, in every field of every message that is no handle: the list is made from the call table. Whatever the
// answer is, it comes; the executor goes on without a mistake of its own, does not grow, and serves the others meanwhile. The software
// GPU behind it has ASan and UBSan.
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FLAG_ACCEPT } from '../../idm/ring.ts'
import { type Laid, LAID, type LaidMessage } from '../../idm/generate/model.ts'
import { CUresult } from '../../proxy/driver/errors.ts'
import { GpuAlloc, GpuCopy, ImageOpen, Message, MESSAGES, Place } from '../../proxy/generated/messages.ts'
import { type Fields, type TestClient, wide, words } from '../support/client.ts'
import { TestExecutor } from '../support/executor.ts'
import { furnished } from './furnished.ts'

const MIB = 1 << 20
const WORDS_32 = [0x7fffffff, 0x80000000, 0xffffffff]
const WORDS_64: [number, number][] = [[0x80000000, 0], [0xffffffff, 0], [0, 1], [0, 1 << 21], [0xffffffff, 0x7fffffff], [0, 0x80000000], [0xffffffff, 0xffffffff]]
/** What holds a stream or waits for one, as the values say. */
const PATIENCE_MS = 300

let said = ''
const executor = await TestExecutor.start({ env: { RINGFENCE_LOG: 'error' }, sanitized: true, said: (text) => (said += text) })
test.after(() => executor.stop())
const rss = (): number => Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${executor.pid}/status`, 'utf8'))![1]) * 1024

const victim = await furnished(executor.path)
const allocate = async (client: TestClient): Promise<number> => (await client.must(Message.GPU_ALLOC, words({ [GpuAlloc.bytes]: 65536 })), client.replyNumber(0))
const secret = Uint8Array.from({ length: 512 }, (_, i) => i * 7)
const theirs = await allocate(victim.client)
const line: Fields = { [GpuCopy.width]: secret.length, [GpuCopy.rows]: 1, [GpuCopy.depth]: 1 }
await victim.client.must(Message.GPU_COPY, words({ ...line, [GpuCopy.dst_place]: Place.device, [GpuCopy.dst_base]: theirs, [GpuCopy.src_place]: Place.inline }), { tail: secret })
const before = rss()

let presented = 0
const put = (payload: number[], field: Laid, value: number | readonly [number, number]): void => {
  const [low, high] = typeof value === 'number' ? wide(value) : value
  payload[field.offset >> 2] = low
  if (field.size === 8) payload[(field.offset >> 2) + 1] = high
}

/** Every number of the message, one at a time and all at once, the others 0, 1 or 16; handles and addresses are its own. */
function* payloads(message: LaidMessage, own: (field: Laid) => number | readonly [number, number]): Generator<[string, number[], string]> {
  const numbers = message.request.filter((field) => field.kind !== 'handle' && field.kind !== 'bytes')
  for (const rest of [0, 1, 16]) {
    const base = (): number[] => {
      const payload: number[] = Array(MESSAGES[message.id as Message].request >> 2).fill(0)
      for (const field of message.request) if (field.kind !== 'bytes') put(payload, field, field.kind === 'handle' || field.kind === 'address' ? own(field) : rest)
      return payload
    }
    for (const field of numbers)
      for (const value of field.size === 8 ? WORDS_64 : WORDS_32) {
        const payload = base()
        put(payload, field, value)
        yield [`${field.name} = ${value}, others ${rest}`, payload, field.name]
      }
    if (numbers.length > 1)
      for (let i = 0; i < WORDS_64.length; i++) {
        const payload = base()
        for (const field of numbers) put(payload, field, field.size === 8 ? WORDS_64[i] : WORDS_32[i % WORDS_32.length])
        yield [`all of them ${WORDS_64[i]}`, payload, '']
      }
  }
}

for (const message of LAID) {
  if (!message.request.some((field) => field.kind !== 'handle' && field.kind !== 'bytes')) continue
  test(message.name, async () => {
    let attacker = await furnished(executor.path)
    let address = await allocate(attacker.client)
    const again = async (): Promise<void> => {
      const gone = executor.gone.length
      attacker.client.close()
      if (executor.present > 1) await executor.until(() => executor.gone.length > gone)
      attacker = await furnished(executor.path)
      address = await allocate(attacker.client)
    }
    const image = message.request.find((field) => field.name === 'image')
    for (const [what, payload, presenting] of payloads(message, (field) => (field.kind === 'address' ? address : (attacker.owned.get(field.handle!) ?? [0, 0])))) {
      const { client } = attacker
      if (image !== undefined && presenting !== 'image') {
        // Its number is no handle; one that a wrong record has come for is broken.
        await client.must(Message.IMAGE_OPEN, words({ [ImageOpen.bytes]: 64 }))
        put(payload, image, client.replyWide(0))
      }
      try {
        const ticket = client.write(message.id, payload, 0, { flags: message.cost === 'waited' ? 0 : FLAG_ACCEPT, tail: new Uint8Array(64) })
        const status = await client.wait(0, ticket, PATIENCE_MS)
        assert.ok(status in CUresult, `${what}: ${status}`)
        presented++
      } catch (error) {
        if (!/^no answer/.test((error as Error).message)) throw error
        assert.is(executor.exit, null, `${what}: the executor is gone: ${said.slice(-4000)}`)
        await victim.client.must(Message.PING)
        await again() // it waits, or was ended: also an answer
      }
      assert.is(said, '', what)
    }
    attacker.client.close()
    await victim.client.must(Message.PING)
  })
}

test('the others have lost nothing, and the executor is as it was', async () => {
  assert.ok(presented > 3000, `${presented} presented`)
  const { client } = victim
  await client.must(Message.GPU_COPY, words({ ...line, [GpuCopy.dst_place]: Place.inline, [GpuCopy.src_place]: Place.device, [GpuCopy.src_base]: theirs }))
  assert.equal(new Uint8Array(client.replyBytes(secret.length)), secret)
  client.close()
  await executor.until(() => executor.usage!.handles === 0 && executor.usage!.memory === 0)
  assert.ok(rss() - before < 512 * MIB, `the executor has grown by ${rss() - before} bytes`) // ASan keeps 256 MiB of what was freed
  assert.is(executor.exit, null)
})

test.run()
