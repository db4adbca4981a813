// NVML in a zone, and `ringfence smi`: one device with the zone's memory, the zone's processes and nobody else's.
import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { NVML } from '../../idm/nvml.ts'
import { root, run } from '../support/cc.ts'
import { cli, Daemon, until } from '../support/daemon.ts'
import { program } from '../support/programs.ts'

const library = join(root, 'build/lib/libnvidia-ml.so.1')
let daemon: Daemon
test.before(async () => {
  daemon = await Daemon.start(['--driver', 'stub', '--card-memory', '1Gi'])
  daemon.zone('alice', '300Mi')
  daemon.zone('bob', '200Mi')
  daemon.zone('carol', '16Mi', '--token', 'open sesame')
})
test.after(() => daemon.remove())

/** Starts a program in a zone that says a line and goes on until its standard input ends. */
async function start(name: string, zone: string): Promise<{ child: ChildProcessWithoutNullStreams; end: () => Promise<void> }> {
  const child = spawn(program(name), [], { env: { ...process.env, ...daemon.env(zone) } })
  let said = ''
  child.stdout.on('data', (d: Buffer) => (said += d.toString()))
  const gone = new Promise<void>((done) => child.once('exit', () => done()))
  await until(`${name} to speak`, () => said.includes('\n') || child.exitCode !== null)
  return { child, end: () => (child.stdin.end(), gone) }
}

/** A process that holds 4096 bytes of device memory. */
const hold = (zone: string): ReturnType<typeof start> => start('holder', zone)

/** What tests/programs/nvml.c says in a zone: name -> the rest of each such line. */
function look(zone: string, args: string[] = [], env: Record<string, string> = {}): Map<string, string[]> {
  const result = daemon.in(zone, program('nvml'), args, env)
  assert.is(result.status, 0, result.stdout + result.stderr)
  const said = new Map<string, string[]>()
  for (const line of result.stdout.trim().split('\n')) {
    const [name, ...rest] = line.split(' ')
    said.set(name!, [...(said.get(name!) ?? []), rest.join(' ')])
  }
  return said
}

test('exports the table of functions and nothing else, under the soname that tools open', () => {
  const exported = run('nm', ['-D', '--defined-only', library]).stdout.trim().split('\n').map((line) => line.split(' ').at(-1)!).sort()
  assert.equal(exported, NVML.map((row) => row.name).sort())
  assert.match(run('readelf', ['-dW', library]).stdout, /SONAME.*\[libnvidia-ml\.so\.1\]/)
})

test('the memory is the quota, and what is used of it to the byte; the processes are the zone\'s own', async () => {
  const [alice, bob] = [await hold('alice'), await hold('bob')]
  const said = look('alice', [String(alice.child.pid)])
  assert.equal(said.get('memory'), [`${300 * 1024 * 1024} 4096`])
  assert.equal(said.get('processes'), ['1'])
  assert.equal(said.get('process'), [`${alice.child.pid} 4096`])
  assert.match(said.get('program')![0]!, /holder/)
  assert.match(said.get('versions')![0]!, /^\d+\.\d+ 13000$/)
  assert.equal(look('bob').get('process'), [`${bob.child.pid} 4096`])
  await Promise.all([alice.end(), bob.end()])
  await until('the zone to be empty', () => look('alice').get('memory')![0] === `${300 * 1024 * 1024} 0`)
  assert.equal(look('alice').get('processes'), ['0'])
})

test('names the same device as CUDA does', () => {
  const said = look('alice')
  const device = (JSON.parse(daemon.must('status', '--json')) as { devices: { name: string; uuid: string }[] }).devices[0]!
  assert.equal(said.get('name'), [device.name])
  assert.is(said.get('uuid')![0]!.replace(/^GPU-|-/g, ''), device.uuid)
})

test('a monitor is no client: no place, no memory, and the zone at its limit can still be looked at', async () => {
  daemon.zone('small', '16Mi', '--clients', '1')
  const holder = await hold('small')
  assert.equal(look('small').get('processes'), ['1'])
  await until('the client to be counted', () => daemon.usage('small').clients === 1)
  assert.is(daemon.usage('small').refused, 0)
  await holder.end()
})

test('no broker, no token: the error that NVML has for it', () => {
  assert.equal(look('alice', [], { RINGFENCE_SOCKET: '/nonexistent' }).get('init'), ['9 Driver Not Loaded'])
  assert.equal(look('carol').get('init'), ['4 Insufficient Permissions'])
  assert.equal(look('carol', [], { RINGFENCE_TOKEN: 'open sesame' }).get('processes'), ['0'])
})

test('a zone that works shows in its utilization, one that rests does not', async () => {
  const busy = await start('busy', 'alice')
  const percent = (zone: string): number => Number(look(zone).get('utilization')![0])
  await until('the work to show', () => percent('alice') > 20)
  assert.is(percent('bob'), 0)
  await busy.end()
  await until('the second of work to be over', () => percent('alice') === 0)
})

test('ringfence smi: the zones outside, the one zone inside', async () => {
  const holder = await hold('alice')
  const outside = daemon.must('smi')
  assert.match(outside, /RINGFENCE-SMI .* CUDA Version: 13\.0/)
  for (const zone of ['alice', 'bob', 'carol']) assert.match(outside, new RegExp(`zone ${zone} `))
  assert.match(outside, new RegExp(`alice +${holder.child.pid} +C +holder.* 0MiB`))
  assert.ok(outside.split('\n').slice(1).every((line) => line === '' || line.length === 91), 'every line is as wide as the frame')
  const inside = spawnSync(process.execPath, [cli, 'smi'], { encoding: 'utf8', env: { ...process.env, ...daemon.env('alice') } })
  assert.is(inside.status, 0, inside.stderr)
  assert.match(inside.stdout, /0MiB \/ 300MiB/)
  assert.not.match(inside.stdout, /bob/)
  const json = JSON.parse(daemon.must('smi', '--zone', 'alice', '--json')) as { zones: { memoryUsed: number; view: { uuid: string } }[] }
  assert.is(json.zones[0]!.memoryUsed, 4096)
  assert.match(json.zones[0]!.view.uuid, /^GPU-[0-9a-f-]{36}$/)
  await holder.end()
  const missing = daemon.run('smi', '--zone', 'nobody')
  assert.is(missing.status, 1)
  assert.match(missing.stderr, /no zone named "nobody"/)
})

test('the manual lists what the library exports', () => {
  const page = readFileSync(join(root, 'docs/NVML.md'), 'utf8')
  for (const row of NVML) assert.ok(page.includes(`\`${row.name}\``), row.name)
})

test.run()
