// test: timeout 300
// Modules, libraries, linking and launches: the same program on the software GPU alone and in a zone, once more with the client under
// ASan and UBSan; what kernels print; the quota with code in it; clients killed in the middle of launches; code of two clients.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { compile, makeFolder, root, run } from '../support/cc.ts'
import { Daemon, until } from '../support/daemon.ts'
import { libraries, program } from '../support/programs.ts'

const quiet = { RINGFENCE_STUB_LOG: 'none' }
let daemon: Daemon
test.before(async () => {
  daemon = await Daemon.start()
  daemon.zone('a', '1Gi')
})
test.after(() => daemon.remove())

const asan = (): Record<string, string> => ({
  LD_LIBRARY_PATH: join(root, 'build/asan/lib'), LD_PRELOAD: spawnSync('cc', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).stdout.trim(),
  ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=0:exitcode=99', UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
})

test('code: on the software GPU alone', () => {
  const result = run(program('code'), [], { LD_LIBRARY_PATH: libraries.stub, ...quiet })
  assert.is(result.status, 0, result.stdout + result.stderr)
})

test('code: inside a zone', async () => {
  const result = daemon.in('a', program('code'))
  assert.is(result.status, 0, result.stdout + result.stderr)
  // What the compiler said is told where the tenant sees it.
  assert.match(result.stderr, /^ringfence: code is refused: .*instruction 'frobnicate'/m)
  await daemon.empty('a')
})

test('code: inside a zone, client library under ASan and UBSan', async () => {
  const result = daemon.in('a', program('code'), [], asan())
  assert.is(result.status, 0, result.stdout + result.stderr)
  await daemon.empty('a')
})

test("the software GPU's own test of kernels, inside a zone", async () => {
  const output = join(makeFolder(join(root, 'build/tests')), 'zone-kernels')
  compile({ sources: [join(root, 'tests/stub/c/kernels.c')], output, includes: [join(root, 'idm'), join(root, 'idm/generated')], link: [`-L${join(root, 'build/stub')}`, '-lcuda', '-lm'] })
  const result = daemon.in('a', output, [join(root, 'tests/ptx/programs'), join(root, 'tests/stub/kernels')])
  assert.is(result.status, 0, result.stdout + result.stderr)
  await daemon.empty('a')
})

test('what kernels print comes out where it would on the GPU itself', async () => {
  const alone = run(program('code'), ['print'], { LD_LIBRARY_PATH: libraries.stub })
  assert.is(alone.status, 0, alone.stderr)
  assert.match(alone.stdout, /^before\nkernel 0\nkernel 1\n[^]*after the event\nkernel 0\n[^]*kernel 499\nend\n$/)
  const inside = daemon.in('a', program('code'), ['print'])
  assert.is(inside.status, 0, inside.stderr)
  assert.is(inside.stdout, alone.stdout)
  await daemon.empty('a')
})

test('no synchronisation is done before what kernels have printed is written, whichever thread writes it', async () => {
  const alone = run(program('code'), ['both'], { LD_LIBRARY_PATH: libraries.stub })
  assert.is(alone.status, 0, alone.stderr)
  const inside = daemon.in('a', program('code'), ['both'])
  assert.is(inside.status, 0, inside.stderr)
  await daemon.empty('a')
})

test('what the kernels of two clients print never mixes', async () => {
  const wanted = run(program('code'), ['print'], { LD_LIBRARY_PATH: libraries.stub }).stdout
  const clients = [0, 1, 2].map(() => {
    const child = spawn(program('code'), ['print'], { env: { ...process.env, ...daemon.env('a') } })
    let out = ''
    child.stdout.on('data', (d: Buffer) => (out += d.toString()))
    return new Promise<string>((done) => child.on('close', () => done(out)))
  })
  for (const out of await Promise.all(clients)) assert.is(out, wanted)
  await daemon.empty('a')
})

test('an image that the executor has is not sent again, wherever in the program it lies and however it is loaded', async () => {
  const child = spawn(program('code'), ['again'], { env: { ...process.env, ...daemon.env('a') } })
  const ended = new Promise((done) => child.on('close', done))
  const said: number[] = []
  // What has been sent is kept, and counts as staging, to the byte.
  for (const word of ['first', 'again', 'other']) {
    const [line] = (await Promise.race([once(child.stdout, 'data'), ended.then(() => ['it ended'])])) as [Buffer]
    assert.is(line.toString(), `${word}\n`)
    let usage = daemon.usage('a')
    let same = 0
    await until('the usage to be told', () => {
      const before = usage
      usage = daemon.usage('a')
      same = usage.staging === before.staging && usage.memory === before.memory && usage.calls === before.calls ? same + 1 : 0
      return same >= 4
    })
    said.push(usage.staging)
    child.stdin.write('\n')
  }
  assert.is(await ended, 0)
  // What a module needs beside the image's code counts too: some hundred bytes.
  const [modules, other] = [said[1] - said[0], said[2] - said[1]]
  assert.ok(modules > 0 && modules < 1 << 16, `nine loads of the same sent nothing: ${modules}`)
  assert.ok(other > 2 << 20 && other < 3 << 20, `another image was sent, once, and is kept as text: ${other}`)
  await daemon.empty('a')
})

test("a failed assertion's lines are the program's own standard error, whose ever it is", async () => {
  // As on hardware, the first threads of the block that fail end it: whether each of them still speaks is not promised.
  const check = (what: string, text: string): void => {
    const lines = text.split('\n').slice(0, -1)
    assert.is(lines.shift(), 'before')
    assert.is(lines.pop(), 'after')
    assert.ok(lines.length > 0, text)
    for (const line of lines) assert.ok([6, 7].some((thread) => line === `code.c:7: insist: block: [0,0,0], thread: [${thread},0,0] Assertion \`${what}\` failed.`), text)
  }
  const alone = run(program('code'), ['assert', 'small'], { LD_LIBRARY_PATH: libraries.stub, ...quiet })
  assert.is(alone.status, 0, alone.stderr)
  check('small', alone.stderr)
  // The executor looks at work that nobody asks about, too: what 'two' says comes to light while 'one' and 'three' are answered.
  const start = ([what, how]: string[]) => {
    const child = spawn(program('code'), ['assert', what, how], { env: { ...process.env, ...daemon.env('a') } })
    let text = ''
    child.stderr.on('data', (d: Buffer) => (text += d.toString()))
    return { child, ended: new Promise<[string, string, number | null]>((done) => child.on('close', (status) => done([what, text, status]))) }
  }
  const asking = [['one', 'on'], ['three', 'on']].map(start)
  const late = await Promise.all([start(['two', 'late']).ended, start(['four', 'late']).ended])
  for (const { child } of asking) child.stdin.end()
  for (const [what, text, status] of [...late, ...(await Promise.all(asking.map(({ ended }) => ended)))]) {
    assert.is(status, 0, text)
    check(what, text)
  }
  assert.not.match(daemon.output, /Assertion/)
  await daemon.empty('a')
})

test('code and its variables count, to the byte', async () => {
  daemon.zone('small', '8Mi')
  const result = daemon.in('small', program('code'), ['quota', String(8 << 20)])
  assert.is(result.status, 0, result.stdout + result.stderr)
  await daemon.empty('small')
})

test('a client killed in a storm of launches: its memory comes back, the next one works', async () => {
  for (let i = 0; i < 3; i++) {
    const child = spawn(program('code'), ['storm'], { env: { ...process.env, ...daemon.env('a') } })
    await new Promise((done) => child.stdout.once('data', done))
    await new Promise((done) => setTimeout(done, 100))
    child.kill('SIGKILL')
    await daemon.empty('a')
  }
  const result = daemon.in('a', program('code'), ['print'])
  assert.is(result.status, 0, result.stderr)
  assert.is((JSON.parse(daemon.must('zone', 'show', 'a', '--json')) as { restarts: number }).restarts, 0)
})

test.run()
