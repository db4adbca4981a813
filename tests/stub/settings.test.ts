// test: timeout 600
// RINGFENCE_STUB_*: what each setting does, that nonsense is refused with the form expected, and faults on order.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { stubProgram } from '../support/stub.ts'

const faults = stubProgram('tests/stub/c/faults.c')

function holds(name: string, env: Record<string, string>): string {
  const result = faults([name], env)
  assert.is(result.status, 0, result.stderr)
  return result.stderr
}

test('the n-th call fails as ordered, or all from it on', () => {
  holds('nth-call', { RINGFENCE_STUB_FAULTS: 'cuMemAlloc@3=2,cuStreamCreate@2+=CUDA_ERROR_NOT_PERMITTED' })
})

test('an illegal address sticks to its context', () => {
  holds('illegal-address', { RINGFENCE_STUB_FAULTS: 'op@3=illegal-address' })
})

test('where faults are the process\'s, an illegal address is every context\'s, and no other can be had', () => {
  holds('whole-process', { RINGFENCE_STUB_FAULTS: 'op@2=illegal-address', RINGFENCE_STUB_FAULT_SCOPE: 'process' })
})

test('no call fails before the line that says why has been written', () => {
  assert.match(holds('told-first', { RINGFENCE_STUB_FAULTS: 'op@1=illegal-address', RINGFENCE_STUB_LOG: 'error' }), /is poisoned with error 700 /)
})

test('a lost device stays lost', () => {
  holds('lost', { RINGFENCE_STUB_FAULTS: 'op@2=device-lost' })
})

test('cuInit itself can fail', () => {
  holds('init', { RINGFENCE_STUB_FAULTS: 'cuInit@1=999' })
})

test('copies take the time that bandwidth and latency give', () => {
  holds('slow', { RINGFENCE_STUB_COPY_BANDWIDTH: '10Mi', RINGFENCE_STUB_COPY_LATENCY: '1ms' })
})

test('devices, their memory and their name', () => {
  holds('devices', { RINGFENCE_STUB_DEVICES: '3', RINGFENCE_STUB_MEMORY: '16Mi', RINGFENCE_STUB_NAME: 'Card of tests' })
  holds('no-device', { RINGFENCE_STUB_DEVICES: '0' })
})

test('how code is loaded is said as NVIDIA\'s driver says it', () => {
  holds('lazily', {})
  holds('lazily', { CUDA_MODULE_LOADING: 'whatever' })
  holds('eagerly', { CUDA_MODULE_LOADING: 'EAGER' })
})

test('an access outside names the call, the address and the nearest allocation', () => {
  const result = faults(['complain'], { RINGFENCE_STUB_LOG: 'error' })
  assert.is(result.status, 0, result.stderr)
  const base = BigInt(`0x${result.stdout.trim()}`)
  const lines = result.stderr.trim().split('\n')
  assert.is(lines.length, 2)
  assert.match(lines[0]!, `cuMemcpyHtoD_v2: the destination 0x${(base + 990n).toString(16)} (64 bytes)`)
  assert.match(lines[0]!, `0x${base.toString(16)} of 1000 bytes`)
  assert.match(lines[1]!, `cuMemsetD8_v2: the destination 0x${(base + 5000n).toString(16)} (8 bytes)`)
})

test('without logging nothing is said', () => {
  assert.is(holds('complain', {}), '')
})

const nonsense: [string, string, RegExp][] = [
  ['RINGFENCE_STUB_LAZY_LOADING', 'yes', /0 or 1/],
  ['RINGFENCE_STUB_FAULT_SCOPE', 'Process', /context or process/],
  ['RINGFENCE_STUB_MEMORY', '8 gigs', /a size such as 16Gi/],
  ['RINGFENCE_STUB_MEMORY', '1Ki', /between 4Mi and 4Ti/],
  ['RINGFENCE_STUB_MEMORY', '-5G', /a size such as/],
  ['RINGFENCE_STUB_MEMORY', '99999999999999999999', /a size such as/],
  ['RINGFENCE_STUB_DEVICES', '17', /0 to 16/],
  ['RINGFENCE_STUB_DEVICES', 'two', /0 to 16/],
  ['RINGFENCE_STUB_CARD_FD', 'x', /inherited memfd/],
  ['RINGFENCE_STUB_LOG', 'loud', /none, error, info or debug/],
  ['RINGFENCE_STUB_COPY_BANDWIDTH', 'fast', /bytes a second/],
  ['RINGFENCE_STUB_COPY_LATENCY', '5', /250us/],
  ['RINGFENCE_STUB_INLINE', 'yes', /or 0/],
  ['RINGFENCE_STUB_NAME', 'n'.repeat(200), /at most 127 bytes/],
  ['RINGFENCE_STUB_FAULTS', 'cuMemAlloc=2', /FUNCTION@N=CODE/],
  ['RINGFENCE_STUB_FAULTS', 'cuMemAlloc@0=2', /FUNCTION@N=CODE/],
  ['RINGFENCE_STUB_FAULTS', 'cuMemAlloc@1=12345', /FUNCTION@N=CODE/],
  ['RINGFENCE_STUB_FAULTS', 'op@1=gremlins', /op@N=illegal-address/],
]

for (const [variable, value, form] of nonsense)
  test(`${variable}=${value.slice(0, 20)} is refused in one line`, () => {
    const line = holds('nonsense', { [variable]: value })
    assert.is(line.split('\n').length, 2, line)
    assert.match(line, `${variable}="${value}"`)
    assert.match(line, form)
  })

test('sizes mean what they say', () => {
  // the number of bytes is checked by the program's own cuMemGetInfo through `devices`, which needs exactly 16 MiB
  for (const size of ['16Mi', '16MiB', '16384Ki', '16777216', '16778K', '17MB', '17M'])
    holds('devices', { RINGFENCE_STUB_DEVICES: '3', RINGFENCE_STUB_MEMORY: size, RINGFENCE_STUB_NAME: 'Card of tests' })
})

test.run()
