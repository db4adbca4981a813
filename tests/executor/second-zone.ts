// The child of rehearsal.test.ts: rehearses once, and then, with V8 telling what code it throws away, serves a second zone as the first one was, on the last of the drivers that it is given,
// and a third one among 63 others that are busy.
import { setFlagsFromString } from 'node:v8'
import { openDriver, type OpenDriver } from '../../proxy/driver/devices.ts'
import { bindAll } from '../../proxy/driver/driver.ts'
import { type Play, Rehearsal } from '../../proxy/executor/rehearsal.ts'
import { Turns } from '../../proxy/executor/turns.ts'
import { Message } from '../../proxy/generated/messages.ts'

interface Rare { crowdedUntil: number; staysUntil: number; served: number }

const drivers = process.argv.slice(2).map(openDriver)
for (const { driver } of drivers) bindAll(driver)

const OTHERS = 63
const TURNS = 100

const rehearsed = (open: OpenDriver, seen: (loop: Rare) => void, play?: Play): Promise<void> => new Promise((done, failed) => {
  const stage = new Rehearsal(open, (wrong) => (wrong === null ? done() : failed(wrong)), play)
  seen((stage.zone as unknown as { loop: Rare }).loop)
})
await rehearsed(drivers.at(0)!, () => undefined)
setFlagsFromString('--trace-deopt')
// What comes to pass when a core is lost, which no rehearsal can arrange.
await rehearsed(drivers.at(-1)!, (loop) => (loop.crowdedUntil = loop.staysUntil = loop.served = 0.75))
const amongMany: Play = async (call, { turns, zone }) => {
  const { words } = turns as unknown as { words: Int32Array }
  const others = Array.from({ length: OTHERS }, () => new Turns(words, 2))
  zone.setCrowded(true)
  for (let turn = 0; turn < TURNS; turn++) {
    turns.queue()
    for (const other of others) other.queue()
    await call.waited(Message.cuCtxGetStreamPriorityRange)
    for (const other of others) other.give()
  }
}
await rehearsed(drivers.at(-1)!, () => undefined, amongMany)
process.exit(0)
