// ffmpeg's CUDA filters beside its CPU filters: what runs, and how close the frames must be.
import { spawnSync } from 'node:child_process'

export const hasFfmpeg = spawnSync('ffmpeg', ['-hide_banner', '-filters'], { encoding: 'utf8' }).stdout?.includes('scale_cuda') ?? false

export const CUDA_DEVICE = ['-init_hw_device', 'cuda=cu:0', '-filter_hw_device', 'cu']

/** Runs ffmpeg with these arguments; its standard output. */
export type Ffmpeg = (args: string[]) => Buffer

export interface Case {
  name: string
  inputs: string[]
  /** The same graph on the GPU and on the CPU. */
  cuda: string
  cpu: string
  format: string
  /** Least peak signal-to-noise ratio in dB over all samples; Infinity: identical. */
  psnr: number
}

const sharp = 'testsrc2=size=160x120:rate=4:duration=1'
/** No steps and no extremes: where filters differ in rounding and at edges, a step between black and white hides all else. */
const smooth = `${sharp},format=yuv420p,gblur=2,lutyuv=y=64+val/2:u=64+val/2:v=64+val/2`
const simple = (name: string, source: string, cuda: string, cpu: string, psnr: number): Case => ({
  name, inputs: [source], cuda: `[0:v]format=yuv420p,hwupload,${cuda},hwdownload,format=yuv420p`, cpu: `[0:v]format=yuv420p,${cpu},format=yuv420p`, format: 'yuv420p', psnr,
})

export const CASES: Case[] = [
  simple('scale_cuda nearest, up', sharp, 'scale_cuda=320:240:interp_algo=nearest', 'scale=320:240:flags=neighbor', Infinity),
  simple('scale_cuda nearest, down', sharp, 'scale_cuda=80:60:interp_algo=nearest', 'scale=80:60:flags=neighbor', Infinity),
  // The texture unit's linear filter does the work: within one step of the CPU's filter.
  simple('scale_cuda bilinear', sharp, 'scale_cuda=320:240:interp_algo=bilinear', 'scale=320:240:flags=bilinear', 65),
  simple('scale_cuda bicubic', smooth, 'scale_cuda=320:240:interp_algo=bicubic', 'scale=320:240:flags=bicubic', 48),
  simple('scale_cuda lanczos', smooth, 'scale_cuda=128:96:interp_algo=lanczos', 'scale=128:96:flags=lanczos', 48),
  simple('yadif_cuda', smooth, 'yadif_cuda', 'yadif', 54),
  simple('thumbnail_cuda', sharp, 'thumbnail_cuda=n=2', 'thumbnail=n=2', Infinity),
  {
    name: 'overlay_cuda', inputs: [sharp, 'testsrc=size=64x48:rate=4:duration=1'], format: 'yuv420p', psnr: Infinity,
    cuda: '[0:v]format=yuv420p,hwupload[a];[1:v]format=yuv420p,hwupload[b];[a][b]overlay_cuda=x=20:y=10,hwdownload,format=yuv420p',
    cpu: '[0:v]format=yuv420p[a];[1:v]format=yuv420p[b];[a][b]overlay=x=20:y=10:format=yuv420',
  },
]

export function frames(ffmpeg: Ffmpeg, inputs: string[], graph: string, format: string, cuda: boolean): Buffer {
  return ffmpeg(['-v', 'error', ...(cuda ? CUDA_DEVICE : []), ...inputs.flatMap((input) => ['-f', 'lavfi', '-i', input]), '-filter_complex', graph, '-f', 'rawvideo', '-pix_fmt', format, '-'])
}

/** In dB; Infinity: identical. */
export function psnr(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length || a.length === 0) throw new Error(`${a.length} bytes beside ${b.length}`)
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2
  return sum === 0 ? Infinity : 10 * Math.log10(255 ** 2 / (sum / a.length))
}

/**
 * chromakey_cuda reads its planes through a linear filter at whole coordinates, half a texel from their middles: every sample that it
 * passes on is the mean of four. The greatest difference of its luma from that, for the first frame.
 */
export function chromakey(ffmpeg: Ffmpeg): { luma: number; transparent: number; opaque: number } {
  const width = 160
  const height = 120
  const source = 'color=0x00ff00:size=160x120:rate=1:duration=1,drawbox=x=40:y=30:w=80:h=60:color=red:t=fill'
  const keyed = frames(ffmpeg, [source], '[0:v]format=yuv420p,hwupload,chromakey_cuda=green:0.3:0.1,hwdownload,format=yuva420p', 'yuva420p', true)
  const plain = frames(ffmpeg, [source], '[0:v]format=yuv420p', 'yuv420p', false)
  const at = (x: number, y: number): number => plain[Math.max(0, y) * width + Math.max(0, x)]
  let luma = 0
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) luma = Math.max(luma, Math.abs(keyed[y * width + x] - (at(x, y) + at(x - 1, y) + at(x, y - 1) + at(x - 1, y - 1)) / 4))
  const alpha = keyed.subarray((width * height * 3) / 2, (width * height * 5) / 2)
  return { luma, transparent: alpha[10 * width + 10], opaque: alpha[60 * width + 80] }
}
