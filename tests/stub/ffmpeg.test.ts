// test: timeout 600
// Debian's ffmpeg, unmodified, on the software GPU: frames that went up and down are the frames that went in.
import { spawnSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { run } from '../support/cc.ts'
import { CASES, chromakey, type Ffmpeg, frames as filtered, hasFfmpeg, psnr } from '../support/ffmpeg.ts'
import { stubFolder } from '../support/stub.ts'

const present = spawnSync('ffmpeg', ['-hide_banner', '-filters'], { encoding: 'utf8' }).stdout?.includes('hwupload_cuda') ?? false

function frames(format: string, filters: string, cuda: boolean, env: Record<string, string> = {}) {
  const device = cuda ? ['-init_hw_device', 'cuda=cu:0', '-filter_hw_device', 'cu'] : []
  const source = ['-f', 'lavfi', '-i', 'testsrc2=size=320x240:rate=5:duration=1']
  return run('ffmpeg', ['-v', 'error', ...device, ...source, '-vf', filters.replaceAll('FORMAT', format), '-f', 'framemd5', '-'], env)
}

for (const format of ['nv12', 'yuv420p'])
  test(present ? `${format}: up and down` : `${format}: NOT RUN, no ffmpeg with hwupload_cuda here`, () => {
    if (!present) return
    const plain = frames(format, 'format=FORMAT', false)
    const cuda = frames(format, 'format=FORMAT,hwupload_cuda,hwdownload,format=FORMAT', true, { LD_LIBRARY_PATH: stubFolder() })
    assert.is(cuda.stderr, '')
    assert.is(cuda.status, 0)
    assert.ok(plain.stdout.split('\n').filter((line) => !line.startsWith('#')).length >= 5)
    assert.is(cuda.stdout, plain.stdout)
  })

test(present ? 'too small a card: ffmpeg says so itself' : 'too small a card: NOT RUN, no ffmpeg', () => {
  if (!present) return
  const env = { LD_LIBRARY_PATH: stubFolder(), RINGFENCE_STUB_MEMORY: '4Mi' }
  const result = run('ffmpeg', ['-v', 'error', '-init_hw_device', 'cuda=cu:0', '-filter_hw_device', 'cu', '-f', 'lavfi', '-i', 'testsrc2=size=3840x2160:rate=5:duration=1', '-vf', 'format=nv12,hwupload_cuda,hwdownload,format=nv12', '-f', 'framemd5', '-'], env)
  assert.is.not(result.status, 0)
  assert.match(result.stderr, /CUDA_ERROR_OUT_OF_MEMORY: out of memory/)
})

const ffmpeg: Ffmpeg = (args) => {
  const result = spawnSync('ffmpeg', args, { env: { ...process.env, LD_LIBRARY_PATH: stubFolder(), RINGFENCE_STUB_LOG: 'error' }, maxBuffer: 256 << 20 })
  assert.is(result.status, 0, result.stderr.toString())
  return result.stdout
}

for (const one of CASES)
  test(hasFfmpeg ? `${one.name}: ${one.psnr === Infinity ? 'identical to' : `at least ${one.psnr} dB beside`} the CPU's` : `${one.name}: NOT RUN, no ffmpeg with CUDA filters here`, () => {
    if (!hasFfmpeg) return
    const ratio = psnr(filtered(ffmpeg, one.inputs, one.cuda, one.format, true), filtered(ffmpeg, one.inputs, one.cpu, one.format, false))
    assert.ok(ratio >= one.psnr, `${ratio} dB`)
  })

test(hasFfmpeg ? 'chromakey_cuda: every sample is the mean of four, and the colour is gone' : 'chromakey_cuda: NOT RUN, no ffmpeg', () => {
  if (!hasFfmpeg) return
  const { luma, transparent, opaque } = chromakey(ffmpeg)
  assert.ok(luma < 1, `luma differs by ${luma}`)
  assert.equal([transparent, opaque], [0, 255])
})

test.run()
