// Segregated fit against a model that is plainly right: a set of live ranges.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import fc from '../../support/property.ts';
import { NodeState, Tlsf } from '../../../proxy/executor/memory/tlsf.ts';

interface Live { node: number; start: number; units: number }

const overlaps = (live: Live[], start: number, units: number): boolean => live.some((each) => start < each.start + each.units && each.start < start + units);

test('random life: no overlap, nothing lost, everything merges again', () => {
  const step = fc.record({ op: fc.constantFrom('take', 'take', 'aligned', 'give', 'at'), n: fc.nat(5000), m: fc.nat(5000) });
  fc.assert(fc.property(fc.array(step, { maxLength: 300 }), fc.integer({ min: 1, max: 3 }), (steps, regions) => {
    const size = 4096;
    const tlsf = new Tlsf();
    const first: number[] = [];
    for (let i = 0; i < regions; i++) first.push(tlsf.addRegion(i * 10_000, size));
    const live: Live[] = [];
    const add = (node: number, units: number): void => {
      const start = tlsf.start[node];
      assert.is(tlsf.size[node], units);
      assert.is(tlsf.state[node], NodeState.live);
      const region = Math.floor(start / 10_000);
      if (region < 0 || region >= regions || start % 10_000 + units > size) throw new Error(`block at ${start} leaves its region`);
      if (overlaps(live, start, units)) throw new Error(`block at ${start} overlaps`);
      live.push({ node, start, units });
    };
    for (const { op, n, m } of steps) {
      if (op === 'take') {
        const units = 1 + (n % (n % 3 === 0 ? 2048 : 40));
        const node = tlsf.allocate(units);
        if (node !== 0) add(node, units);
        else {
          // It may refuse by fragmentation, never when a region is whole.
          const used = new Set(live.map((each) => Math.floor(each.start / 10_000)));
          assert.ok(used.size === regions || units > size, 'refused although a whole region is free');
        }
      } else if (op === 'aligned') {
        const units = 1 + (n % 100);
        const alignment = 2 ** (m % 8);
        const node = tlsf.allocateAligned(units, alignment);
        if (node === 0) continue;
        assert.is(tlsf.start[node] % alignment, 0);
        add(node, units);
      } else if (op === 'at' && live.length > 0) {
        // Right behind a live block, if that is free.
        const before = live[n % live.length];
        const units = 1 + (m % 50);
        const behind = tlsf.after[before.node];
        const node = tlsf.allocateIn(behind, before.start + before.units, units);
        const region = Math.floor(before.start / 10_000);
        const possible = before.start + before.units + units <= region * 10_000 + size && !overlaps(live, before.start + before.units, units);
        assert.is(node !== 0, possible);
        if (node !== 0) {
          assert.is(tlsf.start[node], before.start + before.units);
          add(node, units);
        }
      } else if (op === 'give' && live.length > 0) {
        const [it] = live.splice(n % live.length, 1);
        tlsf.release(it.node);
      }
      assert.is(tlsf.freeUnits, regions * size - live.reduce((sum, each) => sum + each.units, 0));
    }
    for (const each of live) {
      const node = tlsf.release(each.node);
      if (tlsf.whole(node)) assert.is(tlsf.size[node], size);
    }
    assert.is(tlsf.freeUnits, regions * size);
    for (let i = 0; i < regions; i++) assert.ok(tlsf.allocate(size) !== 0, 'all merged again');
    assert.is(tlsf.allocate(1), 0);
  }), { numRuns: 300 });
});

test('windows of a million granules, and blocks beyond 2^31 units from the start', () => {
  const tlsf = new Tlsf();
  tlsf.addRegion(2 ** 32, 2 ** 20);
  const node = tlsf.allocateAligned(2 ** 18, 2 ** 18);
  assert.is(tlsf.start[node], 2 ** 32);
  assert.is(tlsf.allocate(2 ** 20), 0);
  assert.ok(tlsf.allocate(3 * 2 ** 18) !== 0);
  assert.is(tlsf.freeUnits, 0);
});

test.run();
