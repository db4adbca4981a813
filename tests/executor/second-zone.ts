// The child of rehearsal.test.ts: rehearses once, and then, with V8 telling what code it throws away, serves a second zone as the first one was.
import { setFlagsFromString } from 'node:v8'
import { readDevices } from '../../proxy/driver/devices.ts'
import { bindAll, loadDriver, must } from '../../proxy/driver/driver.ts'
import { Rehearsal } from '../../proxy/executor/rehearsal.ts'

interface Rare { crowdedUntil: number; staysUntil: number; served: number }

const driver = loadDriver(process.argv[2] as string)
must('cuInit', driver.cuInit(0))
bindAll(driver)

const rehearsed = (seen: (loop: Rare) => void): Promise<void> => new Promise((done, failed) => {
  const stage = new Rehearsal(driver, readDevices(driver)[0]!, 13000, (wrong) => (wrong === null ? done() : failed(wrong)))
  seen((stage.zone as unknown as { loop: Rare }).loop)
})
await rehearsed(() => undefined)
setFlagsFromString('--trace-deopt')
// What comes to pass when a core is lost, which no rehearsal can arrange.
await rehearsed((loop) => (loop.crowdedUntil = loop.staysUntil = loop.served = 0.75))
process.exit(0)
