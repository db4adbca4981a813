// The child of rehearsal.test.ts: rehearses once, and then, with V8 telling what code it throws away, serves a second zone as the first one was, on the last of the drivers that it is given.
import { setFlagsFromString } from 'node:v8'
import { openDriver, type OpenDriver } from '../../proxy/driver/devices.ts'
import { bindAll } from '../../proxy/driver/driver.ts'
import { Rehearsal } from '../../proxy/executor/rehearsal.ts'

interface Rare { crowdedUntil: number; staysUntil: number; served: number }

const drivers = process.argv.slice(2).map(openDriver)
for (const { driver } of drivers) bindAll(driver)

const rehearsed = (open: OpenDriver, seen: (loop: Rare) => void): Promise<void> => new Promise((done, failed) => {
  const stage = new Rehearsal(open, (wrong) => (wrong === null ? done() : failed(wrong)))
  seen((stage.zone as unknown as { loop: Rare }).loop)
})
await rehearsed(drivers.at(0)!, () => undefined)
setFlagsFromString('--trace-deopt')
// What comes to pass when a core is lost, which no rehearsal can arrange.
await rehearsed(drivers.at(-1)!, (loop) => (loop.crowdedUntil = loop.staysUntil = loop.served = 0.75))
process.exit(0)
