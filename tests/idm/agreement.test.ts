// Both implementations of the ring run the same random scripts, honest and hostile ones, and must say and leave the same,
// byte for byte. The C runs under ASan and UBSan, its ring ending exactly where its allocation ends.
import { spawnSync } from 'node:child_process'
import fc from '../support/property.ts'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RECORD_HEADER, RECORD_MAX } from '../../idm/ring.ts'
import { program } from './program.ts'
import { runScript } from './script.ts'

const u32 = fc.oneof(fc.nat(100), fc.constantFrom(0x7fffffff, 0x80000000, 0xffffffff), fc.integer({ min: 0, max: 0xffffffff }))
const size = fc.oneof({ weight: 8, arbitrary: fc.integer({ min: RECORD_HEADER, max: 600 }) }, { weight: 3, arbitrary: fc.integer({ min: RECORD_HEADER, max: RECORD_MAX }) },
  { weight: 1, arbitrary: fc.constantFrom(0, 8, RECORD_HEADER - 1, RECORD_HEADER, RECORD_MAX - 1, RECORD_MAX, RECORD_MAX + 1, 1 << 20) })
const start = fc.oneof(fc.nat(9000), fc.integer({ min: 0xffffffff - 9000, max: 0xffffffff }), fc.integer({ min: 0, max: 0xffffffff }))
const key = fc.nat(9)

const claim = fc.tuple(key, size, fc.integer({ min: 1, max: 0xffff }), fc.integer({ min: 0, max: 0xffff }), u32, fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), u32, u32, u32)
  .map((f) => `claim ${f.join(' ')}`)
const honest: { weight: number; arbitrary: fc.Arbitrary<string> }[] = [
  { weight: 10, arbitrary: claim },
  { weight: 8, arbitrary: key.map((k) => `commit ${k}`) },
  { weight: 2, arbitrary: key.map((k) => `abort ${k}`) },
  { weight: 4, arbitrary: fc.integer({ min: RECORD_MAX, max: 65536 }).map((n) => `take ${n}`) },
  { weight: 1, arbitrary: fc.constantFrom('wait', 'ready', 'image', 'word asleep 1') },
  { weight: 2, arbitrary: fc.nat(4).map((s) => `unblock ${s * 1000}`) },
  { weight: 1, arbitrary: fc.integer({ min: 4, max: 2048 }).map((n) => `hole ${n}`) },
]
const garbage = fc.oneof(fc.constantFrom(1, 7, 8, 9, 31, 32, 33, -1, -7, -8, -32, RECORD_MAX, RECORD_MAX + 1, -RECORD_MAX, -RECORD_MAX - 1, 32768, 65536, 0x7fffffff, -0x7fffffff, -0x80000000),
  fc.integer(), fc.integer({ min: -RECORD_MAX, max: RECORD_MAX }))
const hostile: typeof honest = [
  { weight: 4, arbitrary: fc.tuple(fc.nat(4095), garbage).map(([at, v]) => `poke ${at} ${v}`) },
  { weight: 2, arbitrary: fc.tuple(fc.constantFrom('tail', 'head', 'asleep', 'waiting'), u32).map(([w, v]) => `word ${w} ${v}`) },
]

const scripts = (kinds: typeof honest) => fc.tuple(start, fc.array(fc.oneof(...kinds), { minLength: 5, maxLength: 120, size: 'max' }))
  // Pokes go near the head, where somebody looks.
  .map(([at, lines]) => [`ring 4096 ${at}`, ...lines.map((l) => l.replace(/^poke (\d+)/, (_, n) => `poke ${((at & 4095) + Number(n) % 300) & 4095}`)), 'take 65536', 'unblock 0', 'unblock 5000', 'take 65536', 'image'])

function compare(kinds: typeof honest, count: number, sanitizer: 'none' | 'address'): string[] {
  let now = 0 // the clock is steady: scripts say by how much later
  const all = fc.sample(scripts(kinds), { numRuns: count, seed: 20260101 }).flat().map((l) => l.replace(/^unblock (\d+)/, (_, n) => `unblock ${(now += Number(n))}`))
  const c = spawnSync(program('script', sanitizer), [], { input: all.join('\n') + '\n', encoding: 'utf8', maxBuffer: 1 << 30, timeout: 100_000 })
  assert.is(c.status, 0, `${c.signal} ${c.stderr.slice(0, 2000)}`)
  const theirs = c.stdout.trimEnd().split('\n')
  const ours = runScript(all)
  for (let i = 0; i < Math.max(ours.length, theirs.length); i++) if (ours[i] !== theirs[i]) assert.unreachable(`line ${i}\nTypeScript: ${ours[i]}\nC:          ${theirs[i]}`)
  return ours
}

const told = (lines: string[], start: string) => lines.filter((l) => l.startsWith(start)).length

test('honest scripts: the same answers and the same bytes', () => {
  const lines = compare(honest, 500, 'none')
  // That the scripts went where they should.
  for (const what of ['claim at', 'claim full', 'claim too large', 'commit quiet', 'commit doorbell', 'abort quiet', 'take 0', '  record', '  padding', 'unblock 1', 'commit lost'])
    assert.ok(told(lines, what) > 0, `no script came to '${what}'`)
  assert.ok(lines.some((l) => / wake 1$/.test(l)), 'no script came to a wake-up')
  assert.is(told(lines, 'take violation'), 0)
})

test('hostile scripts: the same refusals, nothing outside the ring (ASan, UBSan)', () => {
  const lines = compare([...honest, ...hostile], 500, 'address')
  for (const what of ['take violation', '  violation', 'unblock 1', 'commit lost', 'claim full']) assert.ok(told(lines, what) > 0, `no script came to '${what}'`)
})

test.run()
