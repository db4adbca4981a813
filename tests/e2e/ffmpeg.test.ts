// Debian's own ffmpeg, unmodified: frames go up to a GPU that is not there and come down with the same hashes.
import { spawnSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Daemon } from '../support/daemon.ts'
import { CASES, chromakey, type Ffmpeg, frames, hasFfmpeg, psnr } from '../support/ffmpeg.ts'

const have = spawnSync('ffmpeg', ['-version']).status === 0
const source = ['-f', 'lavfi', '-i', 'testsrc2=size=1280x720:rate=25:duration=2']
const device = ['-init_hw_device', 'cuda=cu:0', '-filter_hw_device', 'cu']
const hashes = (text: string) => text.split('\n').filter((line) => /^\d+,/.test(line))
const it = have ? test : test.skip

let daemon: Daemon
test.before(async () => {
  daemon = await Daemon.start()
  daemon.zone('wide', '256Mi')
  daemon.zone('tiny', '1Mi')
})
test.after(() => daemon.remove())

for (const format of ['nv12', 'yuv420p']) {
  it(`ffmpeg: ${format} frames up and down are identical`, async () => {
    const plain = spawnSync('ffmpeg', ['-v', 'error', ...source, '-vf', `format=${format}`, '-f', 'framemd5', '-'], { encoding: 'utf8' })
    const ours = daemon.in('wide', 'ffmpeg', ['-v', 'error', ...device, ...source, '-vf', `format=${format},hwupload_cuda,hwdownload,format=${format}`, '-f', 'framemd5', '-'])
    assert.is(ours.status, 0, ours.stderr)
    assert.is(hashes(plain.stdout).length, 50)
    assert.equal(hashes(ours.stdout), hashes(plain.stdout))
    assert.ok((await daemon.left('wide')).calls > 50, 'the frames went through the zone')
  })
}

it('ffmpeg: a zone too small for its frames refuses them with out of memory, and the daemon goes on', async () => {
  const small = daemon.in('tiny', 'ffmpeg', ['-v', 'error', ...device, ...source, '-vf', 'format=nv12,hwupload_cuda,hwdownload,format=nv12', '-f', 'framemd5', '-'])
  assert.is.not(small.status, 0)
  assert.match(small.stderr, /CUDA_ERROR_OUT_OF_MEMORY|out of memory/i)
  assert.ok((await daemon.left('tiny')).refused > 0, 'the refusal is counted')
  const again = daemon.in('wide', 'ffmpeg', ['-v', 'error', ...device, ...source.slice(0, 3), 'testsrc2=size=320x240:rate=5:duration=1', '-vf', 'format=nv12,hwupload_cuda,hwdownload,format=nv12', '-f', 'framemd5', '-'])
  assert.is(again.status, 0, again.stderr)
})

const filters = hasFfmpeg ? test : test.skip
const inZone: Ffmpeg = (args) => {
  const result = spawnSync('ffmpeg', args, { env: { ...process.env, ...daemon.env('wide') }, maxBuffer: 256 << 20 })
  assert.is(result.status, 0, result.stderr.toString())
  return result.stdout
}

for (const one of CASES)
  filters(`ffmpeg in a zone: ${one.name}: ${one.psnr === Infinity ? 'identical to' : `at least ${one.psnr} dB beside`} the CPU's`, () => {
    const ratio = psnr(frames(inZone, one.inputs, one.cuda, one.format, true), frames(inZone, one.inputs, one.cpu, one.format, false))
    assert.ok(ratio >= one.psnr, `${ratio} dB`)
  })

filters('ffmpeg in a zone: chromakey_cuda: every sample is the mean of four, and the colour is gone', () => {
  const { luma, transparent, opaque } = chromakey(inZone)
  assert.ok(luma < 1, `luma differs by ${luma}`)
  assert.equal([transparent, opaque], [0, 255])
})

test.run()
