// A spare starts in the background, and is brought back before anybody waits for it.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { spawn } from 'node:child_process'
import { mayReturn, SAID_AGAIN_MS, toBackground, toForeground } from '../../proxy/supervisor/background.ts'
import { groupNice, mayBeIdle, policies } from '../support/processes.ts'

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

/** What the kernel may want to hear again later. */
const said = async (say: () => boolean): Promise<void> => {
  for (let tries = 0; !say(); tries++) {
    assert.ok(tries < 50, 'the kernel takes it at last')
    await new Promise((done) => setTimeout(done, SAID_AGAIN_MS))
  }
}

const busyChild = async (detached: boolean) => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => new Worker("setTimeout(() => 0, 30)", { eval: true }), 5); const { Worker } = require("node:worker_threads"); console.log("up")'], { stdio: ['ignore', 'pipe', 'inherit'], detached })
  await new Promise((done) => child.stdout.once('data', done))
  return { child, pid: child.pid as number }
}

test('every thread goes and comes back, those too that are made meanwhile, and the session with them', async () => {
  const { child, pid } = await busyChild(true)
  const hasGroups = groupNice(pid) !== 'none'
  try {
    await said(() => toBackground(pid))
    assert.equal(policies(pid), new Set([mayBeIdle() ? '5' : '0']))
    assert.is(groupNice(pid), hasGroups ? '19' : 'none')
    await new Promise((done) => setTimeout(done, 100))
    await said(() => toForeground(pid))
    assert.equal(policies(pid), new Set(['0']))
    assert.is(groupNice(pid), hasGroups ? '0' : 'none')
  } finally {
    child.kill('SIGKILL')
  }
})

test('a session that is not the process\'s own stays as it is', async () => {
  const { child, pid } = await busyChild(false)
  const before = groupNice(process.pid)
  try {
    assert.ok(toBackground(pid))
    assert.is(groupNice(process.pid), before)
    assert.ok(toForeground(pid))
    assert.is(groupNice(process.pid), before)
  } finally {
    child.kill('SIGKILL')
  }
})

test('of a process that is gone nothing is said', () => {
  assert.ok(toForeground(2 ** 22 - 1))
})

test.run()
