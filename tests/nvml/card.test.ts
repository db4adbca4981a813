// A card's sensors, from the NVML beside its driver to nvidia-smi in a zone: here a driver that is not known to be the software GPU, and an NVML of the test's own.
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { compile, makeFolder, root } from '../support/cc.ts'
import { Daemon, until } from '../support/daemon.ts'
import { libraries } from '../support/programs.ts'
import { unmarkedDriver } from '../support/unmarked.ts'

const driver = unmarkedDriver()
const folder = makeFolder(join(root, 'build/test/nvml', String(process.pid)))
compile({ sources: ['tests/nvml/card.c'], output: join(folder, 'libnvidia-ml.so.1'), shared: true })

/** Asks a daemon of its own, which has `env`. */
async function beside(env: Record<string, string>, look: (daemon: Daemon) => Promise<void> | void): Promise<void> {
  const daemon = await Daemon.start(['--driver', driver, '--card-memory', '1Gi'], env)
  try {
    daemon.zone('a', '100Mi')
    await look(daemon)
  } finally {
    await daemon.remove()
  }
}
test.after(() => {
  for (const each of [dirname(driver), folder]) rmSync(each, { recursive: true, force: true })
})

const FIELDS = 'driver_version,temperature.gpu,power.draw,fan.speed,clocks.sm,clocks.mem,clocks.max.sm,clocks.max.mem,pstate,pcie.link.gen.current,pcie.link.width.current'
const ask = (daemon: Daemon): string =>
  spawnSync(join(libraries.client, 'nvidia-smi'), [`--query-gpu=${FIELDS}`, '--format=csv,noheader,nounits'], { encoding: 'utf8', env: { ...process.env, ...daemon.env('a') } }).stdout.trim()

test('what NVML says of the card is what nvidia-smi says in a zone; what it lacks is missing', () => beside({ LD_LIBRARY_PATH: folder }, async (daemon) => {
  let said = ''
  // The first who asks has them read.
  await until('the sensors to be read', () => (said = ask(daemon)).startsWith('999.88.07'))
  assert.is(said, '999.88.07, 61, 123.46, [N/A], 1001, 1002, 2001, 2002, P2, 5, [N/A]')
}))

test('without NVML the driver\'s own words have to do', () => beside({}, (daemon) => {
  assert.match(ask(daemon), /^\S+, \[N\/A\], \[N\/A\], \[N\/A\], /)
}))

test.run()
