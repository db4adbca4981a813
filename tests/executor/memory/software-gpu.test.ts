// A zone's memory over the software GPU: the real calls, real bytes. What the card's frames held before must never be seen.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { addressOf, type Driver, loadDriver, must } from '../../../proxy/driver/driver.ts';
import { AllocKind, ArrayCreate, GpuAlloc, GpuFree, MemCreate, MemInfoReply, Message, HostAlloc, HostAllocReply } from '../../../proxy/generated/messages.ts';
import { Zone } from '../../../proxy/executor/memory/zone.ts';
import type { OneClient } from '../../../proxy/executor/memory/client.ts';
import type { MemoryCore } from '../../../proxy/executor/memory/types.ts';
import { Call, FakeClient, type Fields, GIB, GRANULE, LIMITS, MIB, TABLE, u64 } from './fake.ts';
import { root } from '../../support/cc.ts';

process.env.RINGFENCE_STUB_MEMORY ??= String(256 * MIB);
const driver: Driver = loadDriver(process.env.RINGFENCE_TEST_DRIVER ?? `${root}/build/stub/libcuda.so.1`);
const out = Buffer.allocUnsafeSlow(64);
const outAt = addressOf(out);
const result = (): number => Number(out.readBigUInt64LE(0));

must('cuInit', driver.cuInit(0));
must('cuDevicePrimaryCtxRetain', driver.cuDevicePrimaryCtxRetain(outAt, 0));
const own = result();

class Core implements MemoryCore {
  readonly driver = driver;
  readonly device = 0;
  private polls: (() => boolean)[] = [];
  internalContext(): number { return own; }
  enter(context: number): void { must('cuCtxSetCurrent', driver.cuCtxSetCurrent(context)); }
  poll(check: () => boolean): void { this.polls.push(check); }
  usageChanged(): void {}
  unregisterHost(address: number, then: () => void): void {
    must('cuMemHostUnregister', driver.cuMemHostUnregister(address));
    then();
  }
  turn(): void {
    const polls = this.polls;
    this.polls = [];
    for (const check of polls) if (!check()) this.polls.push(check);
  }
  async settle(): Promise<void> {
    while (this.polls.length > 0) {
      this.turn();
      await new Promise((next) => setImmediate(next));
    }
  }
}

class Card {
  readonly core = new Core();
  readonly zone: Zone;
  constructor(memory: number) { this.zone = new Zone(this.core, { ...LIMITS, memory }); }

  client(id: number): FakeClient & { context: number } {
    must('cuCtxCreate', driver.cuCtxCreate_v2(outAt, 0, 0));
    const client = Object.assign(new FakeClient(id), { context: result() });
    client.memory = this.zone.openClient(client) as OneClient;
    return client;
  }

  async call(client: FakeClient & { context: number }, message: Message, fields: Fields): Promise<Call> {
    const call = new Call(client, fields);
    call.context = client.context;
    this.core.enter(client.context);
    const status = TABLE[message](call as never);
    if (status !== -1) call.status = status;
    for (let i = 0; call.status === undefined; i++) {
      this.core.turn();
      await new Promise((next) => setImmediate(next));
      if (i > 100_000) throw new Error(`${Message[message]} is never answered`);
    }
    return call;
  }

  async alloc(client: FakeClient & { context: number }, bytes: number): Promise<number> {
    const call = await this.call(client, Message.GPU_ALLOC, { [GpuAlloc.kind]: AllocKind.device, [GpuAlloc.bytes]: u64(bytes) });
    assert.is(call.status, 0);
    return call.replied(0);
  }

  async end(client: FakeClient & { context: number }): Promise<void> {
    client.memory.close();
    must('cuCtxDestroy', driver.cuCtxDestroy_v2(client.context));
    client.memory.contextsGone();
    await this.core.settle();
  }
}

function fill(address: number, bytes: number, value: number): void {
  must('cuMemsetD8', driver.cuMemsetD8_v2(address, value, bytes));
  must('cuCtxSynchronize', driver.cuCtxSynchronize());
}

/** How many of the bytes at a device address are not zero. */
function dirty(address: number, bytes: number): number {
  const host = Buffer.allocUnsafeSlow(bytes);
  must('cuMemcpyDtoH', driver.cuMemcpyDtoH_v2(addressOf(host), address, bytes));
  let count = 0;
  for (const byte of host) if (byte !== 0) count++;
  return count;
}

test('the card’s frames stay dirty: what is proven below is not the card’s doing', async () => {
  const card = new Card(GIB);
  const { physical, window } = card.zone;
  card.core.enter(own);
  const range = window.take(40);
  for (const round of [0, 1]) {
    must('createAt', physical.createAt(window.start(range), 40 * GRANULE));
    if (round === 1) assert.ok(dirty(window.start(range), 40 * GRANULE) > 0);
    fill(window.start(range), 40 * GRANULE, 0xab);
    const memory = physical.made;
    must('unmap', physical.unmap(window.start(range), 40 * GRANULE));
    must('release', physical.release(memory));
  }
  window.give(range);
  card.zone.destroy();
});

test('no client sees what another left, small, large, virtual or after a free', async () => {
  const card = new Card(GIB);
  const one = card.client(1);
  // Half the card full of ones: whatever the next client gets, much of it was here.
  for (let i = 0; i < 200; i++) fill(await card.alloc(one, 4096 * (i + 1)), 4096 * (i + 1), 0xff);
  for (let i = 0; i < 10; i++) fill(await card.alloc(one, 5 * MIB), 5 * MIB, 0xff);
  await card.end(one);
  const two = card.client(2);
  card.core.enter(two.context);
  for (let i = 0; i < 300; i++) {
    const bytes = 1 + ((i * 7919) % 200_000);
    const at = await card.alloc(two, bytes);
    card.core.enter(two.context);
    assert.is(dirty(at, bytes), 0);
    fill(at, bytes, 0x77);
  }
  for (let i = 0; i < 6; i++) {
    const at = await card.alloc(two, 12 * MIB + i);
    card.core.enter(two.context);
    assert.is(dirty(at, 12 * MIB + i), 0);
  }
  const memory = await card.call(two, Message.MEM_CREATE, { [MemCreate.size]: u64(8 * MIB), [MemCreate.type]: 1, [MemCreate.location_type]: 1 });
  assert.is(memory.status, 0);
  const range = card.zone.window.take(4);
  const native = [...(two.memory.virtual as unknown as { allocations: Map<number, { backing: { memory: number } }> }).allocations.values()][0].backing.memory;
  must('map', card.zone.physical.map(card.zone.window.start(range), 8 * MIB, native));
  must('setAccess', card.zone.physical.setAccess(card.zone.window.start(range), 8 * MIB, 3));
  card.core.enter(two.context);
  assert.is(dirty(card.zone.window.start(range), 8 * MIB), 0);
  must('unmap', card.zone.physical.unmap(card.zone.window.start(range), 8 * MIB));
  card.zone.window.give(range);
  await card.end(two);
  assert.is(card.zone.usage().memory, 0);
  card.zone.destroy();
});

test('an array’s elements are zero when the client gets it', async () => {
  const card = new Card(GIB);
  const one = card.client(1);
  fill(await card.alloc(one, 60 * MIB), 60 * MIB, 0xff);
  await card.end(one);
  const two = card.client(2);
  for (const [width, height, depth] of [[1000, 700, 0], [129, 0, 0], [64, 64, 64], [300, 0, 0]]) {
    const call = await card.call(two, Message.ARRAY_CREATE, {
      [ArrayCreate.width]: u64(width), [ArrayCreate.height]: u64(height), [ArrayCreate.depth]: u64(depth), [ArrayCreate.format]: 0x20, [ArrayCreate.channels]: 4,
    });
    assert.is(call.status, 0);
    const native = [...two.handles.values()].at(-1)!.native;
    const bytes = width * 16 * Math.max(1, height) * Math.max(1, depth);
    const host = Buffer.alloc(bytes, 0x55);
    const copy = Buffer.allocUnsafeSlow(200).fill(0);
    const put = (offset: number, value: number): void => { copy.writeBigUInt64LE(BigInt(value), offset); };
    put(32, 3);
    put(56, native);
    put(120, 1);
    put(128, addressOf(host));
    put(160, width * 16);
    put(168, Math.max(1, height));
    put(176, width * 16);
    put(184, Math.max(1, height));
    put(192, Math.max(1, depth));
    card.core.enter(two.context);
    must('cuMemcpy3D', driver.cuMemcpy3D_v2(addressOf(copy)));
    assert.ok(host.every((byte) => byte === 0), `${width} x ${height} x ${depth}`);
  }
  await card.end(two);
  card.zone.destroy();
});

test('what a zone frees the card has again, and no zone is told more than the card has', async () => {
  const card = new Card(100 * GIB);
  card.core.enter(own);
  must('cuMemGetInfo', driver.cuMemGetInfo_v2(outAt, outAt + 8));
  const before = result();
  const one = card.client(1);
  const told = await card.call(one, Message.MEM_INFO, {});
  assert.ok(told.replied(MemInfoReply.free) <= before);
  const most = Math.floor(before / GRANULE / 2) * GRANULE;
  const at = await card.alloc(one, most);
  const less = await card.call(one, Message.MEM_INFO, {});
  assert.is(less.replied(MemInfoReply.free), told.replied(MemInfoReply.free) - most);
  const refused = await card.call(one, Message.GPU_ALLOC, { [GpuAlloc.kind]: AllocKind.device, [GpuAlloc.bytes]: u64(before) });
  assert.is(refused.status, 2);
  assert.is((await card.call(one, Message.GPU_FREE, { [GpuFree.address]: u64(at) })).status, 0);
  await card.core.settle();
  await card.end(one);
  card.zone.destroy();
  card.core.enter(own);
  must('cuMemGetInfo', driver.cuMemGetInfo_v2(outAt, outAt + 8));
  assert.is(result(), before);
});

test('pinned memory is registered with the driver and copied from', async () => {
  const card = new Card(GIB);
  const one = card.client(1);
  const call = await card.call(one, Message.HOST_ALLOC, { [HostAlloc.bytes]: u64(100_000) });
  assert.is(call.status, 0);
  const pinned = one.memory.pinned(call.replied(HostAllocReply.id))!;
  const at = await card.alloc(one, 100_000);
  card.core.enter(one.context);
  fill(at, 100_000, 0x5a);
  must('cuMemcpyDtoHAsync', driver.cuMemcpyDtoHAsync_v2(pinned.address, at, 100_000, 0));
  must('cuCtxSynchronize', driver.cuCtxSynchronize());
  must('cuMemsetD8', driver.cuMemsetD8_v2(at, 0, 100_000));
  must('cuMemcpyHtoDAsync', driver.cuMemcpyHtoDAsync_v2(at, pinned.address, 100_000, 0));
  must('cuCtxSynchronize', driver.cuCtxSynchronize());
  assert.is(dirty(at, 100_000), 100_000);
  await card.end(one);
  card.zone.destroy();
});

test.run();
