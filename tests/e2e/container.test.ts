// A zone as a container has it: mount, pid, network and ipc namespaces of its own, nothing of the daemon's but the client library and the
// zone's folder mounted at /run/ringfence, and another user inside. (`unshare` of util-linux makes the namespaces.)
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { scratchFolder } from '../support/cc.ts'
import { Daemon, until } from '../support/daemon.ts'
import { libraries, program } from '../support/programs.ts'

const UNSHARE = ['--mount', '--pid', '--fork', '--mount-proc', '--net', '--ipc']
const can = spawnSync('unshare', [...UNSHARE, 'true']).status === 0 && process.getuid?.() === 0
const it = can ? test : test.skip
const NOBODY = 65534

let daemon: Daemon
/** What the image brings: the program and libcuda.so.1, readable by all. */
const image = scratchFolder('image')
test.before(async () => {
  daemon = await Daemon.start()
  chmodSync(daemon.runDir, 0o711) // as ringfence makes its own; mkdtemp gives 0700
  daemon.zone('boxed', '64Mi', '--uid', String(NOBODY))
  chmodSync(image, 0o755)
  mkdirSync(join(image, 'lib'))
  cpSync(libraries.client, join(image, 'lib'), { recursive: true, dereference: true })
  for (const name of ['sequence', 'holder']) cpSync(program(name), join(image, name))
})
test.after(() => daemon.remove())

/** A shell line that runs `command` in the box as `uid`; it finds the zone by the default path alone. */
const boxed = (command: string, uid = NOBODY) => [
  ...UNSHARE, 'sh', '-c',
  `mount -t tmpfs none /run && mkdir /run/ringfence && mount --bind '${dirname(daemon.socket('boxed'))}' /run/ringfence && ` +
    `exec setpriv --reuid ${uid} --regid ${uid} --clear-groups env -u RINGFENCE_SOCKET -u RINGFENCE_RUN_DIR LD_LIBRARY_PATH='${image}/lib' ${command}`,
]

it('a program in a container of another user uses the zone that is mounted into it', async () => {
  const result = spawnSync('unshare', boxed(join(image, 'sequence')), { encoding: 'utf8', timeout: 30_000 })
  assert.is(result.status, 0, result.stderr)
  assert.match(result.stdout, /^sequence: ok on /)
  await daemon.empty('boxed')
})

it('a user whom the zone does not belong to cannot open its socket', () => {
  const result = spawnSync('unshare', boxed(join(image, 'sequence'), NOBODY - 1), { encoding: 'utf8', timeout: 30_000 })
  assert.is(result.status, 1)
  assert.match(result.stderr, /no permission to open the zone's socket/)
})

it('a container that dies as a whole returns what it held', async () => {
  const child: ChildProcess = spawn('unshare', ['--kill-child', ...boxed(join(image, 'holder'))], { stdio: ['pipe', 'pipe', 'inherit'] })
  let said = ''
  child.stdout?.on('data', (d: Buffer) => (said += d.toString()))
  await until('the holder to speak', () => said.includes('\n') || child.exitCode !== null)
  await until('its memory to be counted', () => daemon.usage('boxed').memory > 0)
  child.kill('SIGKILL') // --kill-child takes the namespace's first process, and so all of it, along
  await daemon.empty('boxed')
  assert.ok(existsSync(daemon.socket('boxed')))
})

test.run()
