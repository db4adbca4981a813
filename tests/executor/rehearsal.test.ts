// A rehearsal shows an executor all that a first client will: it comes to its end, and what was compiled for it stays.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { execFileSync } from 'node:child_process'
import { pbkdf2 } from 'node:crypto'
import { rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { openDriver } from '../../proxy/driver/devices.ts'
import { addressOf, bindAll, loadDriver, must } from '../../proxy/driver/driver.ts'
import { Rehearsal } from '../../proxy/executor/rehearsal.ts'
import { unmarkedDriver } from '../support/unmarked.ts'

const root = join(import.meta.dirname, '../..')
const stub = process.env['RINGFENCE_TEST_DRIVER'] ?? join(root, 'build/stub/libcuda.so.1')

/** What a second zone throws away of the code that was compiled for the first, the one served by the first of the drivers and the other by the last: code that knew
 *  an object in another shape, or a number that had been whole. What is thrown away because something is done for the first time depends on the machine's other work. */
function thrown(...drivers: string[]): string[] {
  const said = execFileSync(process.execPath, ['--import', 'tsx', join(import.meta.dirname, 'second-zone.ts'), ...drivers], { encoding: 'utf8' })
  return said.split('\n').filter((line) => /^\[bailout.*reason: (wrong map|lost precision\))/.test(line)).map((line) => line.replace(/0x[0-9a-f]+/g, ''))
}

test('a second zone finds the code that was compiled for the first', () => {
  assert.equal(thrown(stub), [])
})

test('so it does when it is served by another driver', () => {
  const card = unmarkedDriver(stub)
  assert.equal(thrown(stub, card), [])
  rmSync(dirname(card), { recursive: true, force: true })
})

test('a driver that is bound keeps its shape', () => {
  const driver = loadDriver(stub)
  bindAll(driver)
  const before = Object.getOwnPropertyNames(driver)
  assert.ok(before.includes('cuMemcpyHtoDAsync_v2') && before.includes('cuGraphLaunch'))
  for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(driver))) void (driver as unknown as Record<string, unknown>)[name]
  assert.equal(Object.getOwnPropertyNames(driver), before)
})

test('a rehearsal that is stopped, at whatever moment, leaves nothing on the card', async () => {
  const open = openDriver(stub)
  const { driver, devices: [device] } = open
  const context = new BigUint64Array(1)
  const memory = new BigUint64Array(2)
  must('cuDevicePrimaryCtxRetain', driver.cuDevicePrimaryCtxRetain(addressOf(context), device!.device))
  const free = (): bigint => {
    must('cuCtxSetCurrent', driver.cuCtxSetCurrent(Number(context[0])))
    must('cuMemGetInfo', driver.cuMemGetInfo_v2(addressOf(memory), addressOf(memory) + 8))
    return memory[0]!
  }
  const before = free()
  for (let ms = 2; ms < 100; ms += 4) {
    await new Promise<void>((done) => {
      const stage = new Rehearsal(open, () => done())
      setTimeout(() => stage.stop(), ms)
    })
    assert.is(free(), before, `stopped after ${ms} ms`)
  }
})

test('a rehearsal whose clients take their time to be gone waits for each', async () => {
  const open = openDriver(stub)
  // Host memory is given back on libuv's threads, which have no time for it.
  let busy = true
  const occupy = (): void => pbkdf2('', '', 20_000, 64, 'sha512', () => busy && occupy())
  for (let i = 0; i < 64; i++) occupy()
  const wrong = await new Promise((done) => {
    new Rehearsal(open, done)
    setTimeout(() => (busy = false), 500)
  })
  assert.is(wrong, null)
})

test.run()
