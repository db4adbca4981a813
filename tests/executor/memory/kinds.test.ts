// Pools, arrays, mipmapped arrays and pinned memory over the fake driver.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { existsSync, fstatSync, ftruncateSync, readFileSync } from 'node:fs';
import {
  AllocKind, ArrayCreate, ArrayDescribe, ArrayDestroy, GpuAlloc, GpuFree, HostAlloc, HostAllocReply, HostFree, Message, MipmapCreate,
  MipmapDestroy, MipmapLevel, PointerQuery, PointerQueryReply, PoolCreate, PoolDestroy, PoolGet, PoolOfDevice, PoolSet, PoolTrim,
} from '../../../proxy/generated/messages.ts';
import { type Call, type FakeClient, GRANULE, MIB, peek64, poke64, u64, World } from './fake.ts';

const INVALID = 1;
const OUT_OF_MEMORY = 2;

// ---- pools ----

const pool = (world: World, client: FakeClient, which: number, handle = 0): Call =>
  world.call(client, Message.POOL_OF_DEVICE, { [PoolOfDevice.which]: which, [PoolOfDevice.pool]: u64(handle) });

const createPool = (world: World, client: FakeClient, most = 0): number => {
  const call = world.call(client, Message.POOL_CREATE, { [PoolCreate.type]: 1, [PoolCreate.location_type]: 1, [PoolCreate.max_size]: u64(most) });
  assert.is(call.status, 0);
  return call.replied(0);
};

const attribute = (world: World, client: FakeClient, handle: number, which: number): number => {
  const call = world.call(client, Message.POOL_GET, { [PoolGet.pool]: u64(handle), [PoolGet.attribute]: which });
  assert.is(call.status, 0);
  return call.replied(0);
};

const setAttribute = (world: World, client: FakeClient, handle: number, which: number, value: number | bigint): number =>
  world.call(client, Message.POOL_SET, { [PoolSet.pool]: u64(handle), [PoolSet.attribute]: which, [PoolSet.value]: u64(value) }).status!;

const allocFrom = (world: World, client: FakeClient, bytes: number, handle = 0): Call =>
  world.call(client, Message.GPU_ALLOC, { [GpuAlloc.kind]: AllocKind.async, [GpuAlloc.bytes]: u64(bytes), [GpuAlloc.pool]: u64(handle) });

test('the default pool, the current pool, and what is counted in which', () => {
  const world = new World();
  const [one, two] = [world.client(), world.client()];
  const first = pool(world, one, 0).replied(0);
  assert.is(pool(world, one, 1).replied(0), first);
  assert.is.not(pool(world, two, 0).replied(0), first);
  const own = createPool(world, one);
  assert.is(pool(world, one, 2, own).status, 0);
  assert.is(pool(world, one, 1).replied(0), own);
  assert.is(pool(world, one, 0).replied(0), first);
  assert.is(pool(world, two, 2, own).status, INVALID, 'another client’s');
  const at = allocFrom(world, one, 3 * MIB).replied(0);
  allocFrom(world, one, 1000, first);
  assert.is(attribute(world, one, own, 7), 3 * MIB);
  assert.is(attribute(world, one, own, 5), 4 * MIB, 'reserved: in granules');
  assert.is(attribute(world, one, first, 7), 1000);
  const query = world.call(one, Message.POINTER_QUERY, { [PointerQuery.address]: u64(at + 5) });
  assert.is(query.replied(PointerQueryReply.pool), own);
  assert.is(query.reply[PointerQueryReply.kind], AllocKind.async);
  assert.is(world.call(one, Message.POOL_DESTROY, { [PoolDestroy.pool]: u64(own) }).status, 0);
  assert.is(pool(world, one, 1).replied(0), first, 'the default one is current again');
  assert.ok(world.zone.check(one.memory, at, 3 * MIB, true), 'what came from it lives on');
  assert.is(allocFrom(world, one, 10, own).status, INVALID);
  assert.is(world.call(one, Message.POOL_DESTROY, { [PoolDestroy.pool]: u64(own) }).status, INVALID);
  assert.is(world.call(one, Message.POOL_DESTROY, { [PoolDestroy.pool]: u64(first) }).status, INVALID, 'the default one stays');
  assert.is(world.call(one, Message.GPU_FREE, { [GpuFree.address]: u64(at) }).status, 0);
});

test('attributes: high-water marks, thresholds of 64 bits, flags, nonsense', () => {
  const world = new World();
  const one = world.client();
  const own = createPool(world, one);
  const at = allocFrom(world, one, 5000, own).replied(0);
  assert.is(world.call(one, Message.GPU_FREE, { [GpuFree.address]: u64(at), [GpuFree.async]: 1 }).status, 0);
  assert.equal([5, 6, 7, 8].map((which) => attribute(world, one, own, which)), [0, GRANULE, 0, 5000]);
  assert.is(setAttribute(world, one, own, 8, 1), INVALID);
  assert.is(setAttribute(world, one, own, 8, 0), 0);
  assert.is(setAttribute(world, one, own, 6, 0), 0);
  assert.equal([6, 8].map((which) => attribute(world, one, own, which)), [0, 0]);
  assert.is(setAttribute(world, one, own, 4, 2n ** 64n - 1n), 0);
  const call = world.call(one, Message.POOL_GET, { [PoolGet.pool]: u64(own), [PoolGet.attribute]: 4 });
  assert.equal([call.reply[0], call.reply[1]], [0xffffffff, 0xffffffff]);
  for (const which of [1, 2, 3]) {
    assert.is(attribute(world, one, own, which), 1);
    assert.is(setAttribute(world, one, own, which, 0), 0);
    assert.is(attribute(world, one, own, which), 0);
    assert.is(setAttribute(world, one, own, which, 2), INVALID);
  }
  for (const which of [0, 5, 7, 9, 0xffffffff]) assert.is(setAttribute(world, one, own, which, 0), INVALID);
  assert.is(world.call(one, Message.POOL_GET, { [PoolGet.pool]: u64(own), [PoolGet.attribute]: 0 }).status, INVALID);
  assert.is(world.call(one, Message.POOL_TRIM, { [PoolTrim.pool]: u64(own) }).status, 0);
  assert.is(world.call(one, Message.POOL_TRIM, { [PoolTrim.pool]: u64(77) }).status, INVALID);
});

test('a pool’s own limit, and the zone’s above it', () => {
  const world = new World({ memory: 10_000 });
  const one = world.client();
  const own = createPool(world, one, 6000);
  assert.is(allocFrom(world, one, 6001, own).status, OUT_OF_MEMORY);
  const at = allocFrom(world, one, 6000, own).replied(0);
  assert.is(allocFrom(world, one, 1, own).status, OUT_OF_MEMORY);
  assert.is(allocFrom(world, one, 4001).status, OUT_OF_MEMORY, 'the zone');
  assert.is(attribute(world, one, pool(world, one, 0).replied(0), 7), 0, 'a refusal counts nowhere');
  assert.is(world.call(one, Message.GPU_FREE, { [GpuFree.address]: u64(at) }).status, 0);
  assert.is(allocFrom(world, one, 6000, own).status, 0);
});

// ---- arrays ----

interface Shape { width: number | bigint; height?: number | bigint; depth?: number | bigint; format?: number; channels?: number; flags?: number }

const createArray = (world: World, client: FakeClient, o: Shape): Call => world.call(client, Message.ARRAY_CREATE, {
  [ArrayCreate.width]: u64(o.width), [ArrayCreate.height]: u64(o.height ?? 0), [ArrayCreate.depth]: u64(o.depth ?? 0),
  [ArrayCreate.format]: o.format ?? 0x20, [ArrayCreate.channels]: o.channels ?? 1, [ArrayCreate.flags]: o.flags ?? 0,
});

test('an array is charged by its elements, zeroed all over, described, destroyed', () => {
  const world = new World();
  const one = world.client();
  let charged = 0;
  for (const [shape, bytes] of [
    [{ width: 100 }, 400],
    [{ width: 100, channels: 4 }, 1600],
    [{ width: 33, height: 7, format: 0x01 }, 231],
    [{ width: 1000, height: 1000, channels: 4 }, 16_000_000],
    [{ width: 16, height: 16, depth: 300, format: 0x10, channels: 2 }, 16 * 16 * 300 * 4],
    [{ width: 2048, height: 1024, depth: 3, format: 0x08 }, 2048 * 1024 * 3],
    [{ width: 64, depth: 5, flags: 1 }, 64 * 4 * 5],
    [{ width: 1_000_000, channels: 4 }, 16_000_000],
  ] as [Shape, number][]) {
    const before = new Set(world.fake.arrays.keys());
    const call = createArray(world, one, shape);
    assert.is(call.status, 0);
    charged += bytes;
    assert.is(world.zone.usage().memory, charged);
    const native = [...world.fake.arrays.keys()].find((key) => !before.has(key))!;
    assert.is(world.fake.arrays.get(native)!.zeroed, bytes, 'every byte, once');
    const described = world.call(one, Message.ARRAY_DESCRIBE, { [ArrayDescribe.array]: u64(call.replied(0)) });
    assert.equal([described.replied(0), described.replied(2), described.replied(4), described.reply[7]], [shape.width, shape.height ?? 0, shape.depth ?? 0, shape.channels ?? 1]);
    assert.is(world.call(one, Message.ARRAY_DESTROY, { [ArrayDestroy.array]: u64(call.replied(0)) }).status, 0);
    assert.is(world.call(one, Message.ARRAY_DESTROY, { [ArrayDestroy.array]: u64(call.replied(0)) }).status, 400);
    charged -= bytes;
    assert.is(world.zone.usage().memory, charged);
    assert.is(world.fake.arrays.size, 0);
  }
});

test('a mipmapped array is charged for all levels, and its levels go with it', () => {
  const world = new World();
  const one = world.client();
  const call = world.call(one, Message.MIPMAP_CREATE, { [MipmapCreate.width]: u64(64), [MipmapCreate.height]: u64(16), [MipmapCreate.format]: 0x01, [MipmapCreate.channels]: 1, [MipmapCreate.levels]: 100 });
  assert.is(call.status, 0);
  const bytes = 64 * 16 + 32 * 8 + 16 * 4 + 8 * 2 + 4 + 2 + 1;
  assert.is(world.zone.usage().memory, bytes);
  assert.is([...world.fake.arrays.values()].reduce((sum, each) => sum + each.zeroed, 0), bytes);
  const level = (n: number): Call => world.call(one, Message.MIPMAP_LEVEL, { [MipmapLevel.mipmap]: u64(call.replied(0)), [MipmapLevel.level]: n });
  assert.is(level(7).status, INVALID);
  const second = level(2);
  assert.is(level(2).replied(0), second.replied(0));
  const described = world.call(one, Message.ARRAY_DESCRIBE, { [ArrayDescribe.array]: u64(second.replied(0)) });
  assert.equal([described.replied(0), described.replied(2)], [16, 4]);
  assert.is(world.call(one, Message.ARRAY_DESTROY, { [ArrayDestroy.array]: u64(second.replied(0)) }).status, 400, 'not the client’s to destroy');
  assert.is(world.call(one, Message.MIPMAP_DESTROY, { [MipmapDestroy.mipmap]: u64(call.replied(0)) }).status, 0);
  assert.is(one.handles.size, 0, 'the level’s handle too');
  assert.equal([world.zone.usage().memory, world.fake.arrays.size], [0, 0]);
});

test('arrays that cannot be, or may not', () => {
  const world = new World({ memory: MIB });
  const one = world.client();
  assert.is(createArray(world, one, { width: 0 }).status, INVALID);
  assert.is(createArray(world, one, { width: 1, channels: 3 }).status, INVALID);
  assert.is(createArray(world, one, { width: 1, format: 0x91 }).status, 801, 'compressed');
  assert.is(createArray(world, one, { width: 1, flags: 0x40 }).status, 801, 'sparse');
  assert.is(createArray(world, one, { width: 1024, height: 257 }).status, OUT_OF_MEMORY);
  assert.is(createArray(world, one, { width: 2n ** 64n - 1n, height: 2n ** 64n - 1n, depth: 2n ** 64n - 1n }).status, INVALID, 'beyond any device');
  world.fake.failures.set('cuArray3DCreate_v2', { after: 0, status: 1 });
  assert.is(createArray(world, one, { width: 10 }).status, 1);
  assert.equal([world.zone.usage().memory, world.zone.usage().allocations], [0, 0]);
});

test('an array lives in its context', () => {
  const world = new World();
  const one = world.client();
  const call = world.call(one, Message.ARRAY_CREATE, { [ArrayCreate.width]: u64(10), [ArrayCreate.format]: 0x20, [ArrayCreate.channels]: 1 }, 5);
  assert.is(one.handles.size, 1);
  for (const _ of one.memory.contextGoing(5));
  assert.is(one.handles.size, 0);
  assert.is(world.zone.usage().memory, 0);
  assert.is(world.call(one, Message.ARRAY_DESTROY, { [ArrayDestroy.array]: u64(call.replied(0)) }).status, 400);
});

// ---- pinned memory ----

const turnsUntil = async (call: Call): Promise<Call> => {
  // Its pages are made on another thread: how soon depends on the machine's company.
  for (const end = Date.now() + 30_000; call.status === undefined && Date.now() < end;) await new Promise((next) => setTimeout(next, 5));
  assert.is.not(call.status, undefined);
  return call;
};

const hostAlloc = (world: World, client: FakeClient, bytes: number | bigint): Promise<Call> =>
  turnsUntil(world.start(client, Message.HOST_ALLOC, { [HostAlloc.bytes]: u64(bytes) }));

test('pinned memory: a page-aligned object that the client gets by descriptor, registered, counted, gone', async () => {
  const world = new World({ staging: MIB });
  const one = world.client();
  let size = 0;
  one.onNotice = (fd) => {
    size = fstatSync(fd).size;
    for (const other of [0, 4096, 1 << 20]) assert.throws(() => ftruncateSync(fd, other), /EPERM/, 'its size is sealed');
  };
  const call = await hostAlloc(world, one, 10_000);
  assert.is(call.status, 0);
  const id = call.replied(HostAllocReply.id);
  assert.is(call.replied(HostAllocReply.size), 12_288);
  assert.equal(one.notices.map(({ cookie, offset, length }) => ({ cookie, offset, length })), [{ cookie: id, offset: 0, length: 12_288 }]);
  assert.is(size, 12_288);
  assert.not(existsSync(`/proc/self/fd/${one.notices[0].fd}`), 'our copy of the descriptor is closed');
  const pinned = one.memory.pinned(id)!;
  assert.is(pinned.address, call.replied(HostAllocReply.address), 'the client has it at the address that the GPU uses');
  assert.ok(world.zone.check(one.memory, pinned.address, 10_000, true));
  assert.not(world.zone.check(one.memory, pinned.address, 10_001, false));
  assert.not(world.zone.check(world.client().memory, pinned.address, 1, false), 'another client’s');
  assert.is(pinned.bytes, 10_000);
  assert.is(world.fake.registered.get(pinned.address), 12_288);
  assert.is(world.zone.usage().staging, 10_000);

  assert.is((await hostAlloc(world, one, MIB - 9999)).status, OUT_OF_MEMORY, 'the staging limit');
  assert.is((await hostAlloc(world, one, 0)).status, INVALID);
  for (const bytes of [2 ** 45, 2n ** 53n, 2n ** 64n - 1n]) assert.is((await hostAlloc(world, one, bytes)).status, OUT_OF_MEMORY);

  one.work();
  const freeing = world.start(one, Message.HOST_FREE, { [HostFree.id]: u64(id) });
  assert.is(freeing.status, undefined);
  assert.is(one.memory.pinned(id), undefined);
  assert.not(world.zone.check(one.memory, pinned.address, 1, false));
  assert.is(world.start(one, Message.HOST_FREE, { [HostFree.id]: u64(id) }).status, INVALID);
  assert.is(world.fake.registered.size, 1, 'the GPU may still write to it');
  one.workDone();
  assert.is(freeing.status, 0);
  assert.equal([world.fake.registered.size, world.zone.usage().staging, world.zone.usage().allocations], [0, 0, 0]);
});

test('pinned memory retired: unused at once, its bytes and its charge there until it is freed', async () => {
  const world = new World();
  const one = world.client();
  const id = (await hostAlloc(world, one, 5000)).replied(HostAllocReply.id);
  const { address } = one.memory.pinned(id)!;
  poke64(address, 77);
  assert.is(world.start(one, Message.HOST_FREE, { [HostFree.id]: u64(id), [HostFree.retire]: 1 }).status, 0);
  assert.is(one.memory.pinned(id), undefined);
  assert.not(world.zone.check(one.memory, address, 1, false));
  assert.equal([peek64(address), world.zone.usage().staging], [77, 5000]);
  assert.is(world.start(one, Message.HOST_FREE, { [HostFree.id]: u64(id), [HostFree.retire]: 1 }).status, INVALID);
  assert.is(world.start(one, Message.HOST_FREE, { [HostFree.id]: u64(id) }).status, 0);
  assert.is(world.start(one, Message.HOST_FREE, { [HostFree.id]: u64(id) }).status, INVALID);
  assert.equal([world.fake.registered.size, world.zone.usage().staging], [0, 0]);
  const left = (await hostAlloc(world, one, 5000)).replied(HostAllocReply.id);
  world.start(one, Message.HOST_FREE, { [HostFree.id]: u64(left), [HostFree.retire]: 1 });
  world.end(one);
  assert.equal([world.fake.registered.size, world.zone.usage().staging], [0, 0]);
});

test('pinned memory ends with its client, also while it is being made', async () => {
  const world = new World();
  const [one, two] = [world.client(), world.client()];
  const call = await hostAlloc(world, one, 5000);
  assert.is(world.call(two, Message.HOST_FREE, { [HostFree.id]: u64(call.replied(0)) }).status, INVALID, 'another client’s');
  const objects = (): number => readFileSync('/proc/self/maps', 'latin1').split('\n').filter((line) => line.includes('/memfd:ringfence-host')).length;
  assert.is(objects(), 1);
  world.start(one, Message.HOST_ALLOC, { [HostAlloc.bytes]: u64(5000) });
  assert.is(objects(), 2, 'one of them being made on another thread');
  one.memory.close();
  assert.equal([world.zone.usage().staging, world.zone.usage().allocations], [0, 0]);
  one.memory.contextsGone();
  for (const end = Date.now() + 30_000; objects() !== 0 && Date.now() < end;) await new Promise((next) => setTimeout(next, 5));
  assert.is(world.fake.registered.size, 0);
  assert.equal([world.zone.usage().staging, world.zone.usage().allocations], [0, 0]);
  assert.is(objects(), 0, 'unmapped');
});

test.run();
