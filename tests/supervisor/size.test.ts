// Sizes: the promised forms, exactness about 1024 and 1000, refusal of nonsense, and the formatter as the parser's inverse.
import fc from '../support/property.ts';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RingfenceError } from '../../proxy/errors.ts';
import { formatSize, parseSize, roundSize } from '../../proxy/supervisor/size.ts';

test('the promised forms', () => {
  const forms: [string, number][] = [
    ['16Gi', 16 * 2 ** 30], ['16GiB', 16 * 2 ** 30], ['4G', 4e9], ['4GB', 4e9], ['1024Mi', 2 ** 30], ['512M', 512e6],
    ['64Ki', 65536], ['1K', 1000], ['1073741824', 2 ** 30], ['0', 0], ['7B', 7], ['2Ti', 2 ** 41], ['1TB', 1e12],
  ];
  for (const [text, bytes] of forms) assert.is(parseSize(text), bytes, text);
});

test('nonsense is refused with the form expected', () => {
  for (const text of ['', ' ', 'Gi', '1.5Gi', '-1', '+1', '1 Gi', ' 1', '1Gi ', '1gi', '1kb', '1iB', '0x10', '1e9', 'NaN', '1GiBB', '1Bi', '1,000', '16Ei', '1\n', '٣']) {
    try {
      parseSize(text);
      assert.unreachable(`"${text}" was taken`);
    } catch (error) {
      assert.instance(error, RingfenceError);
      assert.is((error as RingfenceError).code, 'SIZE_INVALID');
      assert.ok((error as RingfenceError).message.includes(JSON.stringify(text).slice(1, -1)) || text === '1\n');
      assert.match((error as RingfenceError).fix, /16GiB/);
    }
  }
});

test('more than a double holds exactly is refused', () => {
  assert.is(parseSize('9007199254740991'), Number.MAX_SAFE_INTEGER);
  assert.throws(() => parseSize('9007199254740992'), /2\^53/);
  assert.throws(() => parseSize('9007199254740993Ki'), /2\^53/);
  assert.throws(() => parseSize('9'.repeat(400)), /2\^53/);
});

test('property: number and unit multiply exactly', () => {
  const units = [['', 1], ['K', 1e3], ['M', 1e6], ['G', 1e9], ['Ki', 2 ** 10], ['Mi', 2 ** 20], ['Gi', 2 ** 30], ['KiB', 2 ** 10], ['MB', 1e6]] as const;
  fc.assert(fc.property(fc.nat(8_000_000), fc.constantFrom(...units), (n, [unit, one]) => parseSize(`${n}${unit}`) === n * one));
});

test('property: the formatter is the parser\'s inverse', () => {
  fc.assert(fc.property(fc.maxSafeNat(), (n) => parseSize(formatSize(n)) === n));
  fc.assert(fc.property(fc.nat(8191), fc.constantFrom(2 ** 10, 2 ** 20, 2 ** 30, 1e3, 1e6, 1e9), (n, one) => parseSize(formatSize(n * one)) === n * one));
});

test('property: any text is parsed or refused as SIZE_INVALID', () => {
  fc.assert(fc.property(fc.string(), (text) => {
    try {
      return Number.isSafeInteger(parseSize(text));
    } catch (error) {
      return error instanceof RingfenceError && error.code === 'SIZE_INVALID';
    }
  }));
});

test('the shortest exact and the rounded form', () => {
  assert.is(formatSize(2 ** 34), '16Gi');
  assert.is(formatSize(4e9), '4G');
  assert.is(formatSize(1_000_001), '1000001');
  assert.is(roundSize(0), '0');
  assert.is(roundSize(1.5 * 2 ** 30), '1.5Gi');
  assert.is(roundSize(2 ** 20 - 1), '1Mi');
  assert.is(roundSize(1023), '1023');
});

test.run();
