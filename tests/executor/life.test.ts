// The executor's own life: ready, adopted, limits that change, idle, stop, and every way in which it must not go on.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { NoticeType } from '../../idm/hello.ts'
import { Region } from '../../idm/region.ts'
import { RECORD_HEADER, UNBLOCK_MS, wordAt } from '../../idm/ring.ts'
import { CUresult } from '../../proxy/driver/errors.ts'
import { allowedCores } from '../../proxy/executor/system.ts'
import { GpuAlloc, Message } from '../../proxy/generated/messages.ts'
import { TestClient } from '../support/client.ts'
import { roomy, root, TestExecutor } from '../support/executor.ts'

const MiB = 1 << 20
const allocation = (bytes: number): number[] => {
  const words = Array(12).fill(0)
  words[GpuAlloc.bytes] = bytes
  return words
}

test('it says what driver and devices it has', async () => {
  const executor = await TestExecutor.start()
  assert.is(executor.ready!.driver.version, 13000)
  assert.is(executor.ready!.driver.software, true)
  assert.is(executor.ready!.devices.length, 1)
  assert.match(executor.ready!.devices[0].uuid, /^[0-9a-f]{32}$/)
  await executor.stop()
  assert.equal(executor.exit, { code: 0, signal: null })
})

test('a driver that is not there, or is none, is told and ends it', async () => {
  for (const driver of ['/nonexistent/libcuda.so.1', join(root, 'package.json'), 'libc.so.6']) {
    const executor = await TestExecutor.start({ driver, env: { RINGFENCE_LOG: 'silent' } })
    await executor.until(() => executor.exit !== null)
    assert.is(executor.ready, null)
    assert.is(executor.failed!.code, 'DRIVER_FAILED')
    assert.match(executor.failed!.message, /the driver .* (cannot be loaded|has no cuInit)/)
    assert.is(executor.exit!.code, 1)
    await executor.stop()
  }
})

test('with no client for the linger time it says so, and serves on if one comes after all', async () => {
  const executor = await TestExecutor.start({ env: { RINGFENCE_LINGER_MS: '50' } })
  const first = await TestClient.connect(executor.path)
  await new Promise((done) => setTimeout(done, 150))
  assert.is(executor.idle, 0, 'not while there is a client')
  first.close()
  await executor.until(() => executor.idle === 1)
  const second = await TestClient.connect(executor.path)
  assert.is(await second.call(Message.PING), 0)
  second.close()
  await executor.until(() => executor.idle === 2)
  await executor.stop()
})

test('clients are told on which core it woke', async () => {
  const executor = await TestExecutor.start()
  const c = await TestClient.connect(executor.path)
  for (const core of [...allowedCores(), ...allowedCores()]) {
    execFileSync('taskset', ['-p', '-c', String(core), String(executor.child.pid)], { stdio: 'ignore' })
    // A call that finds it awake wakes it on no core; one of these finds it asleep.
    for (const end = Date.now() + 20_000; c.words[wordAt(Region.servedOn)] !== core + 1; await new Promise((done) => setTimeout(done, 5))) {
      assert.ok(Date.now() < end, `${c.words[wordAt(Region.servedOn)]} when it runs on ${core}`)
      assert.is(await c.call(Message.PING), 0)
    }
  }
  c.close()
  await executor.stop()
})

test('a record that a dead thread left claimed is passed over, in a zone that had been silent for long too', async () => {
  const executor = await TestExecutor.start()
  const c = await TestClient.connect(executor.path)
  assert.is(await c.call(Message.PING), 0)
  // By now nothing in the executor's process wakes by itself any more.
  await new Promise((done) => setTimeout(done, 1500))
  assert.ok(c.writer.claim(RECORD_HEADER) > 0)
  const behind = c.write(Message.PING, [], 0)
  assert.not(c.answered(0, behind))
  assert.is(await c.wait(0, behind, 4 * UNBLOCK_MS), 0)
  c.close()
  await executor.stop()
})

test('new limits hold from now on', async () => {
  const executor = await TestExecutor.start({ limits: { memory: 16 * MiB } })
  const c = await TestClient.connect(executor.path)
  await c.retain()
  assert.is(await c.call(Message.GPU_ALLOC, allocation(32 * MiB)), CUresult.OUT_OF_MEMORY)
  executor.send({ type: 'limits', limits: { ...roomy, memory: 64 * MiB, clients: 1 } })
  for (let status: number = CUresult.OUT_OF_MEMORY, tries = 0; status !== 0; tries++) {
    assert.ok(tries < 1000)
    status = await c.call(Message.GPU_ALLOC, allocation(32 * MiB))
  }
  let sentence = ''
  await TestClient.connect(executor.path).catch((error: Error) => (sentence = error.message))
  assert.match(sentence, /has its 1 clients already/)
  await executor.until(() => executor.usage!.memory === 32 * MiB && executor.usage!.refused >= 2)
  c.close()
  await executor.stop()
})

test('stopped, it says farewell to its clients and leaves nothing', async () => {
  const executor = await TestExecutor.start()
  const c = await TestClient.connect(executor.path)
  await c.retain()
  await c.must(Message.GPU_ALLOC, allocation(MiB))
  executor.send({ type: 'stop' })
  const notice = await c.notice()
  assert.is(notice.type, NoticeType.farewell)
  assert.not.equal(notice.status, 0)
  await executor.until(() => executor.exit !== null)
  assert.equal(executor.exit, { code: 0, signal: null })
  assert.equal(executor.gone, [1])
  assert.is(executor.usage!.memory, 0)
  c.close()
  await executor.stop()
})

test('when its supervisor is gone, it goes', async () => {
  const executor = await TestExecutor.start()
  const c = await TestClient.connect(executor.path)
  assert.is(await c.call(Message.PING), 0)
  executor.child.disconnect()
  await executor.until(() => executor.exit !== null)
  assert.is((await c.socket.receive(1)).data.length, 0, 'the client sees a hang-up')
  c.close()
  await executor.stop()
})

test('a signal to the whole group does not end it: that is for the supervisor to do', async () => {
  const executor = await TestExecutor.start()
  executor.child.kill('SIGINT')
  executor.child.kill('SIGTERM')
  const c = await TestClient.connect(executor.path)
  assert.is(await c.call(Message.PING), 0)
  c.close()
  await executor.stop()
  assert.equal(executor.exit, { code: 0, signal: null })
})

test('killed in mid-call, it leaves its clients a hang-up', async () => {
  const executor = await TestExecutor.start()
  const c = await TestClient.connect(executor.path)
  await c.retain()
  executor.child.kill('SIGKILL')
  await executor.until(() => executor.exit !== null)
  assert.is((await c.socket.receive(1)).data.length, 0)
  c.close()
  await executor.stop()
})

test.run()
