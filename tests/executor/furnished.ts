// A client with one of everything that a handle can name, for attacks that are made from the call table.
import * as assert from 'uvu/assert'
import { type HandleType, Message } from '../../proxy/generated/messages.ts'
import { type Fields, TestClient, type Wide, words } from '../support/client.ts'

type Kind = keyof typeof HandleType

/** How one of each kind is made. */
export const MAKERS: Partial<Record<Kind, [Message, Fields]>> = {
  context: [Message.CTX_CREATE, {}],
  stream: [Message.cuStreamCreate, { 0: 1 }],
  event: [Message.cuEventCreate, {}],
  array: [Message.ARRAY_CREATE, { 0: 8, 2: 8, 6: 0x20, 7: 1 }],
  mipmappedArray: [Message.MIPMAP_CREATE, { 0: 8, 2: 8, 6: 0x20, 7: 1, 9: 2 }],
  pool: [Message.POOL_CREATE, { 0: 1, 2: 1 }],
  allocation: [Message.MEM_CREATE, { 0: 2 << 20, 4: 1, 6: 1 }],
  linkState: [Message.LINK_CREATE, {}],
  texref: [Message.TEXREF_CREATE, {}],
}

/** Handles by kind. */
export type Owned = Map<string, Wide>

export async function make(client: TestClient, kind: Kind): Promise<Wide> {
  const [message, fields] = MAKERS[kind]!
  const status = await client.call(message, words(fields))
  assert.is(status, 0, `${Message[message]}: ${status}`)
  return client.replyWide(0)
}

export async function furnished(path: string): Promise<{ client: TestClient; owned: Owned }> {
  const client = await TestClient.connect(path)
  await client.retain()
  const owned: Owned = new Map()
  for (const kind of Object.keys(MAKERS) as Kind[]) owned.set(kind, await make(client, kind))
  return { client, owned }
}
