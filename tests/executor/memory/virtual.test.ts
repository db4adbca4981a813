// The virtual memory calls over the fake driver: the driver's rules and errors, access, growing ranges, what ends with a client.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import fc from '../../support/property.ts';
import {
  AddressFree, AddressReserve, AllocKind, GpuAlloc, MemCreate, MemGetAccess, MemMap, MemProperties, MemPropertiesReply, MemRelease,
  MemRetain, MemSetAccess, MemUnmap, Message,
} from '../../../proxy/generated/messages.ts';
import { type Call, type FakeClient, GIB, GRANULE, MIB, u64, World } from './fake.ts';
import { windowBytes } from '../../../proxy/executor/memory/window.ts';

const INVALID = 1;
const OUT_OF_MEMORY = 2;

/** The calls of one client, as a program makes them. */
class Vmm {
  constructor(readonly world: World, readonly client: FakeClient = world.client()) {}

  reserve(bytes: number | bigint, o: { alignment?: number | bigint; hint?: number; flags?: number } = {}): Call {
    return this.world.call(this.client, Message.ADDRESS_RESERVE, {
      [AddressReserve.size]: u64(bytes), [AddressReserve.alignment]: u64(o.alignment ?? 0), [AddressReserve.hint]: u64(o.hint ?? 0), [AddressReserve.flags]: u64(o.flags ?? 0),
    });
  }

  range(bytes: number, hint = 0): number {
    const call = this.reserve(bytes, { hint });
    assert.is(call.status, 0);
    return call.replied(0);
  }

  create(bytes: number | bigint): Call {
    return this.world.call(this.client, Message.MEM_CREATE, { [MemCreate.size]: u64(bytes), [MemCreate.type]: 1, [MemCreate.location_type]: 1 });
  }

  memory(bytes: number): number {
    const call = this.create(bytes);
    assert.is(call.status, 0);
    return call.replied(0);
  }

  private status(message: Message, fields: Record<number, number | { u64: number | bigint }>): number {
    return this.world.call(this.client, message, fields).status!;
  }

  map(address: number, bytes: number, handle: number, offset = 0): number {
    return this.status(Message.MEM_MAP, { [MemMap.address]: u64(address), [MemMap.size]: u64(bytes), [MemMap.offset]: u64(offset), [MemMap.allocation]: u64(handle) });
  }

  unmap(address: number, bytes: number): number {
    return this.status(Message.MEM_UNMAP, { [MemUnmap.address]: u64(address), [MemUnmap.size]: u64(bytes) });
  }

  access(address: number, bytes: number, flags: number): number {
    return this.status(Message.MEM_SET_ACCESS, { [MemSetAccess.address]: u64(address), [MemSetAccess.size]: u64(bytes), [MemSetAccess.location_type]: 1, [MemSetAccess.flags]: flags });
  }

  accessOf(address: number): Call {
    return this.world.call(this.client, Message.MEM_GET_ACCESS, { [MemGetAccess.address]: u64(address), [MemGetAccess.location_type]: 1 });
  }

  release(handle: number): number {
    return this.status(Message.MEM_RELEASE, { [MemRelease.allocation]: u64(handle) });
  }

  free(address: number, bytes: number): number {
    return this.status(Message.ADDRESS_FREE, { [AddressFree.address]: u64(address), [AddressFree.size]: u64(bytes) });
  }

  check(address: number, bytes: number, write = true): boolean {
    return this.world.zone.check(this.client.memory, address, bytes, write);
  }
}

test('reserve, create, map, set access, use, unmap, release, free', () => {
  const world = new World({ memory: GIB });
  const vmm = new Vmm(world);
  const at = vmm.range(8 * MIB);
  assert.is(at % GRANULE, 0);
  const handle = vmm.memory(4 * MIB);
  assert.is(world.zone.usage().memory, 4 * MIB);
  assert.not(vmm.check(at, 1), 'reserved only');
  assert.is(vmm.map(at, 4 * MIB, handle), 0);
  assert.not(vmm.check(at, 1, false), 'no access yet');
  assert.is(vmm.access(at, 4 * MIB, 1), 0);
  assert.ok(vmm.check(at, 4 * MIB, false));
  assert.not(vmm.check(at, 1, true), 'read only');
  assert.is(vmm.access(at, 4 * MIB, 3), 0);
  assert.ok(vmm.check(at, 4 * MIB, true));
  assert.not(vmm.check(at, 4 * MIB + 1, true));
  assert.is(vmm.accessOf(at + 5).replied(0), 3);
  world.fake.write(vmm.client.id, at, 4 * MIB); // zeroed before it is handed out, or this throws
  assert.is(vmm.free(at, 8 * MIB), INVALID, 'something is mapped');
  assert.is(vmm.release(handle), 0);
  assert.ok(vmm.check(at, 4 * MIB), 'the mapping keeps the memory');
  assert.is(world.zone.usage().memory, 4 * MIB);
  assert.is(vmm.unmap(at, 4 * MIB), 0);
  assert.not(vmm.check(at, 1, false));
  assert.is(world.zone.usage().memory, 0);
  assert.is(world.fake.used, 0);
  assert.is(vmm.free(at, 8 * MIB), 0);
  assert.is(vmm.free(at, 8 * MIB), INVALID);
});

test('what the driver refuses', () => {
  const world = new World({ memory: GIB });
  const vmm = new Vmm(world);
  const other = new Vmm(world);
  for (const bytes of [0, 1, GRANULE - 1, GRANULE + 1, 2n ** 53n, 2n ** 64n - 1n]) {
    assert.is(vmm.reserve(bytes).status, INVALID);
    assert.is(vmm.create(bytes).status, INVALID);
  }
  assert.is(vmm.reserve(GRANULE, { alignment: 3 }).status, INVALID);
  assert.is(vmm.reserve(GRANULE, { alignment: 2n ** 63n }).status, INVALID);
  assert.is(vmm.reserve(GRANULE, { alignment: 2n ** 50n }).status, OUT_OF_MEMORY);
  assert.is(vmm.reserve(GRANULE, { flags: 1 }).status, INVALID);
  assert.is(vmm.reserve(2 ** 46).status, OUT_OF_MEMORY);
  const at = vmm.range(8 * MIB);
  const handle = vmm.memory(4 * MIB);
  assert.is(vmm.map(at, 4 * MIB, 12345), INVALID, 'no such memory');
  assert.is(other.map(at, 4 * MIB, handle), INVALID, 'another client’s memory');
  assert.is(other.map(at, 4 * MIB, other.memory(4 * MIB)), INVALID, 'another client’s addresses');
  assert.is(vmm.map(at, 4 * MIB, handle, GRANULE), INVALID, 'an offset');
  assert.is(vmm.map(at, 6 * MIB, handle), INVALID, 'more than there is');
  assert.is(vmm.map(at + 512, 2 * MIB, handle), INVALID, 'not aligned');
  assert.is(vmm.map(at + 6 * MIB, 4 * MIB, handle), INVALID, 'beyond the reservation');
  assert.is(vmm.map(at, 4 * MIB, handle), 0);
  assert.is(vmm.map(at, 4 * MIB, handle), INVALID, 'mapped already');
  assert.is(vmm.map(at + 2 * MIB, 4 * MIB, handle), INVALID, 'mapped in part');
  assert.is(vmm.unmap(at, 2 * MIB), INVALID, 'a part of a mapping');
  assert.is(vmm.unmap(at, 6 * MIB), INVALID, 'a mapping and a gap');
  assert.is(vmm.access(at, 6 * MIB, 3), INVALID);
  assert.is(vmm.access(at, 4 * MIB, 2), INVALID);
  assert.is(other.unmap(at, 4 * MIB), INVALID);
  assert.is(other.access(at, 4 * MIB, 3), INVALID);
  assert.is(vmm.accessOf(at + 4 * MIB).status, INVALID);
  assert.is(other.accessOf(at).status, INVALID);
  assert.is(other.free(at, 8 * MIB), INVALID);
  assert.is(vmm.free(at, 4 * MIB), INVALID);
  assert.is(other.release(handle), INVALID);
  assert.is(vmm.release(handle), 0);
  assert.is(vmm.release(handle), INVALID);
});

test('several mappings are one range for checks where each gives the access', () => {
  const world = new World({ memory: GIB });
  const vmm = new Vmm(world);
  const at = vmm.range(8 * MIB);
  for (let i = 0; i < 3; i++) assert.is(vmm.map(at + i * GRANULE, GRANULE, vmm.memory(GRANULE)), 0);
  assert.is(vmm.access(at, 3 * GRANULE, 3), 0);
  assert.ok(vmm.check(at + 1, 3 * GRANULE - 1));
  assert.not(vmm.check(at + 1, 3 * GRANULE));
  assert.is(vmm.access(at + GRANULE, GRANULE, 1), 0);
  assert.ok(vmm.check(at, 3 * GRANULE, false));
  assert.not(vmm.check(at, 3 * GRANULE, true));
  assert.is(vmm.unmap(at, 3 * GRANULE), 0);
});

test('a range grows where the program asks for it', () => {
  const world = new World({ memory: GIB });
  const vmm = new Vmm(world);
  let end = vmm.range(4 * MIB);
  for (let i = 0; i < 10; i++) {
    end += i === 0 ? 4 * MIB : 2 * MIB;
    assert.is(vmm.range(2 * MIB, end), end);
  }
  assert.is(vmm.reserve(GRANULE, { alignment: GIB }).replied(0) % GIB, 0);
});

test('one memory at two addresses, and retained by address', () => {
  const world = new World({ memory: GIB });
  const vmm = new Vmm(world);
  const [one, two] = [vmm.range(GRANULE), vmm.range(GRANULE)];
  const handle = vmm.memory(GRANULE);
  assert.is(vmm.map(one, GRANULE, handle), 0);
  assert.is(vmm.map(two, GRANULE, handle), 0);
  const retained = world.call(vmm.client, Message.MEM_RETAIN, { [MemRetain.address]: u64(one + 7) });
  assert.is(retained.status, 0);
  assert.is(retained.replied(0), handle);
  const properties = world.call(vmm.client, Message.MEM_PROPERTIES, { [MemProperties.allocation]: u64(handle) });
  assert.equal([properties.reply[MemPropertiesReply.type], properties.reply[MemPropertiesReply.location_type], properties.replied(MemPropertiesReply.size)], [1, 1, GRANULE]);
  assert.is(vmm.release(handle), 0);
  assert.is(vmm.unmap(one, GRANULE), 0);
  assert.is(vmm.unmap(two, GRANULE), 0);
  assert.is(world.zone.usage().memory, GRANULE, 'still retained');
  assert.is(vmm.release(handle), 0);
  assert.equal([world.zone.usage().memory, world.fake.used], [0, 0]);
});

test('unmapping waits for the client’s work; the range is neither used nor mapped meanwhile', () => {
  const world = new World({ memory: GIB });
  const vmm = new Vmm(world);
  const at = vmm.range(GRANULE);
  const handle = vmm.memory(GRANULE);
  assert.is(vmm.map(at, GRANULE, handle), 0);
  assert.is(vmm.access(at, GRANULE, 3), 0);
  vmm.client.work();
  const unmapping = world.start(vmm.client, Message.MEM_UNMAP, { [MemUnmap.address]: u64(at), [MemUnmap.size]: u64(GRANULE) });
  assert.is(unmapping.status, undefined);
  assert.not(vmm.check(at, 1));
  assert.is(vmm.map(at, GRANULE, handle), INVALID);
  assert.is(vmm.free(at, GRANULE), INVALID);
  assert.is(vmm.unmap(at, GRANULE), INVALID);
  vmm.client.workDone();
  assert.is(unmapping.status, 0);
  assert.is(vmm.map(at, GRANULE, handle), 0);
});

test('access is taken away from the client at once, from its work under way when that is done', () => {
  const world = new World({ memory: GIB });
  const vmm = new Vmm(world);
  const at = vmm.range(GRANULE);
  assert.is(vmm.map(at, GRANULE, vmm.memory(GRANULE)), 0);
  assert.is(vmm.access(at, GRANULE, 3), 0);
  vmm.client.work();
  const called = world.fake.count('cuMemSetAccess');
  const taking = world.start(vmm.client, Message.MEM_SET_ACCESS, { [MemSetAccess.address]: u64(at), [MemSetAccess.size]: u64(GRANULE), [MemSetAccess.location_type]: 1, [MemSetAccess.flags]: 1 });
  assert.is(taking.status, undefined);
  assert.equal([vmm.check(at, 1, true), vmm.check(at, 1, false)], [false, true]);
  assert.is(world.fake.count('cuMemSetAccess'), called, 'a copy may still be writing');
  vmm.client.workDone();
  assert.is(taking.status, 0);
  assert.is(vmm.access(at, GRANULE, 3), 0);
  assert.ok(vmm.check(at, 1));
});

test("a window holds four of the ranges that PyTorch's expandable segments reserve, each 9/8 of the device", () => {
  for (const quota of [1, 3, 8, 24, 48, 80, 141]) assert.ok(windowBytes(quota * GIB) - 2 * quota * GIB >= 4 * quota * GIB * 9 / 8, `${quota} GiB`);
});

test('quotas: memory, allocations, mappings, address space', () => {
  const world = new World({ memory: 4 * GRANULE, allocations: 6 });
  const vmm = new Vmm(world);
  const handle = vmm.memory(3 * GRANULE);
  assert.is(vmm.create(2 * GRANULE).status, OUT_OF_MEMORY);
  vmm.memory(GRANULE);
  assert.is(world.call(vmm.client, Message.GPU_ALLOC, { [GpuAlloc.kind]: AllocKind.device, [GpuAlloc.bytes]: u64(1) }).status, OUT_OF_MEMORY);
  const most = world.zone.windowSize - 2 * 4 * GRANULE; // twice the quota is left
  assert.is(vmm.reserve(most + GRANULE).status, OUT_OF_MEMORY);
  const all = vmm.range(most);
  assert.is(vmm.reserve(GRANULE).status, OUT_OF_MEMORY);
  let mapped = 0;
  for (let i = 0; i < 10; i++) if (vmm.map(all + i * 4 * GRANULE, 3 * GRANULE, handle) === 0) mapped++;
  assert.is(mapped, 5, 'a reservation and five mappings: six');
  world.end(vmm.client);
  assert.equal([world.zone.usage().memory, world.zone.usage().allocations], [0, 0]);
  const next = new Vmm(world);
  next.range(most);
});

test('random life of two clients: charged to the byte, checks right, nothing left', () => {
  const step = fc.record({ who: fc.nat(1), op: fc.constantFrom('reserve', 'create', 'map', 'map', 'access', 'unmap', 'release', 'free', 'work', 'done'), n: fc.nat(10_000), m: fc.nat(10_000) });
  fc.assert(fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
    const world = new World({ memory: 40 * GRANULE });
    const users = [0, 1].map(() => ({ vmm: new Vmm(world), ranges: [] as { at: number; granules: number }[], handles: [] as { handle: number; granules: number }[], mapped: [] as { at: number; granules: number; handle: number; access: number }[] }));
    for (const { who, op, n, m } of steps) {
      const { vmm, ranges, handles, mapped } = users[who];
      const pick = <T>(list: T[]): T | undefined => list[n % Math.max(1, list.length)];
      if (op === 'reserve') ranges.push({ at: vmm.range((1 + (n % 8)) * GRANULE), granules: 1 + (n % 8) });
      else if (op === 'create') {
        const granules = 1 + (n % 5);
        const call = vmm.create(granules * GRANULE);
        if (call.status === 0) handles.push({ handle: call.replied(0), granules });
        else assert.is(call.status, OUT_OF_MEMORY);
      } else if (op === 'map') {
        const range = pick(ranges);
        const memory = handles[m % Math.max(1, handles.length)];
        if (range === undefined || memory === undefined) continue;
        const at = range.at + (m % range.granules) * GRANULE;
        const fits = at + memory.granules * GRANULE <= range.at + range.granules * GRANULE
          && !mapped.some((each) => at < each.at + each.granules * GRANULE && each.at < at + memory.granules * GRANULE);
        assert.is(vmm.map(at, memory.granules * GRANULE, memory.handle), fits ? 0 : INVALID);
        if (fits) mapped.push({ at, granules: memory.granules, handle: memory.handle, access: 0 });
      } else if (op === 'access') {
        const it = pick(mapped);
        if (it === undefined) continue;
        it.access = [0, 1, 3][m % 3];
        assert.is(vmm.access(it.at, it.granules * GRANULE, it.access), 0);
        if (it.access === 3) world.fake.write(vmm.client.id, it.at, it.granules * GRANULE);
      } else if (op === 'unmap') {
        const it = pick(mapped);
        if (it === undefined) continue;
        vmm.client.workDone();
        assert.is(vmm.unmap(it.at, it.granules * GRANULE), 0);
        mapped.splice(mapped.indexOf(it), 1);
      } else if (op === 'release') {
        const it = pick(handles);
        if (it === undefined) continue;
        assert.is(vmm.release(it.handle), 0);
        handles.splice(handles.indexOf(it), 1);
      } else if (op === 'free') {
        const it = pick(ranges);
        if (it === undefined) continue;
        const used = mapped.some((each) => each.at >= it.at && each.at < it.at + it.granules * GRANULE);
        assert.is(vmm.free(it.at, it.granules * GRANULE), used ? INVALID : 0);
        if (!used) ranges.splice(ranges.indexOf(it), 1);
      } else if (op === 'work') vmm.client.work();
      else vmm.client.workDone();
      let charged = 0;
      for (const each of users) {
        const alive = new Map([...each.handles, ...each.mapped].map((it) => [it.handle, it.granules]));
        for (const granules of alive.values()) charged += granules * GRANULE;
        for (const it of each.mapped) {
          assert.is(each.vmm.check(it.at, it.granules * GRANULE, true), it.access === 3);
          assert.is(each.vmm.check(it.at, it.granules * GRANULE, false), it.access !== 0);
          assert.not(users[each === users[0] ? 1 : 0].vmm.check(it.at, 1, false));
        }
      }
      assert.is(world.zone.usage().memory, charged);
    }
    for (const { vmm } of users) world.end(vmm.client);
    world.zone.destroy();
    assert.equal([world.fake.used, world.fake.mappings.size, world.fake.reservations.size, world.zone.usage().memory], [0, 0, 0, 0]);
  }), { numRuns: 200 });
});

test.run();
