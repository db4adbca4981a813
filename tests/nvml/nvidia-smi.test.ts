// `nvidia-smi` in a zone: what people and scripts that run the command read from it.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Daemon, until } from '../support/daemon.ts'
import { libraries, program } from '../support/programs.ts'
import { root } from '../support/cc.ts'

let daemon: Daemon
/** Of the build with ASan and UBSan. */
const sanitized = join(root, 'build/asan/lib')
const folder = mkdtempSync(join(tmpdir(), 'ringfence-smi-'))
test.before(async () => {
  daemon = await Daemon.start(['--driver', 'stub', '--card-memory', '1Gi'])
  daemon.zone('alice', '300Mi')
  daemon.zone('bob', '200Mi')
  daemon.zone('carol', '16Mi', '--token', 'open sesame')
})
test.after(async () => {
  rmSync(folder, { recursive: true, force: true })
  await daemon.remove()
})

/** Runs it under ASan and UBSan, as the library beside it is. */
const smi = (zone: string, args: string[], env: Record<string, string> = {}) =>
  spawnSync(join(sanitized, 'nvidia-smi'), args, { encoding: 'utf8', env: { ...process.env, ...daemon.env(zone), LD_LIBRARY_PATH: sanitized, ...env } })

function must(zone: string, ...args: string[]): string {
  const result = smi(zone, args)
  assert.is(result.status, 0, `${args.join(' ')}: ${result.stdout}${result.stderr}`)
  assert.is(result.stderr, '')
  return result.stdout
}

/** A program that holds 32 MiB in a zone, under a name of its own. */
async function hold(zone: string, name: string) {
  const path = join(folder, name)
  symlinkSync(program('holder'), path)
  const child = spawn(path, [String(32 << 20)], { env: { ...process.env, ...daemon.env(zone) } })
  const gone = new Promise<void>((done) => child.once('exit', () => done()))
  await until('the holder to hold', () => daemon.usage(zone).memory === 32 << 20)
  return { pid: child.pid!, end: () => (child.stdin.end(), gone) }
}

test('the table: the zone\'s memory, its processes, and lines as wide as the frame', async () => {
  const [mine, other] = [await hold('alice', 'mine'), await hold('bob', 'other')]
  const text = must('alice')
  assert.match(text, /NVIDIA-SMI \d+\.\d+ .*Driver Version: \d+\.\d+ .*CUDA Version: 13\.0 /)
  assert.match(text, / 32MiB \/ 300MiB \|/)
  assert.match(text, new RegExp(`\\| +0 +N/A +N/A +${mine.pid} +C +\\S*mine.* 32MiB \\|`))
  assert.not.match(text, /other/)
  for (const line of text.split('\n').slice(1)) assert.ok(line === '' || line.length === 91, `${line.length}: ${line}`)
  await Promise.all([mine.end(), other.end()])
  await until('the zone to be empty', () => /No running processes found/.test(must('alice')))
})

test('queries: values in the order asked for, by either name, with and without header and units', async () => {
  const holder = await hold('alice', 'queried')
  assert.is(must('alice', '--query-gpu=memory.total, memory.used,memory.free,count,index', '--format=csv'),
    'memory.total [MiB], memory.used [MiB], memory.free [MiB], count, index\n300 MiB, 32 MiB, 268 MiB, 1, 0\n')
  assert.is(must('alice', '--query-gpu', 'memory.free,gpu_name', '--format', 'csv,noheader,nounits'), '268, Ringfence Software GPU\n')
  assert.is(must('alice', '--query-gpu=gpu_name,mig.mode.current', '--format=csv'), 'name, mig.mode.current\nRingfence Software GPU, [N/A]\n')
  assert.match(must('alice', '--query-gpu=timestamp,compute_cap,uuid,pci.bus_id,clocks.sm', '--format=csv,noheader'),
    /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d\.\d{3}, \d+\.\d, GPU-[0-9a-f-]{36}, [0-9A-F]{8}:[0-9A-F]{2}:[0-9A-F]{2}\.0, \d+ MHz\n$/)
  assert.is(must('alice', '--query-compute-apps=pid,used_memory', '--format=csv'), `pid, used_gpu_memory [MiB]\n${holder.pid}, 32 MiB\n`)
  assert.match(must('alice', '--query-compute-apps=process_name', '--format=csv,noheader'), /queried\n$/)
  const uuid = must('alice', '--query-gpu=uuid', '--format=csv,noheader').trim()
  assert.is(must('alice', '-L'), `GPU 0: Ringfence Software GPU (UUID: ${uuid})\n`)
  for (const id of ['0', uuid, must('alice', '--query-gpu=pci.bus_id', '--format=csv,noheader').trim()]) assert.is(must('alice', '-i', id, '--query-gpu=count', '--format=csv,noheader'), '1\n')
  await holder.end()
})

test('every field that its help names can be asked for', () => {
  const fields = [...must('alice', '--help-query-gpu').matchAll(/"([^"]+)"/g)].map((match) => match[1]!)
  assert.ok(fields.length > 90)
  const line = must('alice', `--query-gpu=${fields.join(',')}`, '--format=csv,noheader')
  assert.is(line.split(', ').length, fields.length)
  const apps = [...must('alice', '--help-query-compute-apps').matchAll(/"([^"]+)"/g)].map((match) => match[1]!)
  assert.is(must('alice', `--query-compute-apps=${apps.join(',')}`, '--format=csv').split('\n').length, 2, 'the header')
})

test('the report, and as XML whatever a program is called', async () => {
  const name = 'a<b>&\u001b[31m"c\u00e9'
  const holder = await hold('alice', name)
  const text = must('alice', '-q')
  assert.match(text, / {4}FB Memory Usage\n {8}Total {29}: 300 MiB\n {8}Reserved {26}: 0 MiB\n {8}Used {30}: 32 MiB\n/)
  assert.match(must('alice', '-q', '-d', 'memory,PIDS'), new RegExp(`Free +: 268 MiB\\n {4}Processes\\n {8}Process\\n {12}Process ID +: ${holder.pid}\\n`))
  assert.not.match(must('alice', '-q', '-d', 'MEMORY'), /Clocks|Process|Product/)
  const parsed = spawnSync('python3', ['-c', 'import sys, xml.etree.ElementTree as e\nr = e.fromstring(sys.stdin.read())\n'
    + 'for path in sys.argv[1:]: print(r.find(path).text)', 'gpu/fb_memory_usage/used', 'gpu/processes/process_info/pid', 'gpu/processes/process_info/process_name'],
  { input: must('alice', '-q', '-x'), encoding: 'utf8' })
  assert.is(parsed.status, 0, parsed.stderr)
  const [used, pid, called] = parsed.stdout.split('\n')
  assert.equal([used, pid], ['32 MiB', String(holder.pid)])
  assert.ok(called!.includes('a<b>&?[31m"c'), called)
  for (const shown of [must('alice'), text]) assert.not.match(shown, /\u001b/)
  await holder.end()
})

test('what cannot be done is said, with NVIDIA\'s exit codes', () => {
  const said = (args: string[], status: number, words: RegExp, env: Record<string, string> = {}, zone = 'alice') => {
    const result = smi(zone, args, env)
    assert.is(result.status, status, `${args.join(' ')}: ${result.stdout}${result.stderr}`)
    assert.match(result.stderr, words)
  }
  said(['--query-gpu=name,colour', '--format=csv'], 2, /Field "colour" is not a valid field to query/)
  said(['--query-gpu=', '--format=csv'], 2, /Field "" is not a valid/)
  said(['--query-gpu=name'], 2, /needs --format=csv/)
  said(['--query-gpu=name', '--format=json'], 2, /cannot use --format "json"/)
  said(['-q', '-d', 'COLOUR'], 2, /"COLOUR" is not a section/)
  said(['-x'], 2, /go with -q/)
  said(['--bogus'], 2, /cannot use "--bogus"/)
  said(['-l', '0'], 2, /not a number of seconds: "0"/)
  said(['-i', '1', '-L'], 6, /No devices were found for "1"/)
  said(['-i', 'GPU-nobody'], 6, /No devices were found/)
  said(['-pl', '100'], 4, /-pl changes the device/)
  said(['--gpu-reset'], 4, /changes the device/)
  said(['topo', '-m'], 3, /"topo" is not supported in a zone/)
  said([], 9, /couldn't communicate with the NVIDIA driver/, { RINGFENCE_SOCKET: '/nonexistent' })
  said([], 4, /Insufficient Permissions/, {}, 'carol')
  said(['-f', '/nonexistent/file'], 2, /\/nonexistent\/file: No such file/)
})

test('again and again, into a file, until the reader goes', async () => {
  const file = join(folder, 'log')
  const child = spawn(join(libraries.client, 'nvidia-smi'), ['--query-gpu=count', '--format=csv', '-lms', '20', '-f', file], { env: { ...process.env, ...daemon.env('alice') } })
  await until('three lines', () => {
    try {
      return readFileSync(file, 'utf8').startsWith('count\n1\n1\n1\n')
    } catch {
      return false
    }
  })
  child.kill()
  const piped = spawnSync('sh', ['-c', `"${join(libraries.client, 'nvidia-smi')}" -L -lms 5 | head -n 2`], { encoding: 'utf8', env: { ...process.env, ...daemon.env('alice') } })
  assert.is(piped.stdout.split('\n').length, 3)
})

test('`ringfence run` finds it before any other', () => {
  assert.match(daemon.must('run', '--zone', 'bob', '--', 'nvidia-smi', '-q', '-d', 'MEMORY'), /Total +: 200 MiB/)
})

test.run()
