// A spare starts in the background, and is brought back before anybody waits for it.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { spawn } from 'node:child_process'
import { mayReturn, toBackground, toForeground } from '../../proxy/supervisor/background.ts'
import { policies } from '../support/processes.ts'

const limits = (nice: string): string => `Limit                     Soft Limit           Hard Limit           Units     \nMax nice priority         ${nice.padEnd(20)} ${nice.padEnd(20)} \nMax realtime priority     0                    0                    \n`
const status = (capabilities: string): string => `Name:\tnode\nCapPrm:\t0000000000000000\nCapEff:\t${capabilities}\n`

test('the way back needs CAP_SYS_NICE or a nice limit of 0', () => {
  assert.not(mayReturn(limits('0'), status('0000000000000000')))
  assert.not(mayReturn(limits('19'), status('00000000ff7fffff')))
  assert.ok(mayReturn(limits('20'), status('0000000000000000')))
  assert.ok(mayReturn(limits('unlimited'), status('0000000000000000')))
  assert.ok(mayReturn(limits('0'), status('0000000000800000')))
  assert.not(mayReturn('', ''))
})

test('every thread goes and comes back, those too that are made meanwhile', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => new Worker("setTimeout(() => 0, 30)", { eval: true }), 5); const { Worker } = require("node:worker_threads"); console.log("up")'], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    await new Promise((done) => child.stdout.once('data', done))
    const pid = child.pid as number
    const can = toBackground(pid)
    assert.equal(policies(pid), new Set([can ? '5' : '0']))
    await new Promise((done) => setTimeout(done, 100))
    toForeground(pid)
    assert.equal(policies(pid), new Set(['0']))
  } finally {
    child.kill('SIGKILL')
  }
})

test('of a process that is gone nothing is said', () => {
  toForeground(2 ** 22 - 1)
})

test.run()
