// Memory of one client that others have open: who pays for it, when it goes, whose bytes it may show. Over the fake driver, which
// throws when somebody gets a stranger's bytes.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { AllocKind, GpuAlloc, GpuFree, IpcClose, IpcGet, IpcOpen, IpcOpenReply, Message, PointerQuery, PointerQueryReply } from '../../../proxy/generated/messages.ts';
import { type Call, type FakeClient, type Fields, MIB, u64, World } from './fake.ts';

const INVALID = 1;
const OUT_OF_MEMORY = 2;
const INVALID_CONTEXT = 201;

const alloc = (world: World, client: FakeClient, bytes: number, kind = AllocKind.device, context = 100): number => {
  const call = world.call(client, Message.GPU_ALLOC, { [GpuAlloc.kind]: kind, [GpuAlloc.bytes]: u64(bytes) }, context);
  assert.is(call.status, 0);
  return call.replied(0);
};

const free = (world: World, client: FakeClient, address: number): number => world.call(client, Message.GPU_FREE, { [GpuFree.address]: u64(address) }).status!;

const handle = (world: World, client: FakeClient, address: number): Call => world.call(client, Message.IPC_GET, { [IpcGet.address]: u64(address) });

const open = (world: World, client: FakeClient, from: Call, change: Fields = {}, context = 100): Call => {
  const fields: Fields = { [IpcOpen.flags]: 1 };
  for (let i = 0; i < 8; i++) fields[IpcOpen.token0 + i] = from.reply[i];
  return world.call(client, Message.IPC_OPEN, { ...fields, ...change }, context);
};

const close = (world: World, client: FakeClient, address: number): Call => world.start(client, Message.IPC_CLOSE, { [IpcClose.address]: u64(address) });

const used = (world: World): number => world.zone.usage().memory;

test('what has a handle, who may open it, with what', () => {
  const world = new World();
  const [one, two, three] = [world.client(), world.client(), world.client()];
  const at = alloc(world, one, 1000);
  const token = handle(world, one, at + 999);
  assert.is(token.status, 0, 'any address inside');
  assert.equal(handle(world, one, at).reply, token.reply, 'the same handle each time');
  assert.is(handle(world, two, at).status, INVALID, 'another client’s memory');
  for (const bad of [0, at + 1000, 2 ** 47, alloc(world, one, 100, AllocKind.async)]) assert.is(handle(world, one, bad).status, INVALID);
  assert.is(open(world, one, token).status, INVALID_CONTEXT, 'by the exporter itself');
  assert.is(open(world, two, token, {}, 0).status, INVALID_CONTEXT, 'without a context');
  for (const flags of [0, 2, 0xffffffff]) assert.is(open(world, two, token, { [IpcOpen.flags]: flags }).status, INVALID);
  assert.is(open(world, two, token, { [IpcOpen.token0]: token.reply[0] ^ 1 }).status, INVALID, 'a number that is one bit off');
  const opened = open(world, two, token);
  assert.equal([opened.status, opened.replied(IpcOpenReply.address), opened.replied(IpcOpenReply.size)], [0, at, 1000]);
  assert.ok(world.zone.check(two.memory, at, 1000, true));
  assert.not(world.zone.check(two.memory, at, 1001, false));
  assert.not(world.zone.check(two.memory, at - 1, 1, false));
  assert.not(world.zone.check(three.memory, at, 1, false), 'who has not opened it');
  const query = world.call(two, Message.POINTER_QUERY, { [PointerQuery.address]: u64(at + 5) });
  assert.equal([query.status, query.replied(PointerQueryReply.base), query.replied(PointerQueryReply.size)], [0, at, 1000]);
  assert.is(free(world, two, at), INVALID, 'not the importer’s to free');
  assert.is(close(world, three, at).status, INVALID);
  assert.is(used(world), 1100, 'charged once');
  for (const each of [one, two, three]) world.end(each);
  assert.equal([used(world), world.zone.usage().allocations], [0, 0]);
});

for (const [what, bytes] of [['a block', 1000], ['an area', 3 * MIB]] as const) {
  test(`${what} that is freed while it is open stays, charged, until the last has closed it`, () => {
    const world = new World({ memory: 8 * MIB });
    const [one, two, three] = [world.client(), world.client(), world.client()];
    const at = alloc(world, one, bytes);
    world.fake.write(1, at, bytes);
    const token = handle(world, one, at);
    for (const each of [two, two, three]) assert.is(open(world, each, token).status, 0);
    assert.is(free(world, one, at), 0);
    assert.is(free(world, one, at), INVALID);
    assert.not(world.zone.check(one.memory, at, 1, false));
    assert.is(open(world, three, token).status, INVALID, 'no more openings');
    assert.is(used(world), bytes);
    assert.is(world.call(one, Message.GPU_ALLOC, { [GpuAlloc.kind]: AllocKind.device, [GpuAlloc.bytes]: u64(8 * MIB - bytes + 1) }).status, OUT_OF_MEMORY);
    assert.is.not(alloc(world, one, bytes), at, 'not given out again');
    assert.is(close(world, two, at).status, 0);
    assert.ok(world.zone.check(two.memory, at, bytes, true), 'opened twice, closed once');
    two.work();
    const last = close(world, two, at);
    assert.is(last.status, undefined, 'answered when its work is done');
    assert.not(world.zone.check(two.memory, at, 1, false));
    assert.is(close(world, three, at).status, 0);
    assert.is(used(world), 2 * bytes, 'work of the second may still touch it');
    two.workDone();
    assert.is(last.status, 0);
    assert.is(used(world), bytes);
    for (const each of [one, two, three]) world.end(each);
    assert.equal([used(world), world.zone.usage().allocations, world.zone.ledger.resting], [0, 0, 0]);
  });

  test(`${what} whose owner ends stays for who has it open, and shows nobody its bytes afterwards`, () => {
    const world = new World({ memory: 64 * MIB });
    const [one, two] = [world.client(), world.client()];
    const [at, other] = [alloc(world, one, bytes), alloc(world, one, 500)];
    world.fake.write(1, at, bytes);
    world.fake.write(1, other, 500);
    assert.is(open(world, two, handle(world, one, at)).status, 0);
    handle(world, one, other);
    world.end(one);
    assert.is(used(world), bytes);
    assert.ok(world.zone.check(two.memory, at, bytes, true));
    const third = world.client();
    for (let i = 0; i < 6; i++) {
      const fresh = alloc(world, third, 2 * MIB);
      assert.not(at >= fresh && at < fresh + 2 * MIB);
      world.fake.write(3, fresh, 2 * MIB);
    }
    world.end(two);
    assert.is(used(world), 12 * MIB);
    for (let i = 0; i < 10; i++) world.fake.write(3, alloc(world, third, 4 * MIB), 4 * MIB);
    world.end(third);
    assert.equal([used(world), world.zone.usage().allocations, world.zone.ledger.resting, world.zone.ledger.restingCount], [0, 0, 0, 0]);
  });
}

test('it ends with the context that it was allocated in, and with the one that it was opened in', () => {
  const world = new World();
  const [one, two] = [world.client(), world.client()];
  const [first, second] = [alloc(world, one, 1000, AllocKind.device, 100), alloc(world, one, 2000, AllocKind.device, 200)];
  for (const [at, context] of [[first, 300], [second, 400]]) assert.is(open(world, two, handle(world, one, at), {}, context).status, 0);
  for (const _ of one.memory.contextGoing(100));
  assert.is(used(world), 3000, 'open elsewhere');
  for (const _ of two.memory.contextGoing(300));
  assert.is(used(world), 2000);
  assert.not(world.zone.check(two.memory, first, 1, false));
  assert.ok(world.zone.check(two.memory, second, 2000, true));
  for (const _ of two.memory.contextGoing(400));
  assert.ok(world.zone.check(one.memory, second, 2000, true), 'the owner has it as before');
  assert.is(free(world, one, second), 0);
  assert.is(world.call(one, Message.GPU_FREE, { [GpuFree.address]: u64(first) }).status, INVALID);
  assert.is(used(world), 0);
  for (const each of [one, two]) world.end(each);
});

test('openings are bounded like allocations', () => {
  const world = new World({ allocations: 4 });
  const [one, two] = [world.client(), world.client()];
  const tokens = Array.from({ length: 4 }, () => handle(world, one, alloc(world, one, 100)));
  for (const token of tokens) assert.is(open(world, two, token).status, 0);
  for (let i = 0; i < 10; i++) assert.is(open(world, two, tokens[0]).status, 0, 'what is open already costs nothing more');
  for (const _ of two.memory.contextGoing(100));
  for (const token of tokens) assert.is(open(world, two, token).status, 0, 'and comes back');
  for (const each of [one, two]) world.end(each);
});

test.run();
