// test: timeout 120
// IPC handles: between processes of one zone they work, in another zone they are nothing; the zone's quota counts the memory once.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Daemon } from '../support/daemon.ts'
import { program } from '../support/programs.ts'

let daemon: Daemon
test.before(async () => {
  daemon = await Daemon.start()
  daemon.zone('a', '1Gi')
  daemon.zone('b', '1Gi')
})
test.after(() => daemon.remove())

test('two processes of one zone share device memory, which lives as long as either has it', async () => {
  const result = daemon.in('a', program('ipc'))
  assert.is(result.status, 0, result.stdout + result.stderr)
  await daemon.empty('a')
})

test('descriptors of physical memory and of pools work between the processes of a zone', async () => {
  const result = daemon.in('a', program('shared'))
  assert.is(result.status, 0, result.stdout + result.stderr)
  await daemon.empty('a')
})

test('a handle of one zone is nothing in another', async () => {
  const exporter = spawn(program('ipc'), ['export'], { env: { ...process.env, ...daemon.env('a') }, stdio: ['pipe', 'pipe', 'inherit'] })
  const [handle] = (await once(exporter.stdout, 'data')) as [Buffer]
  const hex = handle.toString().trim()
  assert.is(hex.length, 128)
  assert.is(daemon.in('a', program('ipc'), ['import', hex]).stdout, 'CUDA_SUCCESS\n')
  assert.is(daemon.in('b', program('ipc'), ['import', hex]).stdout, 'CUDA_ERROR_INVALID_VALUE\n')
  assert.is(daemon.in('a', program('ipc'), ['import', '00'.repeat(64)]).stdout, 'CUDA_ERROR_INVALID_VALUE\n')
  exporter.stdin.end('\n')
  await once(exporter, 'exit')
  assert.is(daemon.in('a', program('ipc'), ['import', hex]).stdout, 'CUDA_ERROR_INVALID_VALUE\n', 'its owner has gone')
  for (const zone of ['a', 'b']) await daemon.empty(zone)
})

test.run()
