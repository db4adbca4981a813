// What libcuda.so.1 is to a linker: its name, its symbols, what it needs; and what cuGetProcAddress answers.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { root } from '../support/cc.ts'
import { against, build, fine, library, run } from './support.ts'

const file = join(library(), 'libcuda.so.1')
const dynamic = execFileSync('readelf', ['-dW', file], { encoding: 'utf8' })

test('exports exactly the symbols of the call table', () => {
  const wanted = [...readFileSync(join(root, 'idm/generated/exports.inc'), 'utf8').matchAll(/^RF_EXPORT\((\w+)\)/gm)].map((m) => m[1]).sort()
  const symbols = execFileSync('nm', ['-D', '--defined-only', file], { encoding: 'utf8' }).trim().split('\n').map((line) => line.split(' '))
  assert.equal(symbols.map((s) => s[2]).sort(), wanted)
  assert.equal([...new Set(symbols.map((s) => s[1]))], ['T'], 'functions only')
  assert.ok(wanted.length > 600)
})

test('is called libcuda.so.1, and needs only libc', () => {
  assert.match(dynamic, /SONAME.*\[libcuda\.so\.1\]/)
  for (const [, name] of dynamic.matchAll(/NEEDED.*\[(.+)\]/g)) assert.match(name!, /^(libc|libpthread|libdl|librt|libm|ld-linux-x86-64)\.so\.\d+$/)
  assert.not.match(dynamic, /RPATH|RUNPATH|TEXTREL/)
  assert.match(dynamic, /SYMBOLIC/)
})

test('cuGetProcAddress: every row, versions between, per-thread twins, and what is not there', async () => {
  fine(await against('serve', build('procs', 'none', ['-ldl']), []))
})

test('cuGetProcAddress gives out nothing that the zone\'s driver is too old for', async () => {
  fine(await against('older', build('procs', 'none', ['-ldl']), ['12040']))
})

test('works under LD_PRELOAD as well', async () => {
  fine(await against('serve', build('copies'), ['1', '20'], { env: { LD_LIBRARY_PATH: '', LD_PRELOAD: file } }))
})

test('answers without a broker at once: the version, an error, one line', async () => {
  const ran = await run(build('alone'), [], '/nonexistent/zone.sock')
  fine(ran)
  assert.is(ran.stderr.split('\n').length, 2, ran.stderr)
  assert.match(ran.stderr, /^ringfence: no broker at \/nonexistent\/zone\.sock \(No such file or directory\): .*RINGFENCE_SOCKET/)
})

test('a function that is not served says so once, when logging is on', async () => {
  const quiet = await run(build('alone'), ['refused'], '/nonexistent/zone.sock')
  assert.is(quiet.stderr.match(/not served/g), null)
  const ran = await run(build('alone'), ['refused'], '/nonexistent/zone.sock', { env: { RINGFENCE_LOG: 'warn' } })
  fine(ran)
  assert.is(ran.stderr.match(/cuDestroyExternalMemory is not served: it returns CUDA_ERROR_NOT_SUPPORTED/g)?.length, 1, ran.stderr)
})

test.run()
