// test: timeout 200
// What code says of its kernels' parameters, for drivers before 12.4: PTX, machine code, compressed variants, hostile ones; and a whole
// program in a zone on a driver that cannot be asked.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadDriver } from '../../proxy/driver/driver.ts'
import { describe, describeElf, describeText } from '../../proxy/executor/code/described.ts'
import { Image } from '../../proxy/executor/code/images.ts'
import { declaredInElf, declaredInText } from '../../proxy/executor/code/measure.ts'
import { expandLz4 } from '../../proxy/executor/code/lz4.ts'
import { makeFolder, root } from '../support/cc.ts'
import { Daemon } from '../support/daemon.ts'
import { program } from '../support/programs.ts'

type Known = Record<string, number[]>
const plain = (known: ReadonlyMap<string, Uint16Array>): Known => Object.fromEntries([...known].map(([name, pairs]) => [name, [...pairs]]))
const ofText = (text: string): Known => {
  const known = new Map<string, Uint16Array>()
  describeText(text, known)
  return plain(known)
}
const ofElf = (elf: Buffer): Known => {
  const known = new Map<string, Uint16Array>()
  describeElf(elf, known)
  return plain(known)
}

const PTX = `.version 8.0
.target sm_80
.address_size 64
/* .entry not(.param .u32 a) */ // .entry neither(.param .u32 a)
.visible .entry odd(
	.param .u64 .ptr .global .align 1 odd_param_0,
	.param .u8 odd_param_1,
	.param .u64 odd_param_2,
	.param .align 8 .b8 odd_param_3[24],
	.param .u16 odd_param_4
)
.maxntid 32, 1, 1
{ .reg .u32 %r; ret; }
.entry none() { ret; }
.entry bare { ret; }
.entry $vec(.param .v2 .f32 a, .param .v4 .b8 b[2], .param .texref t) { ret; }
.entry wrong(.param .u99 a) { ret; }
.entry huge(.param .b8 a[99999]) { ret; }
`

test('PTX: types, arrays, vectors, alignment; what it does not understand is not known', () => {
  assert.equal(ofText(PTX), { odd: [0, 8, 8, 1, 16, 8, 24, 24, 48, 2], none: [], bare: [], $vec: [0, 8, 8, 8, 16, 8] })
})

/** An ELF file of sections by name, with their table of names. */
function elf(sections: Record<string, string>): Buffer {
  const names = ['', ...Object.keys(sections), '.shstrtab']
  const strings = Buffer.from(names.map((name) => `${name}\0`).join(''), 'latin1')
  const bodies = [Buffer.alloc(0), ...Object.values(sections).map((hex) => Buffer.from(hex.replace(/\s/g, ''), 'hex')), strings]
  const table = 64
  let at = table + names.length * 64
  const file = Buffer.alloc(at + bodies.reduce((sum, body) => sum + body.length, 0))
  file.write('\x7fELF', 'latin1')
  file[4] = 2
  file[5] = 1
  file.writeBigUInt64LE(BigInt(table), 40)
  file.writeUInt16LE(64, 58)
  file.writeUInt16LE(names.length, 60)
  file.writeUInt16LE(names.length - 1, 62)
  bodies.forEach((body, i) => {
    const head = table + i * 64
    file.writeUInt32LE(strings.indexOf(`${names[i]}\0`, 0, 'latin1'), head)
    file.writeUInt32LE(1, head + 4)
    file.writeBigUInt64LE(BigInt(at), head + 24)
    file.writeBigUInt64LE(BigInt(body.length), head + 32)
    body.copy(file, at)
    at += body.length
  })
  return file
}

// As ptxas 13 writes them: for (int *, char, long long, struct of 24 bytes, short), and for (struct of 24,000 bytes, int *).
const ODD = `04370400 82000000 01350000 040a0800 0a000000 60013200 03193200
  04170c00 00000000 0400 3000 00f00900 04170c00 00000000 0300 1800 00f06100 04170c00 00000000 0200 1000 00f02100
  04170c00 00000000 0100 0800 00f00500 04170c00 00000000 0000 0000 00f02100 031bff00 041c0400 c0000000`
const LARGE = '04370400 82000000 04450c00 00000000 0100 c05d 08000000 04450c00 00000000 0000 0000 c05d0000 0319c85d'
const CUBIN = elf({ '.text.odd': '00', '.nv.info': '04370400 82000000', '.nv.info.odd': ODD, '.nv.info.large': LARGE, '.nv.info.none': '04370400 82000000' })

test('machine code: both forms of EIATTR_KPARAM_INFO', () => {
  assert.equal(ofElf(CUBIN), { odd: [0, 8, 8, 1, 16, 8, 24, 24, 48, 2], large: [0, 24000, 24000, 8], none: [] })
  // A parameter that nobody describes; one beyond what a kernel may have; a record that is cut off.
  assert.equal(ofElf(elf({ '.nv.info.gap': '04170c00 00000000 0100 0800 00f02100', '.nv.info.far': '04450c00 00000000 0000 0000 ffffff00', '.nv.info.cut': '04170c00 0000' })), {})
})

/** Literals, then each run as a copy of distance 1. */
function pack(bytes: Buffer): Buffer {
  const out: number[] = []
  const put = (n: number): void => {
    for (n -= 15; n >= 255; n -= 255) out.push(255)
    out.push(n)
  }
  let from = 0
  for (let at = 1; at < bytes.length - 16; at++) {
    let run = 0
    while (at + run < bytes.length - 16 && bytes[at + run] === bytes[at - 1]) run++
    if (run < 4) continue
    const literals = at - from
    out.push((Math.min(literals, 15) << 4) | Math.min(run - 4, 15))
    if (literals >= 15) put(literals)
    out.push(...bytes.subarray(from, at), 1, 0)
    if (run - 4 >= 15) put(run - 4)
    at += run
    from = at
  }
  const literals = bytes.length - from
  out.push(Math.min(literals, 15) << 4)
  if (literals >= 15) put(literals)
  return Buffer.from([...out, ...bytes.subarray(from)])
}

/** A fat binary of variants: kind, capability, content, packed or not. */
function fatbin(...variants: [number, number, Buffer, boolean][]): Image {
  const entries = variants.map(([kind, capability, content, packed]) => {
    const body = packed ? pack(content) : content
    const entry = Buffer.alloc(64 + Math.ceil(body.length / 8) * 8)
    entry.writeUInt16LE(kind, 0)
    entry.writeUInt32LE(64, 4)
    entry.writeBigUInt64LE(BigInt(entry.length - 64), 8)
    entry.writeUInt32LE(packed ? body.length : 0, 16)
    entry.writeUInt32LE(capability, 28)
    entry.writeBigUInt64LE(packed ? 0x2000n : 0n, 40)
    entry.writeBigUInt64LE(packed ? BigInt(content.length) : 0n, 56)
    body.copy(entry, 64)
    return entry
  })
  const head = Buffer.alloc(16)
  head.writeUInt32LE(0xba55ed50, 0)
  head.writeUInt16LE(1, 4)
  head.writeUInt16LE(16, 6)
  head.writeBigUInt64LE(BigInt(entries.reduce((sum, entry) => sum + entry.length, 0)), 8)
  const all = Buffer.concat([head, ...entries, Buffer.alloc(16)])
  return new Image(all, all.length - 16, 0)
}

test('fat binaries: the variant for the device first, PTX for what machine code does not have, LZ4 expanded', () => {
  const other = elf({ '.nv.info.odd': '04170c00 00000000 0000 0000 00f01100' })
  const image = fatbin([1, 80, Buffer.from(`${PTX}\0`), true], [2, 90, other, false], [2, 80, CUBIN, true], [2, 75, other, true])
  const known = plain(describe(image, 86))
  assert.equal(known['odd'], [0, 8, 8, 1, 16, 8, 24, 24, 48, 2])
  assert.equal(known['large'], [0, 24000, 24000, 8])
  assert.equal(known['$vec'], [0, 8, 8, 8, 16, 8])
  assert.equal(plain(describe(image, 75))['odd'], [0, 4])
})

test('LZ4: whatever comes out is right or nothing', () => {
  const bytes = Buffer.concat([Buffer.from('abcd'), Buffer.alloc(1000, 'x'), Buffer.from('the end, which is literal')])
  const packed = pack(bytes)
  assert.ok(packed.length < 80)
  assert.equal(expandLz4(packed, bytes.length), bytes)
  assert.is(expandLz4(packed, bytes.length - 1), null)
  assert.is(expandLz4(Buffer.from([0x10, 65, 0, 0]), 100), null) // distance 0
  assert.is(expandLz4(Buffer.from([0x10, 65, 2, 0]), 100), null) // before the beginning
  assert.is(expandLz4(Buffer.from([0xf0, 255, 255]), 100), null)
  assert.is(expandLz4(Buffer.alloc(0), 100), null)
})

test('damaged and hostile code is not known, and takes no time', () => {
  let seed = 1
  const random = (below: number): number => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) % below
  for (let i = 0; i < 20000; i++) {
    const copy = Buffer.from(CUBIN)
    for (let k = random(4); k >= 0; k--) copy[random(copy.length)] = random(256)
    const known = new Map<string, Uint16Array>()
    describeElf(copy.subarray(0, random(8) === 0 ? random(copy.length) : copy.length), known)
    for (const pairs of known.values()) for (let at = 0; at < pairs.length; at += 2) assert.ok(pairs[at] + pairs[at + 1] <= 32768)
  }
  const image = fatbin([1, 80, Buffer.from(PTX), true])
  for (let i = 0; i < 2000; i++) {
    const copy = Buffer.from(image.bytes)
    for (let k = random(4); k >= 0; k--) copy[80 + random(copy.length - 96)] = random(256)
    describe(new Image(copy, image.size, 0), 80)
  }
  const began = process.hrtime.bigint()
  for (const piece of ['/*', '/', '//', '.entry ', '.entry a(', '.entry a(.param .u32 a,', '.param ', '[', '\n', ' ']) ofText(piece.repeat((1 << 20) / piece.length))
  assert.ok(process.hrtime.bigint() - began < 30_000_000_000n, 'a MiB of each is looked through in a moment, not in hours')
})

/** Machine code of 65,535 sections, all with one name, or with names without an end, and one place. */
function repeating(name: string, bytes: number): Buffer {
  const count = 65535
  const table = 64 + bytes
  const file = Buffer.alloc(table + count * 64, 1)
  file.writeUInt32LE(0x464c457f, 0)
  file.writeBigUInt64LE(BigInt(table), 40)
  file.writeUInt16LE(64, 58)
  file.writeUInt16LE(count, 60)
  file.writeUInt16LE(0, 62)
  file.write(name, 64, 'latin1')
  for (let i = 0; i < count; i++) {
    const head = table + i * 64
    file.writeUInt32LE(0, head)
    file.writeUInt32LE(1, head + 4)
    file.writeBigUInt64LE(64n, head + 24)
    file.writeBigUInt64LE(BigInt(bytes), head + 32)
  }
  return file
}

test('code that says the same a hundred thousand times is looked through once', () => {
  const began = process.hrtime.bigint()
  for (const name of ['.nv.info.', '.nv.info.endless', '.nv.info.short\0', '.nv.global\0']) {
    const file = repeating(name, 8 << 20)
    ofElf(file)
    declaredInElf(file)
  }
  assert.is(declaredInText(`.global .b8 a[${' '.repeat(1 << 20)}`), 1)
  assert.equal(ofText(`.entry many(${','.repeat(1 << 20)})`), {})
  assert.ok(process.hrtime.bigint() - began < 30_000_000_000n, 'in a moment, not in hours')
  assert.is(declaredInText('.global .align 4 .b8 a[16];\n.global .u32 b [ 2 ] [0x3];\n.const .f32 c[4U];\n.extern .global .b8 d[];'), 16 + 24 + 16 + 1)
})

test('a program runs in a zone on a driver that cannot be asked', async () => {
  // The software GPU with the two names changed in its tables: a look-up finds their hash, and another name behind it.
  const folder = makeFolder(join(root, 'build/tests/old-driver'))
  const driver = readFileSync(join(root, 'build/stub/libcuda.so.1'))
  for (const name of ['cuFuncGetParamInfo', 'cuKernelGetParamInfo']) {
    let changed = 0
    for (let at = driver.indexOf(`${name}\0`, 0, 'latin1'); at >= 0; at = driver.indexOf(`${name}\0`, at, 'latin1')) {
      driver[at] = 'x'.charCodeAt(0)
      changed++
    }
    assert.ok(changed > 0)
  }
  const path = join(folder, 'libcuda.so.1')
  writeFileSync(path, driver)
  assert.is(loadDriver(path).asksParams, false)
  const daemon = await Daemon.start(['--driver', path, '--card-memory', '4Gi'])
  try {
    daemon.zone('a', '1Gi')
    const result = daemon.in('a', program('code'))
    assert.is(result.status, 0, result.stdout + result.stderr + daemon.output.slice(-2000))
  } finally {
    await daemon.remove()
  }
})

test.run()
