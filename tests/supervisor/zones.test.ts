// The book of zones: names, limits, what the card can keep; and the state file it is written to.
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from '../support/property.ts';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RingfenceError } from '../../proxy/errors.ts';
import { DEFAULT_LIMITS } from '../../proxy/supervisor/limits.ts';
import type { ZoneRecord } from '../../proxy/supervisor/messages.ts';
import { loadZones, saveZones } from '../../proxy/supervisor/state.ts';
import { ZoneBook } from '../../proxy/supervisor/zones.ts';

const GiB = 2 ** 30;
const devices = [
  { ordinal: 0, name: 'A', uuid: '0'.repeat(32), totalMemory: 8 * GiB },
  { ordinal: 1, name: 'B', uuid: '1'.repeat(32), totalMemory: 4 * GiB },
];
const book = (overcommit = false, uid = 0): ZoneBook => new ZoneBook({ devices, overcommit, uid });
const zone = (name: string, memory: number, more: Partial<ZoneRecord> = {}): ZoneRecord => ({ name, device: 0, limits: { ...DEFAULT_LIMITS, memory }, token: null, uid: null, ...more });
const refuses = (code: string, work: () => unknown): RingfenceError => {
  try {
    work();
  } catch (error) {
    assert.instance(error, RingfenceError);
    assert.is((error as RingfenceError).code, code);
    assert.not.match((error as RingfenceError).message + (error as RingfenceError).fix, /\{\w+\}|undefined/);
    return error as RingfenceError;
  }
  throw new Error(`not refused with ${code}`);
};

const folder = mkdtempSync(join(tmpdir(), 'rf-zones-'));
const file = join(folder, 'zones.json');
test.after(() => rmSync(folder, { recursive: true }));

test('names that are safe in paths and tables, no others', () => {
  for (const name of ['a', 'team-1', '0_x', 'a'.repeat(40)]) book().add(zone(name, GiB));
  for (const name of ['', '.', '..', 'a/b', '../x', 'A', 'ä', '-a', '_a', 'a b', 'a\n', 'a\0', 'a'.repeat(41)]) refuses('ZONE_NAME_INVALID', () => book().add(zone(name, GiB)));
});

test('a name exists once; unknown names are told', () => {
  const zones = book();
  zones.add(zone('a', GiB));
  refuses('ZONE_EXISTS', () => zones.add(zone('a', GiB)));
  refuses('ZONE_UNKNOWN', () => zones.setLimits('b', {}));
  refuses('ZONE_UNKNOWN', () => zones.remove('b'));
  zones.remove('a');
  zones.add(zone('a', GiB));
});

test('the card is promised once, to the byte', () => {
  const zones = book();
  zones.add(zone('a', 5 * GiB));
  const error = refuses('QUOTA_EXCEEDS_CARD', () => zones.add(zone('b', 3 * GiB + 1)));
  assert.match(error.fix, /at most 3Gi/);
  zones.add(zone('b', 3 * GiB));
  assert.is(zones.remaining(0), 0);
  refuses('QUOTA_EXCEEDS_CARD', () => zones.setLimits('a', { memory: 5 * GiB + 1 }));
  assert.is(zones.get('a').limits.memory, 5 * GiB, 'a refused change changes nothing');
  zones.setLimits('a', { memory: 4 * GiB });
  zones.setLimits('b', { memory: 4 * GiB });
  zones.add(zone('c', 4 * GiB, { device: 1 }));
  refuses('ZONE_DEVICE_UNKNOWN', () => zones.add(zone('d', 1, { device: 2 })));
});

test('overcommit allows more, and shrinking is always allowed', () => {
  const zones = book(true);
  zones.add(zone('a', 8 * GiB));
  zones.add(zone('b', 8 * GiB));
  assert.is(zones.remaining(0), 0);
  zones.setLimits('b', { memory: 7 * GiB });
});

test('limits of nothing or of nonsense are refused', () => {
  for (const bad of [0, -1, 1.5, NaN, Infinity, 2 ** 53]) refuses('ZONE_INVALID', () => book().add(zone('a', bad)));
  for (const name of ['clients', 'allocations', 'handles', 'staging'] as const) {
    refuses('ZONE_INVALID', () => book().add(zone('a', GiB, { limits: { ...DEFAULT_LIMITS, memory: GiB, [name]: 0 } })));
  }
  refuses('ZONE_INVALID', () => book().add(zone('a', GiB, { limits: { ...DEFAULT_LIMITS, memory: GiB, clients: 5000 } })));
});

test('only root gives a socket to another uid', () => {
  book(false, 0).add(zone('a', GiB, { uid: 1234 }));
  book(false, 1234).add(zone('a', GiB, { uid: 1234 }));
  refuses('UID_NOT_PERMITTED', () => book(false, 1000).add(zone('a', GiB, { uid: 1234 })));
});

test('property: whatever is asked, the promises never exceed the card', () => {
  const step = fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd'), what: fc.constantFrom('add', 'set', 'remove'), memory: fc.integer({ min: -1, max: 9 * GiB }) });
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const zones = book();
    for (const { name, what, memory } of steps) {
      try {
        if (what === 'add') zones.add(zone(name, memory));
        else if (what === 'set') zones.setLimits(name, { memory });
        else zones.remove(name);
      } catch (error) {
        if (!(error instanceof RingfenceError)) throw error;
      }
      const sum = zones.names.reduce((total, each) => total + zones.get(each).limits.memory, 0);
      if (sum > 8 * GiB || zones.remaining(0) !== 8 * GiB - sum) return false;
    }
    return true;
  }));
});

test('the state comes back as it was written, privately, with no temporary file left', () => {
  assert.equal(loadZones(file), []);
  const zones = [zone('a', GiB, { token: 'secret', uid: 5 }), zone('b', 1)];
  saveZones(file, zones);
  assert.equal(loadZones(file), zones);
  assert.is(statSync(file).mode & 0o777, 0o600);
  assert.equal(readdirSync(folder), ['zones.json']);
  saveZones(file, []);
  assert.equal(readdirSync(folder), []);
});

test('a damaged state is an error that names the file and the fix', () => {
  saveZones(file, [zone('a', GiB)]);
  const good = readFileSync(file, 'utf8');
  const bad = ['', '{', 'null', '[]', good.slice(0, -20), good.replace('"version": 1', '"version": 2'), good.replace(`${GiB}`, '-5'), good.replace('"a"', '"../a"'),
    good.replace('"token": null', '"token": 7'), JSON.stringify({ version: 1, zones: [zone('a', 1), zone('a', 1)] })];
  for (const text of bad) {
    writeFileSync(file, text);
    const error = refuses('STATE_CORRUPT', () => loadZones(file));
    assert.ok(error.message.includes(file));
    assert.ok(error.fix.includes(`mv ${file}`));
  }
});

test('a state that cannot be written leaves the old one', () => {
  saveZones(file, [zone('a', GiB)]);
  // A folder in the place of the temporary file makes the write fail, for root too.
  mkdirSync(`${file}.${process.pid}.tmp`);
  assert.throws(() => saveZones(file, [zone('b', GiB)]));
  assert.is(loadZones(file)[0]!.name, 'a');
});

test.run();
