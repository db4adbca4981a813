// test: timeout 120
// Graphs as messages (GRAPH_*), written by hand: what is no graph, what is another client's, what has gone since, and too much of it.
// An honest graph beside all that works.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CUresult } from '../../proxy/driver/errors.ts'
import { GpuAlloc, GpuFree, GraphLaunch, GraphMake, GraphNodes, GraphSet, Message, SyncScope } from '../../proxy/generated/messages.ts'
import { FLAG_ACCEPT } from '../../idm/ring.ts'
import { TestClient, type Wide, wide, words } from '../support/client.ts'
import { TestExecutor } from '../support/executor.ts'

const MIB = 1 << 20
const SET = 1, COPY = 2, EMPTY = 3, CONDITIONAL = 4

const executor = await TestExecutor.start({ limits: { memory: 64 * MIB, handles: 200 }, env: { RINGFENCE_LOG: 'fatal' } })
test.after(() => executor.stop())

async function fresh(): Promise<TestClient> {
  const client = await TestClient.connect(executor.path)
  await client.retain()
  return client
}
async function allocate(client: TestClient, bytes: number): Promise<number> {
  await client.must(Message.GPU_ALLOC, words({ [GpuAlloc.bytes]: bytes }))
  return client.replyNumber(0)
}

/** A node's words. */
const node = (kind: number, body: number[], dependencies: number[] = [], graph = 0): number[] => {
  const padded = dependencies.length % 2 ? [...dependencies, 0] : dependencies
  return [kind, 4 + padded.length + body.length, graph, dependencies.length, ...padded, ...body]
}
const set = (address: number, value: number, count = 1, o: { element?: number; rows?: number; pitch?: number } = {}): number[] =>
  [...wide(address), ...wide(o.pitch ?? 0), ...wide(count), ...wide(o.rows ?? 1), value, o.element ?? 4, 1, 0]
const copy = (from: number, to: number, bytes: number): number[] =>
  [...wide(from), ...wide(bytes), ...wide(1), ...wide(to), ...wide(bytes), ...wide(1), ...wide(bytes), ...wide(1), ...wide(1), 1, 0]

let builds = 0
/** Sends the words of many nodes. */
function sendAll(client: TestClient, all: Int32Array): number {
  const build = ++builds
  for (let at = 0; at < all.length; at += 3000) {
    const piece = all.slice(at, at + 3000)
    client.post(Message.GRAPH_NODES, words({ [GraphNodes.build]: build, [GraphNodes.words]: piece.length }), { tail: new Uint8Array(piece.buffer) })
  }
  return build
}
const makeOf = (client: TestClient, build: number, count: number): Promise<number> =>
  client.call(Message.GRAPH_MAKE, words({ [GraphMake.build]: build, [GraphMake.context]: client.primary, [GraphMake.nodes]: count, [GraphMake.graphs]: 1 }))
/** Sends nodes and has them made. Returns the status; the handle is in the reply. */
async function make(client: TestClient, nodes: number[][], o: { count?: number; graphs?: number; context?: Wide; declared?: number } = {}): Promise<number> {
  const all = nodes.flat()
  const build = ++builds
  client.post(Message.GRAPH_NODES, words({ [GraphNodes.build]: build, [GraphNodes.words]: o.declared ?? all.length }), { tail: new Uint8Array(Int32Array.from(all).buffer) })
  return client.call(Message.GRAPH_MAKE, words({ [GraphMake.build]: build, [GraphMake.context]: o.context ?? client.primary, [GraphMake.nodes]: o.count ?? nodes.length, [GraphMake.graphs]: o.graphs ?? 1 }))
}
const launch = (client: TestClient, graph: Wide): void => client.post(Message.GRAPH_LAUNCH, words({ [GraphLaunch.graph]: graph, [GraphLaunch.stream]: 0 }))
const synchronise = (client: TestClient): Promise<number> => client.call(Message.GPU_SYNC, [SyncScope.context, 0, ...client.primary])

test('what the clients of a zone have sent and not made into graphs is bounded for all of them together', async () => {
  const piece = new Uint8Array(12 << 10)
  const fill = async (client: TestClient): Promise<number> => {
    for (let sent = 0; ; sent += piece.length) {
      const status = await client.call(Message.GRAPH_NODES, words({ [GraphNodes.build]: 1, [GraphNodes.words]: piece.length >> 2 }), { tail: piece, flags: FLAG_ACCEPT })
      if (status === CUresult.OUT_OF_MEMORY) return sent >> 20
      assert.is(status, 0)
    }
  }
  const clients: TestClient[] = []
  for (let i = 0; i < 5; i++) clients.push(await fresh())
  const filled: number[] = []
  for (const client of clients) filled.push(await fill(client))
  assert.equal(filled, [31, 31, 31, 31, 0])
  const gone = executor.gone.length
  clients[0].close()
  await executor.until(() => executor.gone.length > gone)
  assert.is(await fill(clients[4]), 31)
  for (const client of clients.slice(1)) client.close()
  await executor.empty()
})

test('an honest graph runs, is changed, and is over', async () => {
  const client = await fresh()
  const a = await allocate(client, 4096)
  assert.is(await make(client, [node(SET, set(a, 5, 16)), node(EMPTY, [], [0]), node(COPY, copy(a, a + 256, 64), [1])]), 0)
  const graph = client.replyWide(0)
  launch(client, graph)
  assert.is(await synchronise(client), 0)
  const other = node(SET, set(a, 6, 16))
  assert.is(await client.call(Message.GRAPH_SET, words({ [GraphSet.graph]: graph, [GraphSet.node]: 0, [GraphSet.words]: other.length }), { tail: new Uint8Array(Int32Array.from(other).buffer) }), 0)
  launch(client, graph)
  assert.is(await synchronise(client), 0)
  client.post(Message.GRAPH_END, [...graph])
  launch(client, graph)
  assert.is(await synchronise(client), CUresult.INVALID_HANDLE, 'it is over')
  assert.is(await synchronise(client), 0)
  client.close()
})

test('nodes that are none are refused, each with its error', async () => {
  const client = await fresh()
  const a = await allocate(client, 4096)
  const outside: [string, number[][], number, object?][] = [
    ['an unknown kind', [node(9, [])], CUresult.INVALID_VALUE],
    ['a size beyond the end', [[EMPTY, 40, 0, 0]], CUresult.INVALID_VALUE],
    ['an odd size', [[EMPTY, 5, 0, 0, 0]], CUresult.INVALID_VALUE],
    ['a size of nothing', [[EMPTY, 0, 0, 0]], CUresult.INVALID_VALUE],
    ['more dependencies than words', [[EMPTY, 4, 0, 4000000000]], CUresult.INVALID_VALUE],
    ['a dependency on a node that is not there', [node(EMPTY, [], [7])], CUresult.INVALID_VALUE],
    ['a node in a graph that is not there', [node(EMPTY, [], [], 3)], CUresult.INVALID_VALUE],
    ['a set without its words', [node(SET, [1, 2])], CUresult.INVALID_VALUE],
    ['a set outside of memory', [node(SET, set(a, 1, 2000))], CUresult.INVALID_VALUE],
    ['a set of elements of 3 bytes', [node(SET, set(a, 1, 1, { element: 3 }))], CUresult.INVALID_VALUE],
    ['a set whose rows reach beyond', [node(SET, set(a, 1, 1, { rows: 1e6, pitch: 512 }))], CUresult.INVALID_VALUE],
    ['a copy from elsewhere', [node(COPY, copy(0x1000, a, 64))], CUresult.INVALID_VALUE],
    ['a copy to elsewhere', [node(COPY, copy(a, a + 4090, 64))], CUresult.INVALID_VALUE],
    ['a kernel that is none', [node(0, [1, 2, 1, 1, 1, 1, 1, 1, 0, 0, 1, 0])], CUresult.INVALID_HANDLE],
    ['a conditional with too many bodies', [node(CONDITIONAL, [1, 1, 1, 2, 0, 0, 1, 0])], CUresult.INVALID_VALUE],
    ['a conditional whose bodies are numbered wrongly', [node(CONDITIONAL, [1, 1, 0, 1, 0, 0, 5, 0])], CUresult.INVALID_VALUE, { graphs: 2 }],
    ['fewer bodies than said', [node(CONDITIONAL, [1, 1, 0, 1, 0, 0, 1, 0])], CUresult.INVALID_VALUE, { graphs: 9 }],
    ['a circle', [node(EMPTY, [], [1]), node(EMPTY, [], [0])], CUresult.INVALID_VALUE],
    ['more nodes said than sent', [node(EMPTY, [])], CUresult.INVALID_VALUE, { count: 2 }],
    ['a context that is none', [node(EMPTY, [])], CUresult.INVALID_CONTEXT, { context: [1, 1] }],
  ]
  for (const [what, nodes, error, o] of outside) {
    assert.is(await make(client, nodes, o), error, what)
    await synchronise(client)
  }
  assert.is(await make(client, [node(EMPTY, [])], { declared: 1e9 }), CUresult.OUT_OF_MEMORY, 'nothing has arrived')
  await synchronise(client)
  assert.is(await make(client, [node(EMPTY, [])]), 0)
  client.close()
})

test("another client's graph, and memory that is gone, are refused at the launch", async () => {
  const client = await fresh()
  const other = await fresh()
  const a = await allocate(client, 4 * MIB)
  assert.is(await make(client, [node(SET, set(a, 5, 16))]), 0)
  const graph = client.replyWide(0)
  launch(other, graph)
  assert.is(await synchronise(other), CUresult.INVALID_HANDLE)
  assert.is(await make(other, [node(SET, set(a, 5, 16))]), CUresult.INVALID_VALUE)
  await client.must(Message.GPU_FREE, words({ [GpuFree.address]: a }))
  launch(client, graph)
  assert.is(await synchronise(client), CUresult.INVALID_VALUE)
  assert.is(await synchronise(client), 0)
  // Its context reset: nothing of it runs any more.
  await client.must(Message.CTX_PRIMARY_RESET, [0])
  await client.retain()
  launch(client, graph)
  assert.is(await synchronise(client), CUresult.CONTEXT_IS_DESTROYED)
  client.close()
  other.close()
})

test("another client's calls are answered between launches of large graphs", async () => {
  const client = await fresh()
  const other = await fresh()
  const a = await allocate(client, 4096)
  const count = 8000
  const launches = 250
  const one = Int32Array.from(node(SET, set(a, 5)))
  const all = new Int32Array(one.length * count)
  for (let i = 0; i < count; i++) all.set(one, i * one.length)
  assert.is(await makeOf(client, sendAll(client, all), count), 0)
  const graph = client.replyWide(0)
  // Two where they are one go, however often; between any two of them on a quiet machine. An attempt in which this process stood still says nothing.
  let most = 0
  for (let attempt = 0; attempt < 4 && most <= 25; attempt++) {
    for (let i = 0; i < launches; i++) launch(client, graph)
    // All are in the ring, and this is behind them.
    const ticket = client.write(Message.GPU_SYNC, [SyncScope.context, 0, ...client.primary], 0)
    let answered = 0
    while (!client.answered(0, ticket)) {
      await other.must(Message.MEM_INFO)
      answered++
    }
    most = Math.max(most, answered)
  }
  assert.ok(most > 25, `${most} calls of the other client were answered meanwhile`)
  client.close()
  other.close()
})

test('what one graph may have is bounded: nobody is served while it is made', async () => {
  const client = await fresh()
  const empty = Int32Array.from(node(EMPTY, []))
  const many = (count: number): Int32Array => {
    const all = new Int32Array(empty.length * count)
    for (let i = 0; i < count; i++) all.set(empty, i * empty.length)
    return all
  }
  assert.is(await makeOf(client, sendAll(client, many(1 << 14)), 1 << 14), 0)
  assert.is(await makeOf(client, sendAll(client, many((1 << 14) + 1)), (1 << 14) + 1), CUresult.OUT_OF_MEMORY, 'nodes')
  // Each of the second half depends on all of the first half.
  const half = 400
  const edges = [...Array(2 * half)].flatMap((_, i) => node(EMPTY, [], i < half ? [] : [...Array(half).keys()]))
  assert.is(await makeOf(client, sendAll(client, Int32Array.from(edges)), 2 * half), CUresult.OUT_OF_MEMORY, 'edges')
  assert.is(await client.call(Message.GRAPH_NODES, words({ [GraphNodes.build]: 1, [GraphNodes.words]: 0 }), { flags: FLAG_ACCEPT }), CUresult.INVALID_VALUE, 'nothing, again and again')
  client.close()
})

test('graphs are counted as handles, and what is sent and never made is bounded', async () => {
  const client = await fresh()
  let made = 0
  while (made < 300 && (await make(client, [node(EMPTY, [])])) === 0) made++
  assert.ok(made > 100 && made < 200, `${made} graphs`)
  assert.is(await make(client, [node(EMPTY, [])]), CUresult.OUT_OF_MEMORY)
  for (let i = 0; i < 400; i++) client.post(Message.GRAPH_NODES, words({ [GraphNodes.build]: 1e6 + i, [GraphNodes.words]: 4 }), { tail: new Uint8Array(16) })
  assert.is(await synchronise(client), CUresult.OUT_OF_MEMORY)
  client.close()
  await executor.empty()
  const next = await fresh()
  assert.is(await make(next, [node(EMPTY, [])]), 0, 'the next client has them all')
  next.close()
})

test.run()
