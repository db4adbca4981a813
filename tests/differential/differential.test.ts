// test: timeout 240
// Random walks through the driver API see the same on the software GPU alone and in a zone, alone in it or beside others. A walk that differs
// names the command that repeats it; tests/differential/main.ts looks for such walks by the hour, and makes them small.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Daemon } from '../support/daemon.ts'
import { compared, type Walk } from './walks.ts'

let daemon: Daemon
test.before(async () => {
  daemon = await Daemon.start()
  daemon.zone('a', '1Gi')
})
test.after(() => daemon.remove())

const repeat = (w: Walk): string => `npx tsx tests/differential/main.ts 1 --seed ${w.seed} --steps ${w.steps} --pause ${w.pause ?? 20}`

async function agree(walks: Walk[]): Promise<void> {
  for (const d of await Promise.all(walks.map((walk) => compared(daemon, 'a', walk))))
    if (d) assert.unreachable(`seed ${d.walk.seed}: alone "${d.alone}", in a zone "${d.zone}"; ${repeat(d.walk)}`)
}

test('fixed walks, one after the other, with pauses', async () => {
  for (const seed of [1, 3, 5]) await agree([{ seed, steps: 150, pause: 30 }])
  await daemon.empty('a')
})

test('three processes of the zone at once, walks of their own', async () => {
  await agree([11, 12, 15].map((seed) => ({ seed, steps: 200, pause: 4 })))
  await daemon.empty('a')
})

test('a walk that nobody has made before', async () => {
  // A change is not held up by what it has not done: there it is a fixed one.
  const seed = process.env['CI'] ? 4 : Math.floor(Math.random() * 1e9)
  console.log(`seed ${seed}`)
  await agree([{ seed, steps: 200, pause: 5 }])
  await daemon.empty('a')
})

test.run()
