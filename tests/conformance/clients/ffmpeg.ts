// Debian's ffmpeg: frames up and down, and its CUDA filters against the CPU's.
import { spawnSync } from 'node:child_process'
import { type Client, checks, debian, type Zone } from '../suite.ts'

const source = (size: string, frames: number): string[] => ['-f', 'lavfi', '-i', `testsrc2=size=${size}:rate=5:duration=${frames / 5}`]
const device = ['-init_hw_device', 'cuda=cu:0', '-filter_hw_device', 'cu']
const hashes = (text: string): string => text.split('\n').filter((line) => /^\d+,/.test(line)).join('\n')

/** The same frames with a filter of the CPU's and one of the GPU's: equal hashes. */
function same(zone: Zone, name: string, cpu: string, gpu: string, frames = 3): [string, boolean, string] {
  const plain = spawnSync('ffmpeg', ['-v', 'error', ...source('160x120', 3), '-filter_complex', cpu, '-f', 'framemd5', '-'], { encoding: 'utf8' })
  const ours = zone.run(['ffmpeg', '-v', 'error', ...device, ...source('160x120', 3), '-filter_complex', gpu, '-f', 'framemd5', '-'])
  return [name, hashes(plain.stdout).split('\n').length === frames && hashes(ours.output) === hashes(plain.stdout), `differs from the CPU's (status ${ours.status}) ${ours.output.slice(-200)}`]
}

/** How near a filter of the GPU's comes to the CPU's, in dB. */
function near(zone: Zone, name: string, cpu: string, gpu: string, decibels: number): [string, boolean, string] {
  const ours = zone.run(['ffmpeg', '-v', 'info', '-nostats', ...device, ...source('160x120', 3), '-filter_complex', `split[a][b];[a]${cpu}[x];[b]${gpu}[y];[x][y]psnr`, '-f', 'null', '-'])
  const average = /PSNR.* average:(inf|[\d.]+)/.exec(ours.output)?.[1]
  const value = average === 'inf' ? Infinity : Number(average ?? 0)
  return [`${name} (at least ${decibels} dB)`, value >= decibels, average === undefined ? `status ${ours.status}: ${ours.output}` : `${average} dB`]
}

const up = 'format=yuv420p,hwupload_cuda'
const down = 'hwdownload,format=yuv420p'

export const ffmpeg: Client = {
  name: 'ffmpeg', packages: ['ffmpeg'], what: 'frames up and down; scale_cuda, overlay_cuda, yadif_cuda, thumbnail_cuda and chromakey_cuda against the CPU filters',
  version: () => debian('ffmpeg'),
  run: (zone) => checks([
    same(zone, 'nv12 up and down', 'format=nv12', 'format=nv12,hwupload_cuda,hwdownload,format=nv12'),
    same(zone, 'yuv420p up and down', 'format=yuv420p', `${up},${down}`),
    same(zone, 'scale_cuda nearest', 'format=yuv420p,scale=320:240:flags=neighbor', `${up},scale_cuda=320:240:interp_algo=nearest,${down}`),
    near(zone, 'scale_cuda bilinear', 'format=yuv420p,scale=320:240:flags=bilinear', `${up},scale_cuda=320:240:interp_algo=bilinear,${down}`, 35),
    near(zone, 'scale_cuda bicubic', 'format=yuv420p,scale=320:240:flags=bicubic', `${up},scale_cuda=320:240:interp_algo=bicubic,${down}`, 35),
    near(zone, 'scale_cuda lanczos', 'format=yuv420p,scale=320:240:flags=lanczos', `${up},scale_cuda=320:240:interp_algo=lanczos,${down}`, 25),
    near(zone, 'yadif_cuda', 'format=yuv420p,yadif', `${up},yadif_cuda,${down}`, 40),
    same(zone, 'overlay_cuda', 'split[a][b];[b]scale=80:60:flags=neighbor,format=yuv420p[s];[a]format=yuv420p[m];[m][s]overlay=16:8:format=yuv420', `split[a][b];[b]scale=80:60:flags=neighbor,${up}[s];[a]${up}[m];[m][s]overlay_cuda=16:8,${down}`),
    near(zone, 'chromakey_cuda', 'format=yuva420p,chromakey=green:0.1:0.0,format=yuv420p', `${up},chromakey_cuda=green:0.1:0.0,hwdownload,format=yuva420p,format=yuv420p`, 22),
    same(zone, 'thumbnail_cuda', 'format=yuv420p,thumbnail=3', `${up},thumbnail_cuda=3,${down}`, 1),
  ]),
}
