// A rehearsal shows an executor all that a first client will: it comes to its end, and what was compiled for it stays.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { readDevices } from '../../proxy/driver/devices.ts'
import { addressOf, bindAll, loadDriver, must } from '../../proxy/driver/driver.ts'
import { Rehearsal } from '../../proxy/executor/rehearsal.ts'

const root = join(import.meta.dirname, '../..')
const stub = process.env['RINGFENCE_TEST_DRIVER'] ?? join(root, 'build/stub/libcuda.so.1')

test('a second zone finds the code that was compiled for the first', () => {
  const said = execFileSync(process.execPath, ['--import', 'tsx', join(import.meta.dirname, 'second-zone.ts'), stub], { encoding: 'utf8' })
  // Code that knew an object in another shape. What is thrown away because something is done for the first time depends on the machine's other work.
  const thrown = said.split('\n').filter((line) => line.startsWith('[bailout') && line.includes('reason: wrong map')).map((line) => line.replace(/0x[0-9a-f]+/g, ''))
  assert.equal(thrown, [])
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
  const driver = loadDriver(stub)
  must('cuInit', driver.cuInit(0))
  const [device] = readDevices(driver)
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
      const stage = new Rehearsal(driver, device!, 13000, () => done())
      setTimeout(() => stage.stop(), ms)
    })
    assert.is(free(), before, `stopped after ${ms} ms`)
  }
})

test.run()
