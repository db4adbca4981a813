// Device memory of every kind over the fake driver: the quota to the byte, checks to the byte, whose bytes are seen, when freed
// memory is used again, and what a client leaves behind.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import fc from '../../support/property.ts';
import { AllocKind, GpuAlloc, GpuAllocReply, GpuFree, MemInfoReply, Message, PointerQuery, PointerQueryReply } from '../../../proxy/generated/messages.ts';
import { type Call, type FakeClient, GIB, GRANULE, KIB, MIB, stream, u64, World } from './fake.ts';

const INVALID = 1;
const OUT_OF_MEMORY = 2;

const alloc = (world: World, client: FakeClient, bytes: number | bigint, context = 100): Call =>
  world.call(client, Message.GPU_ALLOC, { [GpuAlloc.kind]: AllocKind.device, [GpuAlloc.bytes]: u64(bytes) }, context);

const allocAsync = (world: World, client: FakeClient, bytes: number, on: number): Call =>
  world.call(client, Message.GPU_ALLOC, { [GpuAlloc.kind]: AllocKind.async, [GpuAlloc.bytes]: u64(bytes), [GpuAlloc.stream]: u64(on) });

const free = (world: World, client: FakeClient, address: number): number =>
  world.call(client, Message.GPU_FREE, { [GpuFree.address]: u64(address) }).status!;

/** A free that is answered later: while work is under way. */
const startFree = (world: World, client: FakeClient, address: number): Call => {
  const call = world.start(client, Message.GPU_FREE, { [GpuFree.address]: u64(address) });
  assert.is(call.status, undefined);
  return call;
};

const freeAsync = (world: World, client: FakeClient, address: number, on: number): number =>
  world.call(client, Message.GPU_FREE, { [GpuFree.address]: u64(address), [GpuFree.stream]: u64(on), [GpuFree.async]: 1 }).status!;

const addressOf = (call: Call): number => {
  assert.is(call.status, 0);
  return call.replied(GpuAllocReply.address);
};

const info = (world: World, client: FakeClient): { free: number; total: number } => {
  const call = world.call(client, Message.MEM_INFO, {});
  assert.is(call.status, 0);
  return { free: call.replied(MemInfoReply.free), total: call.replied(MemInfoReply.total) };
};

test('an allocation is the client’s to the byte, and nobody else’s', () => {
  const world = new World();
  const [one, two] = [world.client(), world.client()];
  for (const bytes of [1, 511, 512, 513, 4096, 100_000, MIB, MIB + 1, 3 * MIB + 7]) {
    const at = addressOf(alloc(world, one, bytes));
    assert.is(at % 512, 0);
    assert.ok(world.zone.check(one.memory, at, bytes, true));
    assert.ok(world.zone.check(one.memory, at + bytes - 1, 1, true));
    assert.ok(world.zone.check(one.memory, at, 0, true));
    assert.not(world.zone.check(one.memory, at, bytes + 1, true), `${bytes}: one more`);
    assert.not(world.zone.check(one.memory, at + bytes, 1, true));
    assert.not(world.zone.check(one.memory, at - 1, 2, true));
    assert.not(world.zone.check(one.memory, at, 2 ** 53, true));
    assert.not(world.zone.check(one.memory, at, 2 ** 64, true));
    assert.not(world.zone.check(two.memory, at, 1, false), 'another client');
  }
  for (const address of [0, 1, world.zone.windowBase - 1, world.zone.windowBase + world.zone.windowSize, 2 ** 53, 2 ** 64]) {
    assert.not(world.zone.check(one.memory, address, 1, false));
  }
});

test('a free that is not of an allocation’s start is refused', () => {
  const world = new World();
  const [one, two] = [world.client(), world.client()];
  for (const bytes of [1000, 2 * MIB]) {
    const at = addressOf(alloc(world, one, bytes));
    assert.is(free(world, one, at + 512), INVALID, 'inside');
    assert.is(free(world, one, at + 1), INVALID);
    assert.is(free(world, two, at), INVALID, 'another client’s');
    assert.is(free(world, one, at), 0);
    assert.not(world.zone.check(one.memory, at, 1, false), 'freed');
    assert.is(free(world, one, at), INVALID, 'twice');
  }
  for (const address of [0, 1, 2 ** 53, 2 ** 64 - 2 ** 11]) assert.is(free(world, one, address), INVALID);
  assert.is(world.zone.usage().memory, 0);
  assert.is(world.zone.usage().allocations, 0);
});

test('sizes that cannot be are refused and charge nothing', () => {
  const world = new World();
  const one = world.client();
  assert.is(alloc(world, one, 0).status, INVALID);
  for (const bytes of [2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) assert.is(alloc(world, one, bytes).status, OUT_OF_MEMORY);
  const pitch = (width: bigint, height: bigint, element = 4): number | undefined => world.call(one, Message.GPU_ALLOC, {
    [GpuAlloc.kind]: AllocKind.pitch, [GpuAlloc.element]: element, [GpuAlloc.width]: u64(width), [GpuAlloc.height]: u64(height),
  }).status;
  assert.is(pitch(0n, 1n), INVALID);
  assert.is(pitch(1n, 0n), INVALID);
  assert.is(pitch(1n, 1n, 3), INVALID);
  assert.is(pitch(2n ** 40n, 2n ** 40n), OUT_OF_MEMORY);
  assert.is(pitch(2n ** 64n - 1n, 2n ** 64n - 1n), OUT_OF_MEMORY);
  assert.is(world.call(one, Message.GPU_ALLOC, { [GpuAlloc.kind]: 9, [GpuAlloc.bytes]: u64(1) }).status, INVALID);
  assert.is(alloc(world, one, 1, 0).status, 201, 'no context');
  assert.equal({ ...world.zone.usage(), refused: 0 }, { memory: 0, memoryPeak: 0, allocations: 0, staging: 0, refused: 0 });
});

test('the quota is exact to the byte, pitch padding included', () => {
  const world = new World({ memory: 10 * MIB });
  const [one, two] = [world.client(), world.client()];
  const wide = world.call(one, Message.GPU_ALLOC, { [GpuAlloc.kind]: AllocKind.pitch, [GpuAlloc.element]: 4, [GpuAlloc.width]: u64(513), [GpuAlloc.height]: u64(100) });
  assert.is(wide.replied(GpuAllocReply.pitch), 1024);
  assert.is(world.zone.usage().memory, 102_400);
  addressOf(alloc(world, two, 10 * MIB - 102_400 - 1));
  assert.equal(info(world, one), { free: 1, total: 10 * MIB });
  assert.is(alloc(world, one, 2).status, OUT_OF_MEMORY);
  const last = addressOf(alloc(world, one, 1));
  assert.is(info(world, two).free, 0);
  assert.is(alloc(world, two, 1).status, OUT_OF_MEMORY);
  assert.is(world.zone.usage().refused, 2);
  assert.is(free(world, one, last), 0);
  assert.is(info(world, two).free, 1);
  assert.is(world.zone.usage().memoryPeak, 10 * MIB);
});

test('limits change live: lowering them takes nothing back', () => {
  const world = new World({ memory: 8 * MIB, allocations: 2 });
  const one = world.client();
  const first = addressOf(alloc(world, one, 4 * MIB));
  addressOf(alloc(world, one, 1));
  assert.is(alloc(world, one, 1).status, OUT_OF_MEMORY, 'allocations');
  world.zone.setLimits({ memory: MIB, allocations: 10, clients: 1, handles: 1, staging: 0 });
  assert.ok(world.zone.check(one.memory, first, 4 * MIB, true));
  assert.equal(info(world, one), { free: 0, total: MIB });
  assert.is(alloc(world, one, 1).status, OUT_OF_MEMORY);
  assert.is(free(world, one, first), 0);
  assert.is(info(world, one).free, MIB - 1);
  assert.is(alloc(world, one, MIB - 1).status, 0);
});

test('free memory is never more than the card has', () => {
  const world = new World({ memory: 4 * GIB });
  const one = world.client();
  world.fake.card = 8;
  addressOf(alloc(world, one, 4 * MIB));
  assert.is(info(world, one).free, 6 * GRANULE);
  // A quota that the card cannot keep: the driver's refusal charges nothing.
  assert.is(alloc(world, one, 7 * GRANULE).status, OUT_OF_MEMORY);
  assert.is(world.zone.usage().memory, 4 * MIB);
  assert.is(alloc(world, one, 6 * GRANULE).status, 0);
});

test('what is kept for later is given up before a client is refused', () => {
  const world = new World();
  const [one, two] = [world.client(), world.client()];
  world.fake.card = 8;
  assert.is(free(world, one, addressOf(alloc(world, one, 3 * GRANULE))), 0);
  assert.is(free(world, one, addressOf(alloc(world, one, 1000))), 0);
  assert.is(world.fake.used, 4, 'kept: an area and an empty chunk');
  assert.is(alloc(world, two, 8 * GRANULE).status, 0);
});

test('what is kept never takes a zone beyond its quota: other zones were promised the rest of the card', () => {
  const world = new World({ memory: 16 * GRANULE });
  const [one, two] = [world.client(), world.client()];
  for (const client of [one, two]) {
    for (let granules = 2; granules <= 15; granules++) {
      assert.is(free(world, client, addressOf(alloc(world, client, granules * GRANULE))), 0);
      world.core.settle();
      assert.ok(world.fake.used <= 16, `${world.fake.used} granules after ${granules}`);
    }
  }
});

test('memory that rests is waited for before a client is refused', () => {
  const world = new World();
  const one = world.client();
  world.fake.card = 8;
  const at = addressOf(alloc(world, one, 6 * GRANULE));
  one.work();
  startFree(world, one, at);
  const waits = world.start(one, Message.GPU_ALLOC, { [GpuAlloc.kind]: AllocKind.device, [GpuAlloc.bytes]: u64(5 * GRANULE) });
  for (let i = 0; i < 20; i++) world.core.turn();
  assert.is(waits.status, undefined);
  one.workDone();
  for (let i = 0; i < 20; i++) world.core.turn();
  assert.is(waits.status, 0);
});

test('nothing is handed out before its zeroing is done', () => {
  const world = new World();
  const one = world.client();
  world.fake.instant = false;
  for (const bytes of [100, 3 * MIB]) {
    const call = world.start(one, Message.GPU_ALLOC, { [GpuAlloc.kind]: AllocKind.device, [GpuAlloc.bytes]: u64(bytes) });
    for (let i = 0; i < 10; i++) world.core.turn();
    assert.is(call.status, undefined);
    world.fake.complete();
    world.core.turn();
    assert.is(call.status, 0);
    world.fake.write(one.id, call.replied(GpuAllocReply.address), bytes);
  }
});

test('a failure on the way charges nothing and leaves nothing behind', () => {
  for (const name of ['cuMemCreate', 'cuMemMap', 'cuMemSetAccess', 'cuMemsetD32Async', 'cuStreamCreate']) {
    for (const bytes of [100, 5 * MIB]) {
      const world = new World();
      const one = world.client();
      world.fake.failures.set(name, { after: 0, status: 719 });
      assert.is(alloc(world, one, bytes).status, 719, name);
      world.core.settle();
      assert.equal([world.zone.usage().memory, world.zone.usage().allocations, world.fake.used, world.fake.mappings.size], [0, 0, 0, 0], name);
      world.fake.failures.clear();
      assert.is(alloc(world, one, bytes).status, 0, `${name}, then well again`);
    }
  }
});

test('zeroing that no event tells the end of goes on: its memory is neither given out nor taken back before it is done', () => {
  for (const name of ['cuEventCreate', 'cuEventRecord', 'cuEventQuery']) {
    for (const bytes of [100, 5 * MIB]) {
      const world = new World();
      const one = world.client();
      world.fake.instant = false;
      world.fake.failures.set(name, { after: 0, status: 2 });
      const call = world.start(one, Message.GPU_ALLOC, { [GpuAlloc.kind]: AllocKind.device, [GpuAlloc.bytes]: u64(bytes) });
      for (let i = 0; i < 10; i++) world.core.turn();
      assert.is(call.status, undefined, name);
      assert.is.not(world.fake.mappings.size, 0, name);
      world.fake.complete();
      world.core.turn();
      assert.is(call.status, 0, name);
      world.fake.write(one.id, call.replied(GpuAllocReply.address), bytes);
    }
  }
});

test('freed while work is under way: not used again before it is done', () => {
  const world = new World();
  const one = world.client();
  for (const bytes of [1000, 4 * MIB]) {
    const first = addressOf(alloc(world, one, bytes));
    one.work();
    const freeing = startFree(world, one, first);
    assert.not(world.zone.check(one.memory, first, 1, false));
    const second = addressOf(alloc(world, one, bytes));
    assert.is.not(second, first);
    assert.is(freeing.status, undefined);
    one.workDone();
    assert.is(freeing.status, 0);
    const third = addressOf(alloc(world, one, bytes));
    assert.is(third, first, 'and then at once');
    // With nothing under way, at once.
    assert.is(free(world, one, third), 0);
    assert.is(addressOf(alloc(world, one, bytes)), third);
  }
});

test('stream-ordered: the same stream may have the memory at once, others when the stream has got there', () => {
  const world = new World();
  const one = world.client();
  for (const bytes of [1000, 4 * MIB]) {
    const first = addressOf(allocAsync(world, one, bytes, 1));
    one.work();
    assert.is(freeAsync(world, one, first, 1), 0);
    assert.not(world.zone.check(one.memory, first, 1, false));
    assert.is(freeAsync(world, one, first, 1), INVALID, 'twice');
    const other = addressOf(allocAsync(world, one, bytes, 2));
    assert.is.not(other, first);
    const same = addressOf(allocAsync(world, one, bytes, 1));
    assert.is(same, first);
    // The settlement of the first free means nothing to its second life.
    one.streamDone(stream(1));
    assert.ok(world.zone.check(one.memory, same, bytes, true));
    assert.is(freeAsync(world, one, same, 1), 0);
    one.streamDone(stream(1));
    assert.is(addressOf(allocAsync(world, one, bytes, 2)), same);
    one.workDone();
    // cuMemFree takes stream-ordered memory too.
    assert.is(free(world, one, other), 0);
  }
});

test('a pointer is asked about', () => {
  const world = new World();
  const [one, two] = [world.client(), world.client()];
  const small = addressOf(alloc(world, one, 1000));
  const large = addressOf(alloc(world, one, 5 * MIB));
  const ask = (client: FakeClient, address: number): Call => world.call(client, Message.POINTER_QUERY, { [PointerQuery.address]: u64(address) });
  const ids = new Set<number>();
  for (const [at, bytes] of [[small, 1000], [large, 5 * MIB]]) {
    for (const inside of [0, 1, 999]) {
      const call = ask(one, at + inside);
      assert.is(call.status, 0);
      assert.equal([call.replied(PointerQueryReply.base), call.replied(PointerQueryReply.size)], [at, bytes]);
      ids.add(call.replied(PointerQueryReply.id));
    }
    assert.is(ask(one, at + bytes).status, INVALID);
    assert.is(ask(two, at).status, INVALID);
  }
  assert.is(ids.size, 2);
});

test('a context takes what was allocated in it along', () => {
  const world = new World();
  const one = world.client();
  const gone = [addressOf(alloc(world, one, 1000, 1)), addressOf(alloc(world, one, 3 * MIB, 1))];
  const stays = [addressOf(alloc(world, one, 1000, 2)), addressOf(alloc(world, one, 3 * MIB, 2))];
  world.fake.instant = false;
  const waiting = [10 * MIB].map((bytes) => world.start(one, Message.GPU_ALLOC, { [GpuAlloc.kind]: 0, [GpuAlloc.bytes]: u64(bytes) }, 1));
  for (const _ of one.memory.contextGoing(1));
  for (const call of waiting) assert.is(call.status, 709);
  for (const at of gone) assert.not(world.zone.check(one.memory, at, 1, false));
  for (const at of stays) assert.ok(world.zone.check(one.memory, at, 1000, true));
  assert.is(world.zone.usage().memory, 1000 + 3 * MIB);
  world.fake.instant = true;
  world.core.settle();
  world.end(one);
  assert.is(world.zone.usage().memory, 0);
});

test('a client’s end gives the quota back at once and the memory when its contexts are gone', () => {
  const world = new World();
  const [one, two] = [world.client(), world.client()];
  for (let i = 0; i < 50; i++) {
    const bytes = i % 2 === 0 ? 1000 : 3 * MIB;
    world.fake.write(one.id, addressOf(alloc(world, one, bytes)), bytes);
  }
  one.work();
  startFree(world, one, addressOf(alloc(world, one, 2 * MIB)));
  world.fake.instant = false;
  const late = world.start(one, Message.GPU_ALLOC, { [GpuAlloc.kind]: 0, [GpuAlloc.bytes]: u64(9 * MIB) });
  const before = world.fake.used;
  one.memory.close();
  assert.equal([world.zone.usage().memory, world.zone.usage().allocations], [0, 0]);
  assert.is(world.fake.used, before, 'its work may still run: nothing has moved');
  one.memory.contextsGone();
  world.fake.instant = true;
  world.core.settle();
  assert.is(late.status, undefined);
  assert.ok(world.fake.used <= 32, 'a few clean chunks at most');
  // What comes after sees zeroes: the fake throws otherwise.
  for (let i = 0; i < 50; i++) world.fake.write(two.id, addressOf(alloc(world, two, 1000 * (i + 1))), 1000);
  world.end(two);
  world.zone.destroy();
  assert.equal([world.fake.used, world.fake.mappings.size, world.fake.reservations.size], [0, 0, 0]);
});

test('random life: quota exact, no rule of the driver broken, no stranger’s bytes seen, no two live allocations overlap', () => {
  type Step = { who: number; op: 'alloc' | 'free' | 'work' | 'done' | 'end' | 'turn' | 'async' | 'freeAsync' | 'streamDone' | 'instant'; n: number };
  const step: fc.Arbitrary<Step> = fc.record({
    who: fc.nat(2),
    op: fc.constantFrom('alloc', 'alloc', 'alloc', 'free', 'free', 'work', 'done', 'end', 'turn', 'async', 'async', 'freeAsync', 'streamDone', 'instant'),
    n: fc.nat(1_000_000),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 250 }), (steps) => {
    const limit = 24 * MIB;
    const world = new World({ memory: limit, allocations: 60 });
    const clients = [world.client(), world.client(), world.client()];
    const live: { who: number; at: number; bytes: number; async: boolean }[] = [];
    const pending: { who: number; bytes: number; call: Call; async: boolean }[] = [];
    const ever = new Set<number>();
    const sum = (): number => live.reduce((total, each) => total + each.bytes, 0) + pending.reduce((total, each) => total + each.bytes, 0);
    const collect = (): void => {
      for (const each of pending.splice(0)) {
        if (each.call.status === undefined) pending.push(each);
        else if (each.call.status === 0) {
          const at = each.call.replied(GpuAllocReply.address);
          for (const other of live) if (at < other.at + other.bytes && other.at < at + each.bytes) throw new Error('two live allocations overlap');
          world.fake.write(clients[each.who].id, at, each.bytes);
          live.push({ who: each.who, at, bytes: each.bytes, async: each.async });
        } else throw new Error(`refused late: ${each.call.status}`);
      }
    };
    for (const { who, op, n } of steps) {
      const client = clients[who];
      if (op === 'alloc' || op === 'async') {
        const bytes = 1 + (n % [700, 40_000, 600_000, 5 * MIB][n % 4]);
        const allowed = sum() + bytes <= limit && live.length + pending.length < 60;
        const kind = op === 'async' ? AllocKind.async : AllocKind.device;
        const call = world.start(client, Message.GPU_ALLOC, { [GpuAlloc.kind]: kind, [GpuAlloc.bytes]: u64(bytes), [GpuAlloc.stream]: u64(n % 3) });
        assert.is(call.status === OUT_OF_MEMORY, !allowed);
        if (allowed) pending.push({ who, bytes, call, async: op === 'async' });
      } else if (op === 'free' || op === 'freeAsync') {
        const mine = live.filter((each) => each.who === who);
        if (mine.length === 0) continue;
        const it = mine[n % mine.length];
        if (op === 'freeAsync') assert.is(freeAsync(world, client, it.at, n % 3), 0);
        else assert.is(world.start(client, Message.GPU_FREE, { [GpuFree.address]: u64(it.at) }).status, client.busy ? undefined : 0);
        live.splice(live.indexOf(it), 1);
      } else if (op === 'work') client.work();
      else if (op === 'done') client.workDone();
      else if (op === 'streamDone') client.streamDone(stream(n % 3));
      else if (op === 'instant') world.fake.instant = !world.fake.instant;
      else if (op === 'turn') world.core.turn();
      else {
        client.memory.close();
        client.memory.contextsGone();
        for (let i = pending.length - 1; i >= 0; i--) if (pending[i].who === who) pending.splice(i, 1);
        for (let i = live.length - 1; i >= 0; i--) if (live[i].who === who) live.splice(i, 1);
        clients[who] = world.client();
      }
      collect();
      assert.is(world.zone.usage().memory, sum());
      assert.is(world.zone.usage().allocations, live.length + pending.length);
      for (const each of live) assert.ok(world.zone.check(clients[each.who].memory, each.at, each.bytes, true));
      // Around anything that ever lived, the interval map and a plain list of ranges say the same.
      for (const each of live) ever.add(each.at);
      const probes = [...ever];
      for (let i = 0; i < Math.min(8, probes.length); i++) {
        const at = probes[(n + i * 31) % probes.length] + [0, -1, 1, 511, 512, 70_000][(n + i) % 6];
        const bytes = [1, 2, 512, 700, 600_000, 4 * MIB][(n >> 3) % 6];
        const expected = live.some((range) => range.who === who && at >= range.at && at + bytes <= range.at + range.bytes);
        assert.is(world.zone.check(clients[who].memory, at, bytes, true), expected);
      }
      assert.is(world.zone.stock.held, world.fake.used * GRANULE);
    }
    world.fake.instant = true;
    for (const client of clients) client.workDone();
    world.core.settle();
    collect();
    for (const client of clients) world.end(client);
    world.zone.destroy();
    assert.equal([world.fake.used, world.fake.mappings.size, world.fake.reservations.size, world.zone.usage().memory], [0, 0, 0, 0]);
  }), { numRuns: 300, includeErrorInReport: true });
});

test('100,000 live allocations: each is found, none more', () => {
  const world = new World({ memory: 64 * GIB, allocations: 200_000 });
  const one = world.client();
  const all: number[] = [];
  for (let i = 0; i < 100_000; i++) all.push(addressOf(alloc(world, one, 1 + ((i * 7919) % (4 * KIB)))));
  assert.is(new Set(all).size, all.length);
  for (let i = 0; i < all.length; i++) {
    const bytes = 1 + ((i * 7919) % (4 * KIB));
    if (!world.zone.check(one.memory, all[i], bytes, true) || world.zone.check(one.memory, all[i], bytes + 1, true)) throw new Error(`allocation ${i}`);
  }
  for (let i = 0; i < all.length; i += 2) assert.is(free(world, one, all[i]), 0);
  for (let i = 0; i < all.length; i++) if (world.zone.check(one.memory, all[i], 1, true) !== (i % 2 === 1)) throw new Error(`allocation ${i} after the frees`);
  world.end(one);
  assert.is(world.zone.usage().allocations, 0);
});

test.run();
