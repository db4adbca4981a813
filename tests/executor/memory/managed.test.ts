// Managed memory over the fake driver: the same addresses in two processes, to the byte in the ledger, resting while work is under
// way, gone with client and context.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import koffi from 'koffi';
import { closeSync, readFileSync } from 'node:fs';
import { AllocKind, GpuAlloc, GpuAllocReply, GpuFree, Message, PointerQuery, PointerQueryReply } from '../../../proxy/generated/messages.ts';
import { type Call, type FakeClient, GRANULE, MIB, peek64, poke64, u64, World } from './fake.ts';

const libc = koffi.load(null);
const mmap = libc.func('uintptr_t mmap(uintptr_t address, size_t bytes, int protection, int flags, int fd, int64_t offset)');
const munmap = libc.func('int munmap(uintptr_t address, size_t bytes)');
const dup = libc.func('int dup(int fd)');

const INVALID = 1;
const OUT_OF_MEMORY = 2;

const answered = async (world: World, call: Call): Promise<Call> => {
  // The system's calls are made on other threads: how soon depends on the machine's company.
  for (const end = Date.now() + 30_000; call.status === undefined && Date.now() < end;) {
    world.core.turn();
    await new Promise((next) => setTimeout(next, 2));
  }
  assert.is.not(call.status, undefined, 'the call is never answered');
  return call;
};

const alloc = (world: World, client: FakeClient, bytes: number | bigint, context = 100): Promise<Call> =>
  answered(world, world.start(client, Message.GPU_ALLOC, { [GpuAlloc.kind]: AllocKind.managed, [GpuAlloc.bytes]: u64(bytes) }, context));

const free = (world: World, client: FakeClient, address: number): Call => world.start(client, Message.GPU_FREE, { [GpuFree.address]: u64(address) });

const objects = (): number => readFileSync('/proc/self/maps', 'latin1').split('\n').filter((line) => line.includes('/memfd:ringfence-host')).length;

/** Waits until what is under way on other threads has come back: no object is left, and nothing is registered. */
async function nothingLeft(world: World): Promise<void> {
  const left = (): number[] => [world.zone.usage().memory, world.fake.registered.size, objects()];
  for (const end = Date.now() + 30_000; left().some((each) => each !== 0) && Date.now() < end;) {
    world.core.turn();
    await new Promise((next) => setTimeout(next, 2));
  }
  assert.equal(left(), [0, 0, 0]);
}

test('small ones share an object, large ones have their own; the descriptor comes once', async () => {
  const world = new World();
  const one = world.client();
  const [a, b] = [await alloc(world, one, 1), await alloc(world, one, 5000)];
  const large = await alloc(world, one, 3 * MIB + 1);
  assert.equal([a.status, b.status, large.status], [0, 0, 0]);
  assert.is(a.replied(GpuAllocReply.object), b.replied(GpuAllocReply.object));
  assert.is.not(large.replied(GpuAllocReply.object), a.replied(GpuAllocReply.object));
  assert.equal(one.notices.map((each) => [each.cookie, each.length]), [
    [a.replied(GpuAllocReply.object), GRANULE],
    [large.replied(GpuAllocReply.object), 3 * MIB + 4096],
  ]);
  assert.is(large.replied(GpuAllocReply.object_base), large.replied(GpuAllocReply.address));
  assert.is(world.zone.usage().memory, 1 + 5000 + 3 * MIB + 1);
  assert.is(world.fake.registered.get(large.replied(GpuAllocReply.object_base)), 3 * MIB + 4096);
  const at = b.replied(GpuAllocReply.address);
  const query = world.call(one, Message.POINTER_QUERY, { [PointerQuery.address]: u64(at + 4999) });
  assert.equal([query.replied(PointerQueryReply.base), query.replied(PointerQueryReply.size), query.reply[PointerQueryReply.kind]], [at, 5000, AllocKind.managed]);
  assert.ok(world.zone.check(one.memory, at, 5000, true));
  assert.not(world.zone.check(one.memory, at, 5001, false));
  assert.not(world.zone.check(world.client().memory, at, 1, false), 'another client’s');
  world.end(one);
  assert.is(world.fake.registered.size, 0);
  assert.is(objects(), 0);
});

test('both processes see the same bytes; they are zero at first, and gone from a stranger’s mapping after the free', async () => {
  const world = new World();
  const one = world.client();
  let mine = 0;
  one.onNotice = (fd) => { mine = dup(fd) as number; };
  const at = (await alloc(world, one, 2 * MIB)).replied(GpuAllocReply.address);
  const seen = mmap(0, 2 * MIB, 3, 1, mine, 0) as number; // as the client has it
  assert.is(peek64(seen), 0);
  poke64(at + 8, 42);
  assert.is(peek64(seen + 8), 42);
  poke64(seen + MIB, 43);
  assert.is(peek64(at + MIB), 43);
  assert.is(free(world, one, at).status, 0);
  assert.is(peek64(seen + 8), 0, 'the pages are the machine’s again, though they are still mapped');
  closeSync(mine);
  const again = (await alloc(world, one, 2 * MIB)).replied(GpuAllocReply.address);
  assert.is(again, at, 'the same address');
  poke64(seen + 8, 44);
  assert.is(peek64(again + 8), 0, 'and other pages');
  munmap(seen, 2 * MIB);
  world.end(one);
});

test('to the byte, and not more, also while work keeps what was freed', async () => {
  const world = new World({ memory: 8 * MIB });
  const one = world.client();
  assert.is((await alloc(world, one, 8 * MIB + 1)).status, OUT_OF_MEMORY);
  const at = (await alloc(world, one, 8 * MIB)).replied(GpuAllocReply.address);
  assert.is((await alloc(world, one, 1)).status, OUT_OF_MEMORY);
  one.work();
  const freeing = free(world, one, at);
  assert.is(freeing.status, undefined, 'answered when the work is done');
  assert.not(world.zone.check(one.memory, at, 1, false), 'but not to be used from now on');
  assert.is(free(world, one, at).status, INVALID, 'twice');
  assert.is(world.zone.usage().memory, 0);
  const next = world.start(one, Message.GPU_ALLOC, { [GpuAlloc.kind]: AllocKind.managed, [GpuAlloc.bytes]: u64(8 * MIB) });
  for (let i = 0; i < 20; i++) {
    world.core.turn();
    await new Promise((done) => setTimeout(done, 1));
  }
  assert.is(next.status, undefined, 'pages that work may touch are real pages: no more than the quota of both together');
  one.workDone();
  assert.is(freeing.status, 0);
  assert.is((await answered(world, next)).status, 0);
  for (const bytes of [0, 2 ** 45, 2n ** 53n, 2n ** 64n - 1n]) assert.ok((await alloc(world, one, bytes)).status! > 0);
  for (const bad of [1, at + 8, 2 ** 47, Number.MAX_SAFE_INTEGER]) assert.is(free(world, one, bad).status, INVALID);
  world.end(one);
  assert.equal([world.zone.usage().memory, world.zone.usage().allocations, objects()], [0, 0, 0]);
});

test('it goes with its context, and what is being made is answered so', async () => {
  const world = new World();
  const one = world.client();
  const [small, large] = [await alloc(world, one, 100, 100), await alloc(world, one, 4 * MIB, 100)];
  const other = await alloc(world, one, 100, 200);
  const coming = world.start(one, Message.GPU_ALLOC, { [GpuAlloc.kind]: AllocKind.managed, [GpuAlloc.bytes]: u64(4 * MIB) }, 100);
  for (const _ of one.memory.contextGoing(100));
  assert.is((await answered(world, coming)).status, 709);
  await new Promise((done) => setTimeout(done, 50));
  for (const gone of [small, large]) assert.not(world.zone.check(one.memory, gone.replied(GpuAllocReply.address), 1, false));
  assert.ok(world.zone.check(one.memory, other.replied(GpuAllocReply.address), 100, true));
  assert.is(world.zone.usage().memory, 100);
  one.memory.close();
  one.memory.contextsGone();
  assert.equal([world.zone.usage().memory, world.fake.registered.size, objects()], [0, 0, 0]);
});

test('a client that leaves while its memory is made; a driver that refuses; a device that has host memory elsewhere', async () => {
  const world = new World();
  const [one, two] = [world.client(), world.client()];
  world.start(one, Message.GPU_ALLOC, { [GpuAlloc.kind]: AllocKind.managed, [GpuAlloc.bytes]: u64(4 * MIB) });
  world.core.turn();
  world.end(one);
  await nothingLeft(world);
  world.fake.failures.set('cuMemHostRegister_v2', { after: 0, status: 2 });
  for (const bytes of [100, 4 * MIB]) assert.is((await alloc(world, two, bytes)).status, OUT_OF_MEMORY);
  world.fake.failures.clear();
  world.fake.failures.set('cuMemHostGetDevicePointer_v2', { after: 0, status: 801 });
  assert.is((await alloc(world, two, 100)).status, 801);
  world.fake.failures.clear();
  assert.equal([world.zone.usage().memory, world.fake.registered.size, objects()], [0, 0, 0]);
  assert.is((await alloc(world, two, 100)).status, 0);
  world.end(two);
});

test.run();
