// Byte vectors, checked in under vectors/: what one implementation writes, the other reads. They also pin the protocol:
// a change of the wire format shows as a changed file. RINGFENCE_UPDATE_VECTORS=1 writes them anew from the TypeScript.
//
//   NAME.script            operations on a ring (see script.ts), written here by hand
//   NAME.image             the ring's memory after it, as both writers must leave it
//   NAME.records           what both readers must find in that image
//   structs.hex            hello, welcome, refusal, notices, region header as both write them; structs.txt: as both read them
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { HELLO_BYTES, NOTICE_BYTES, NoticeType, readHello, readNotice, readWelcome, Refusal, writeHello, writeNotice, writeWelcome } from '../../idm/hello.ts'
import { type Geometry, PACKAGE_BYTES, PROTOCOL, Region, writeHeader } from '../../idm/region.ts'
import { program } from './program.ts'
import { runScript } from './script.ts'

const folder = join(import.meta.dirname, 'vectors')
const lines = (text: string) => text.trimEnd().split('\n')

function c(input: string[], ...args: string[]): string[] {
  const r = spawnSync(program('script', 'address'), args, { input: input.join('\n') + '\n', encoding: 'utf8', timeout: 60_000 })
  assert.is(r.status, 0, r.stderr)
  return lines(r.stdout)
}

/** Compares with the checked-in file, line by line so that a failure names the place. */
function pinned(name: string, actual: string[]): string[] {
  const path = join(folder, name)
  if (process.env['RINGFENCE_UPDATE_VECTORS'] === '1') writeFileSync(path, actual.join('\n') + '\n')
  assert.ok(existsSync(path), `${name} is missing: run this test with RINGFENCE_UPDATE_VECTORS=1 and look at what it wrote`)
  const expected = lines(readFileSync(path, 'utf8'))
  for (let i = 0; i < Math.max(expected.length, actual.length); i++) assert.is(actual[i], expected[i], `${name}, line ${i + 1}`)
  return expected
}

const scripts = readdirSync(folder).filter((f) => f.endsWith('.script')).map((f) => f.slice(0, -7)).sort()

test('there are vectors', () => assert.ok(scripts.length >= 5))

for (const name of scripts) {
  const script = lines(readFileSync(join(folder, `${name}.script`), 'utf8')).filter((l) => l && !l.startsWith('#'))
  const write = [...script, 'image']
  const memory = (out: string[]) => out.slice(out.lastIndexOf(out.filter((l) => l.startsWith('image ')).at(-1)!))

  test(`${name}: both write these bytes`, () => {
    pinned(`${name}.image`, memory(runScript(write)))
    pinned(`${name}.image`, memory(c(write)))
  })

  test(`${name}: each reads what the other wrote`, () => {
    const read = (image: string[]) => ['load', ...image, 'take 65536', 'take 65536', 'image']
    pinned(`${name}.records`, c(read(memory(runScript(write)))))
    pinned(`${name}.records`, runScript(read(memory(c(write)))))
  })
}

const geometry: Geometry = { info: 4096, slots: 16384, slotCount: 64, chunks: 81920, ring: 86016, ringUnits: 131072, holds: 1134592, staging: 1167360, stagingChunk: 1048576, stagingChunks: 9, size: 1167360 + 9 * 1048576 }

function structs(): string[] {
  const notice = (...a: [NoticeType, number, number, number, number?, number?]) => {
    const b = Buffer.alloc(NOTICE_BYTES)
    writeNotice(b, ...a)
    return b.toString('hex')
  }
  const region = Buffer.alloc(Region.tail - PACKAGE_BYTES)
  writeHeader(region, geometry, 0xfedcba98)
  return [
    `hello ${writeHello({ tableHash: 0xfedcba98, pid: 4000000000, features: 0x8123456789abcdefn, token: 'x'.repeat(128), program: '/usr/bin/ffmpeg' }).toString('hex')}`,
    `welcome ${writeWelcome({ status: Refusal.none, features: 5n, regionSize: 0x1234567890 }).toString('hex')}`,
    `refusal ${writeWelcome({ status: Refusal.token, cudaError: -100, message: 'the token is wrong: set RINGFENCE_TOKEN …' }).toString('hex')}`,
    `notice-call ${notice(NoticeType.hostCall, -7, 0x76543210, 0xfedcba98)}`,
    `notice-pinned ${notice(NoticeType.pinned, 0, 9, 0, 0x10000000001, 0x1fffffffffffff)}`,
    `region ${region.toString('hex')}`,
  ]
}

function readStructs(written: string[]): string[] {
  const x = (n: number | bigint) => n.toString(16)
  return written.map((line) => {
    const [name, hex] = line.split(' ')
    const b = Buffer.from(hex, 'hex')
    if (name === 'hello') {
      const h = readHello(b)!
      return `hello 1 ${h.size} ${x(h.protocol)} ${x(h.tableHash)} ${h.pid} ${x(h.features)} ${h.token} ${h.program}`
    }
    if (name === 'welcome' || name === 'refusal') {
      const w = readWelcome(b)!
      return `${name} 1 ${b.readUInt32LE(8)} ${x(w.protocol)} ${w.status} ${w.cudaError} ${x(w.features)} ${x(w.regionSize)} ${w.message}`
    }
    if (name === 'region') {
      const u = (at: Region) => b.readUInt32LE(at - PACKAGE_BYTES)
      return `region 1 ${x(u(Region.protocol))} ${x(u(Region.tableHash))} ${b.readBigUInt64LE(Region.size - PACKAGE_BYTES)} ` + [Region.infoOffset, Region.slotsOffset, Region.slotCount,
        Region.chunksOffset, Region.ringOffset, Region.ringUnits, Region.holdsOffset, Region.stagingOffset, Region.stagingChunk, Region.stagingChunks].map(u).join(' ')
    }
    const n = readNotice(b)!
    return `${name} ${n.type} ${n.status} ${x(n.cookie)} ${x(n.offset)} ${x(n.length)}`
  })
}

test('hello, welcome, notices, region header: both write these bytes', () => {
  pinned('structs.hex', structs())
  pinned('structs.hex', c([], 'structs'))
})

test('hello, welcome, notices, region header: each reads what the other wrote', () => {
  pinned('structs.txt', c(structs(), 'read-structs'))
  pinned('structs.txt', readStructs(c([], 'structs')))
})

test('bytes that are no hello or welcome are refused', () => {
  const hello = writeHello({ tableHash: 1, pid: 1, protocol: PROTOCOL })
  assert.ok(readHello(hello))
  assert.is(readHello(hello.subarray(0, HELLO_BYTES - 1)), null)
  hello[0] ^= 1
  assert.is(readHello(hello), null)
  const welcome = writeWelcome({ status: Refusal.none })
  welcome[8] ^= 1
  assert.is(readWelcome(welcome), null)
  assert.is(readNotice(Buffer.alloc(31)), null)
})

test('a refusal is cut to what fits, between characters and NUL-terminated', () => {
  const b = writeWelcome({ status: Refusal.token, message: '…'.repeat(400) })
  assert.is(b[b.length - 1], 0)
  assert.is(readWelcome(b)!.message, '…'.repeat(157)) // 471 / 3
})

test('control characters of a program name do not reach the logs', () => {
  assert.is(readHello(writeHello({ tableHash: 1, pid: 1, program: 'a\x1b[2J\nb' }))!.program, 'a?[2J?b')
})

test.run()
