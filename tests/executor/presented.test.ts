// test: timeout 120
// Handles that are not the client's, at every handle parameter of every message: the list is made from the call table, so nothing is forgotten. Another
// client's, of another type, freed, invented: none is ever served, the executor stays, and what they name is untouched.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FLAG_ACCEPT } from '../../idm/ring.ts'
import { LAID, type LaidMessage } from '../../idm/generate/model.ts'
import { CUresult } from '../../proxy/driver/errors.ts'
import { TYPE_SHIFT } from '../../proxy/executor/handles.ts'
import { HandleType, Message, MESSAGES } from '../../proxy/generated/messages.ts'
import { type Wide } from '../support/client.ts'
import { TestExecutor } from '../support/executor.ts'
import { furnished, make, MAKERS } from './furnished.ts'

const executor = await TestExecutor.start({ env: { RINGFENCE_LOG: 'fatal' }, sanitized: true })
test.after(() => executor.stop())

/** Of kinds that furnished() has not: with the right type in them. */
const invented = (kind: string): Wide => [12345, ((HandleType[kind as keyof typeof HandleType] << TYPE_SHIFT) | 0x1234567) >>> 0]

const victim = await furnished(executor.path)
let attacker = await furnished(executor.path)

/** What may be presented where a handle of `kind` belongs. */
async function wrong(kind: string): Promise<[string, Wide][]> {
  const { client, owned } = attacker
  const out: [string, Wide][] = [["another client's", victim.owned.get(kind) ?? invented(kind)], ['invented', invented(kind)]]
  for (const [other, handle] of owned) if (other !== kind) out.push([`a ${other}`, handle])
  if (kind in MAKERS && kind !== 'context') {
    const gone = await make(client, kind as keyof typeof HandleType)
    const destroy = { stream: Message.STREAM_DESTROY, event: Message.EVENT_DESTROY, array: Message.ARRAY_DESTROY, mipmappedArray: Message.MIPMAP_DESTROY, pool: Message.POOL_DESTROY,
      allocation: Message.MEM_RELEASE, linkState: Message.LINK_DESTROY, texref: Message.TEXREF_DESTROY }[kind]
    await client.must(destroy!, [...gone])
    out.push(['a freed one', gone])
  }
  return out
}

/** Every other handle of the message is the attacker's own, so that the one in question is what is wrong. */
function payload(message: LaidMessage, field: string, handle: Wide): number[] {
  const out: number[] = Array(MESSAGES[message.id as Message].request >> 2).fill(0)
  for (const f of message.request) {
    if (f.kind !== 'handle') continue
    const value = f.name === field ? handle : f.handle === 'stream' ? [0, 0] : (attacker.owned.get(f.handle!) ?? [0, 0])
    if (message.name === 'POOL_OF_DEVICE') out[1] = 2 // to make it current: else the pool is not looked at
    out[f.offset >> 2] = value[0]
    out[(f.offset >> 2) + 1] = value[1]
  }
  return out
}

let presented = 0
for (const message of LAID) {
  for (const field of message.request.filter((f) => f.kind === 'handle'))
    test(`${message.name}: ${field.name}`, async () => {
      for (const [what, handle] of await wrong(field.handle!)) {
        const before = executor.gone.length
        const flags = message.cost === 'waited' ? 0 : FLAG_ACCEPT
        let status: number
        try {
          status = await attacker.client.call(message.id as Message, payload(message, field.name, handle), { flags, tail: new Uint8Array(64) })
        } catch (error) {
          if (executor.gone.length === before) throw error
          attacker = await furnished(executor.path) // it was ended: also an answer
          continue
        }
        presented++
        assert.is.not(status, 0, `${what} is served`)
        assert.ok(status in CUresult, `${what}: ${status}`)
        assert.is.not(status, CUresult.UNKNOWN, what)
      }
      await victim.client.must(Message.PING)
    })
}

test('what was presented is untouched, and serves its owner', async () => {
  const { client, owned } = victim
  const own = (kind: string): Wide => owned.get(kind)!
  assert.ok(presented > 300, `${presented} presented`)
  assert.is(executor.exit, null)
  await client.must(Message.cuStreamQuery, [...own('stream')])
  await client.must(Message.cuEventRecord, [...own('event'), ...own('stream')], { flags: FLAG_ACCEPT })
  await client.must(Message.STREAM_DESTROY, [...own('stream')])
  await client.must(Message.EVENT_DESTROY, [...own('event')])
  await client.must(Message.ARRAY_DESTROY, [...own('array')])
  await client.must(Message.MIPMAP_DESTROY, [...own('mipmappedArray')])
  await client.must(Message.POOL_DESTROY, [...own('pool')])
  await client.must(Message.MEM_RELEASE, [...own('allocation')])
  await client.must(Message.LINK_DESTROY, [...own('linkState')])
  await client.must(Message.TEXREF_DESTROY, [...own('texref')])
  await client.must(Message.CTX_DESTROY, [...own('context')])
  client.close()
  attacker.client.close()
  await executor.until(() => executor.usage!.handles === 0 && executor.usage!.memory === 0)
})

test.run()
