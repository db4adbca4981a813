// What a client has given back to the quota and the card has not got back yet counts against what its zone may take from the card:
// otherwise a zone could hold any multiple of its quota, and others would not get what they were promised.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { AllocKind, ArrayCreate, ArrayDestroy, GpuAlloc, GpuAllocReply, GpuFree, MemCreate, Message } from '../../../proxy/generated/messages.ts';
import { type Call, type FakeClient, GRANULE, MIB, stream, u64, World } from './fake.ts';

const OUT_OF_MEMORY = 2;

const start = (world: World, client: FakeClient, bytes: number): Call =>
  world.start(client, Message.GPU_ALLOC, { [GpuAlloc.kind]: AllocKind.device, [GpuAlloc.bytes]: u64(bytes) });
const addressOf = (call: Call): number => call.replied(GpuAllocReply.address);
const turns = (world: World): void => {
  for (let i = 0; i < 30; i++) world.core.turn();
};
const freeAsync = (world: World, client: FakeClient, address: number, on: number): number | undefined =>
  world.start(client, Message.GPU_FREE, { [GpuFree.address]: u64(address), [GpuFree.stream]: u64(on), [GpuFree.async]: 1 }).status;

for (const bytes of [3 * GRANULE, 300_000, 1]) {
  test(`allocations of ${bytes} bytes, freed on a stream that does not get there, take no more of the card than the quota`, () => {
    const world = new World({ memory: 16 * GRANULE, allocations: 6000 });
    const one = world.client();
    one.work();
    let made = 0;
    let last: Call;
    for (;;) {
      last = start(world, one, bytes);
      turns(world);
      if (last.status !== 0 || made > 20_000) break;
      made++;
      assert.is(freeAsync(world, one, addressOf(last), 2), 0);
    }
    assert.is(last.status, undefined, 'it waits for what it has freed');
    // What blocks of this size leave of a chunk is wasted: a sixth at worst here.
    assert.ok(world.fake.used <= 20, `${world.fake.used} granules of 16`);
    assert.ok(made <= 6000 + 4096, `${made} made`);
    assert.ok(world.zone.usage().memory <= bytes, 'the quota counts it no more');
    one.workDone();
    for (let i = 0; i < 3; i++) {
      one.streamDone(stream(2)); // what was freed first, then the rest
      turns(world);
    }
    assert.is(last.status, 0);
    world.end(one);
    world.zone.destroy();
    assert.is(world.fake.used, 0);
  });
}

test('a client that comes while another is ending gets its memory when that one is gone', () => {
  const world = new World({ memory: 16 * GRANULE });
  const one = world.client();
  one.work();
  assert.is(world.call(one, Message.GPU_ALLOC, { [GpuAlloc.bytes]: u64(12 * GRANULE) }).status, 0);
  one.memory.close();
  assert.is(world.zone.usage().memory, 0, 'the quota has it back at once');
  const two = world.client();
  const large = start(world, two, 10 * GRANULE);
  const small = start(world, two, 4 * GRANULE);
  const virtual = world.start(two, Message.MEM_CREATE, { [MemCreate.size]: u64(2 * GRANULE), [MemCreate.type]: 1, [MemCreate.location_type]: 1 });
  turns(world);
  assert.equal([large.status, virtual.status], [undefined, undefined]);
  assert.ok(world.fake.used <= 16, `${world.fake.used} granules of 16`);
  one.memory.contextsGone();
  turns(world);
  assert.equal([large.status, small.status, virtual.status], [0, 0, 0]);
  world.end(two);
  world.zone.destroy();
  assert.is(world.fake.used, 0);
});

test('arrays destroyed while the GPU works count until it is done', () => {
  const world = new World({ memory: 16 * MIB });
  const one = world.client();
  one.work();
  const make = (): Call => world.call(one, Message.ARRAY_CREATE, { [ArrayCreate.width]: u64(1024), [ArrayCreate.height]: u64(1024), [ArrayCreate.format]: 0x20, [ArrayCreate.channels]: 1 });
  let status: number | undefined = 0;
  let made = 0;
  for (; made < 50; made++) {
    const call = make();
    status = call.status;
    if (status !== 0) break;
    assert.is(world.start(one, Message.ARRAY_DESTROY, { [ArrayDestroy.array]: { handle: call.replied(0) } }).status, 0);
  }
  assert.is(status, OUT_OF_MEMORY);
  assert.ok(made <= 4, `${made} arrays of 4 MiB in 16 MiB`);
  one.workDone();
  turns(world);
  assert.is(make().status, 0);
});

test('a stream may use what was freed on it again, however little is left', () => {
  const world = new World({ memory: 16 * GRANULE });
  const one = world.client();
  one.work();
  for (let i = 0; i < 20; i++) {
    const call = world.start(one, Message.GPU_ALLOC, { [GpuAlloc.kind]: AllocKind.async, [GpuAlloc.bytes]: u64(10 * GRANULE), [GpuAlloc.stream]: u64(2) });
    if (i === 0) turns(world);
    assert.is(call.status, 0);
    assert.is(freeAsync(world, one, addressOf(call), 2), 0);
  }
});

test.run();
