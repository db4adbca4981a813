// Turns: who may serve in a crowd, in what order, and what happens to a turn whose holder is gone.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { closeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { allowedCores, currentCore } from '../../proxy/executor/system.ts'
import { LEASE_MS, ROUND_MS, Turns } from '../../proxy/executor/turns.ts'
import { sealedMemory } from '../../proxy/supervisor/sealed-memory.ts'
import { TURNS_BYTES } from '../../proxy/supervisor/messages.ts'

const CORES = 2
const now = (): number => performance.now()

function several(count: number, cores = CORES): { all: Turns[]; fd: number } {
  const fd = sealedMemory('ringfence-turns', TURNS_BYTES)
  return { all: Array.from({ length: count }, () => Turns.at(fd, cores)), fd }
}

/** While the clock stands: the lease of a turn does not run out because this process had to wait for a core. */
function atOnce(work: () => void): void {
  const at = performance.now()
  performance.now = () => at
  try {
    work()
  } finally {
    delete (performance as { now?: unknown }).now
  }
}

test('first come, first served', () => atOnce(() => {
  const { all: [a, b, c], fd } = several(3)
  assert.ok(a.take(0) && a.mine)
  assert.not(b.take(0))
  assert.not(c.take(0))
  a.give()
  assert.not(a.mine)
  assert.not(c.take(0), 'b came before')
  assert.ok(b.take(0))
  assert.not(a.take(0), 'a is behind c now')
  b.give()
  assert.not(a.take(0))
  assert.ok(c.take(0))
  c.give()
  assert.ok(a.take(0))
  closeSync(fd)
}))

test('who leaves the queue is passed over at once', () => atOnce(() => {
  const { all: [a, b, c, d], fd } = several(4)
  assert.ok(a.take(0))
  assert.not(b.take(0))
  assert.not(c.take(0))
  assert.not(d.take(0))
  b.give()
  c.give()
  a.give()
  assert.ok(d.take(0))
  d.give()
  assert.ok(b.take(0), 'and may come back')
  b.give()
  b.give()
  assert.ok(c.take(0), 'giving what one has not does nothing')
  closeSync(fd)
}))

test('a turn that nobody gives back goes on all the same, also past others that are gone', () => {
  const { all: [dead, alsoDead, third, b, c], fd } = several(5)
  assert.ok(dead.take(0))
  assert.not(alsoDead.take(0))
  assert.not(third.take(0))
  assert.ok(b.take(1000))
  atOnce(() => {
    assert.not(c.take(0))
    dead.give()
    assert.not(c.take(0), 'a turn that was lost cannot be given')
    b.give()
    assert.ok(c.take(0))
  })
  closeSync(fd)
})

test('whatever a subverted executor writes, the others get their turns', () => {
  const { all: [a, b], fd } = several(2)
  const words = (a as unknown as { words: Int32Array }).words
  for (const serving of [0x7fffffff, -0x80000000, -1, 12345]) {
    Atomics.store(words, 16, serving)
    assert.ok(a.take(1000), `after ${serving}`)
    a.give()
    assert.ok(b.take(1000))
    b.give()
  }
  closeSync(fd)
})

test('the counters may wrap', () => atOnce(() => {
  const { all: [a, b], fd } = several(2)
  const words = (a as unknown as { words: Int32Array }).words
  Atomics.store(words, 0, 0x7ffffffe)
  Atomics.store(words, 16, 0x7ffffffe)
  for (let i = 0; i < 4; i++) {
    assert.ok(a.take(0))
    assert.not(b.take(0))
    a.give()
    assert.ok(b.take(0))
    b.give()
  }
  closeSync(fd)
}))

test('each pair of cores has a lane of its own', () => atOnce(() => {
  const { all: [a, b, c], fd } = several(3, 4)
  assert.ok(a.take(0))
  assert.ok(b.take(0))
  assert.not(c.take(0))
  b.give()
  assert.not(c.take(0), 'the queue that c joined is the first one')
  a.give()
  assert.ok(c.take(0))
  closeSync(fd)
}))

test('a slice begins when the client is back, and one is as long as the next', () => {
  const { all: [a], fd } = several(1)
  const slice = (): number => {
    assert.ok(a.take(0))
    assert.not(a.isOver(1e6), 'the first batch')
    assert.not(a.isOver(2e6), 'the second: only now is the client awake')
    let used = 0
    while (!a.isOver(2e6 + used)) used += 0.05
    a.give()
    return used
  }
  const full = slice()
  assert.ok(full > 0.3 && full < LEASE_MS, `${full} ms`)
  assert.ok(a.take(0))
  a.isOver(1e6)
  a.isOver(2e6)
  a.give()
  assert.is(slice(), full, 'neither a turn of which nothing was used nor a long one counts for the next')
  closeSync(fd)
})

test('who passes its turn on has its next place already', () => atOnce(() => {
  const { all: [a, b], fd } = several(2)
  assert.ok(a.take(0))
  assert.not(b.take(0))
  a.queue()
  assert.not(a.mine)
  assert.ok(b.take(0))
  assert.not(a.take(0))
  b.queue()
  assert.ok(a.take(0), 'its place was behind b, and before b\'s next one')
  a.queue()
  a.give()
  b.give()
  assert.ok(a.take(0), 'a place that was left is taken again')
  closeSync(fd)
}))

test('a round lasts as long as it shall, whatever turns cost beside their slices', () => {
  let clock = 0
  performance.now = () => clock
  try {
    for (const cost of [0.2, 0.7]) {
      const { all, fd } = several(40)
      all.forEach((turns, i) => assert.is(turns.take(0), i === 0))
      let begun = 0
      for (let turn = 0; turn < 4 * all.length; turn++) {
        const one = all[turn % all.length]
        assert.ok(turn === 0 || one.take(0))
        if (turn === 3 * all.length) begun = clock
        clock += cost
        one.isOver(clock)
        one.isOver(clock)
        while (!one.isOver(clock)) clock += 0.01
        one.queue()
      }
      assert.ok(Math.abs(clock - begun - ROUND_MS) < ROUND_MS / 10, `${clock - begun} ms when each costs ${cost} ms`)
      closeSync(fd)
    }
  } finally {
    delete (performance as { now?: unknown }).now
  }
})

test('the core on which a client slept is left to it, and the process may run everywhere as before', () => {
  const { all: [a], fd } = several(1)
  const cores = allowedCores()
  assert.ok(cores.length > 0)
  let moved = cores.length === 1
  for (let attempt = 0; attempt < 20 && !moved; attempt++) {
    const here = currentCore()
    a.makeRoom(here)
    moved = currentCore() !== here
  }
  assert.ok(moved)
  assert.equal(allowedCores(), cores)
  a.makeRoom(-1)
  a.makeRoom(2 ** 31 - 1)
  assert.equal(allowedCores(), cores, 'whatever a client says')
  closeSync(fd)
})

/** Turns for which each of the two has to wait for the other. */
const TURNS = 100

if (process.argv[2] === 'child') {
  const turns = Turns.at(4, CORES)
  let [got, soon] = [0, 0]
  const go = (): void => {
    const begun = now()
    if (!turns.take(0) && turns.take(20) && got < TURNS) {
      if (now() - begun < LEASE_MS) soon++
      if (++got === TURNS) process.send!(soon)
    }
    turns.give()
    // The other one wants its turns too: it may have begun later.
    setImmediate(go)
  }
  process.send!('ready')
  process.once('message', go)
} else {
  test('two processes wake each other', async () => {
    const { fd } = several(0)
    const children = [0, 1].map(() => fork(fileURLToPath(import.meta.url), ['child'], { execArgv: process.execArgv, stdio: ['ignore', 2, 2, 'ipc', fd] }))
    try {
      await Promise.all(children.map((child) => once(child, 'message')))
      const counts = await Promise.all(children.map(async (child) => {
        const soon = once(child, 'message')
        child.send('go')
        return (await soon)[0] as number
      }))
      // Nobody who is not woken goes on before the lease is over. How many of those who are woken get a core sooner depends on the machine's company.
      for (const count of counts) assert.ok(count > TURNS / 20, `of ${TURNS} turns each, taken before the lease was over: ${counts.join(' and ')}`)
    } finally {
      for (const child of children) child.kill('SIGKILL')
      closeSync(fd)
    }
  })
  test.run()
}
