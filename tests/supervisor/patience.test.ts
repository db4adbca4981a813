// Limits on another's time: they end, and a standstill of one's own is not the other's fault.
import { createServer, connect } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Patience } from '../../proxy/patience.ts'
import { scratchFolder } from '../support/cc.ts'

test('whoever says nothing is given up, once', async () => {
  let times = 0
  await new Promise<void>((resolve) => new Patience(50, () => (times++, resolve())))
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.is(times, 1)
})

test('what was said before the end is heard, though this process stood still until long after it', async () => {
  const path = join(scratchFolder('patience'), 'socket')
  const server = createServer().listen(path)
  await once(server, 'listening')
  const here = connect(path)
  const [there] = await once(server, 'connection')
  const outcome = new Promise<string>((resolve) => {
    const patience = new Patience(500, () => resolve('given up'))
    here.once('data', () => (patience.end(), resolve('heard')))
  })
  there.write('here I am')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000)
  assert.is(await outcome, 'heard')
  here.destroy()
  there.destroy()
  server.close()
})

test.run()
