// Images for the tests of textures and surfaces: shapes, formats and samplers at random, their bytes, and the form in which
// images.c is told of them.
import { decode, divide, encode, F16, F32, integer, mask, signed, type Value } from './exact.ts'
import type { Random } from './operands.ts'

export const STORAGE = 16384
export const HEADER_WORDS = 64

/** As enum ptx_channel counts them. */
export const CHANNELS = ['u8', 's8', 'u16', 's16', 'u32', 's32', 'f16', 'f32'] as const
export type Channel = (typeof CHANNELS)[number]
export const channelBytes = (channel: Channel): number => Number(channel.slice(1)) / 8

export type AddressMode = 'wrap' | 'clamp' | 'mirror' | 'border'
export const ADDRESS_MODES: readonly AddressMode[] = ['wrap', 'clamp', 'mirror', 'border']

export interface Sampler {
  address: AddressMode[]
  linear: boolean
  mipLinear: boolean
  /** Coordinates from 0 to 1, as the texture has it; a .samplerref can say otherwise. */
  normalizedCoords: boolean
  unnormalized: boolean
  seamless: boolean
  bias: number
  least: number
  most: number
  /** Bits of the four channels. */
  border: number[]
}

export interface Level {
  offset: number
  pitch: number
  slice: number
  /** Texels: width, height, depth. */
  size: [number, number, number]
}

export interface Image {
  dimensions: number
  layered: boolean
  cube: boolean
  /** One dimension over plain memory: 0 outside, no filter. */
  plain: boolean
  channel: Channel
  channels: number
  normalized: boolean
  srgb: boolean
  layers: number
  levels: Level[]
  sampler: Sampler
  bytes: Uint8Array
}

/** Whether fetches give integers, not floating point. */
export const givesIntegers = (image: Image): boolean => !image.normalized && !image.channel.startsWith('f')
/** 32-bit integers are not filtered. */
export const canFilter = (image: Image): boolean => !givesIntegers(image) || channelBytes(image.channel) < 4
export const texelBytes = (image: Image): number => channelBytes(image.channel) * image.channels

export interface Shape {
  dimensions: number
  layered: boolean
  cube: boolean
}
export const SHAPES: Readonly<Record<string, Shape>> = {
  '1d': { dimensions: 1, layered: false, cube: false }, '2d': { dimensions: 2, layered: false, cube: false }, '3d': { dimensions: 3, layered: false, cube: false },
  a1d: { dimensions: 1, layered: true, cube: false }, a2d: { dimensions: 2, layered: true, cube: false },
  cube: { dimensions: 2, layered: false, cube: true }, acube: { dimensions: 2, layered: true, cube: true },
}

const f32bits = (x: number): number => new Uint32Array(new Float32Array([x]).buffer)[0] ?? 0

/** A sampler; `whole`: a border colour of integers. */
export function randomSampler(random: Random, whole: boolean): Sampler {
  const normalizedCoords = random.below(2) === 1
  return {
    address: [0, 1, 2].map(() => random.pick(ADDRESS_MODES)),
    linear: random.below(2) === 1, mipLinear: random.below(2) === 1, normalizedCoords, unnormalized: false, seamless: random.below(2) === 1,
    bias: random.pick([0, 0, 0.25, -0.75, 1.25]), least: random.pick([0, 0, 0.5, 1]), most: random.pick([1000, 1000, 1.5, 2]),
    border: [0, 1, 2, 3].map(() => (whole ? random.below(100) : f32bits((random.below(512) - 256) / 64))),
  }
}

/**
 * An image of a shape. For textures the format, the sampler and mipmaps vary; surfaces have one level, no conversion and rows
 * of a multiple of 16 bytes. Floating point to be filtered (`tame`: by another sampler than its own) is of one size, so that sums are exact.
 */
export function randomImage(random: Random, shape: Shape, surface: boolean, tame = false, only?: Channel[]): Image {
  const channel = random.pick(only ?? CHANNELS)
  const bytes = channelBytes(channel)
  const channels = random.pick([1, 2, 4])
  const normalized = !surface && bytes < 4 && channel[0] !== 'f' && random.below(2) === 1
  const srgb = normalized && channel === 'u8' && random.below(3) === 0
  const plain = !surface && shape.dimensions === 1 && !shape.layered && random.below(4) === 0
  const mipmapped = !surface && !plain && random.below(2) === 1
  const size: [number, number, number] = shape.cube ? [4, 4, 1] : [mipmapped ? 8 : surface ? 16 * (1 + random.below(2)) : 1 + random.below(9), shape.dimensions > 1 ? (mipmapped ? 4 : 1 + random.below(5)) : 1, shape.dimensions > 2 ? (mipmapped ? 2 : 1 + random.below(4)) : 1]
  const layers = shape.layered ? 1 + random.below(3) : 1
  const levels: Level[] = []
  let offset = 0
  for (let count = mipmapped ? 3 : 1; count > 0; count--) {
    const pitch = size[0] * bytes * channels + (surface ? 16 * random.below(2) : 0)
    const slice = pitch * size[1]
    levels.push({ offset, pitch, slice, size: [...size] })
    offset += slice * (shape.cube ? 6 * layers : shape.layered ? layers : size[2])
    offset = (offset + 15) & ~15
    for (let axis = 0; axis < 3; axis++) size[axis] = Math.max(1, (size[axis] ?? 1) >> 1)
  }
  if (offset > STORAGE) throw new Error(`an image of ${offset} bytes`)
  const integers = !normalized && channel[0] !== 'f'
  const image: Image = { ...shape, plain, channel, channels, normalized, srgb, layers, levels, sampler: randomSampler(random, integers), bytes: new Uint8Array(STORAGE) }
  const view = new DataView(image.bytes.buffer)
  for (let at = 0; at < STORAGE; at += 4) view.setUint32(at, random.word(), true)
  const filtered = tame || image.sampler.linear || image.sampler.mipLinear
  if (channel === 'f32' && filtered) for (let at = 0; at < STORAGE; at += 4) view.setFloat32(at, (random.below(8192) - 4096) / 1024, true)
  if (channel === 'f16') for (let at = 0; at < STORAGE; at += 2) view.setUint16(at, filtered ? (random.word() & 0x83ff) | ((12 + random.below(6)) << 10) : random.pick([random.word() & 0xbfff, 0x7c00, 0xfc00]), true)
  return image
}

/** The words that images.c reads. */
export function header(image: Image | undefined): Uint32Array {
  const words = new Uint32Array(HEADER_WORDS)
  if (!image) return words
  const s = image.sampler
  words.set([
    image.dimensions, Number(image.layered), Number(image.cube), Number(image.plain), image.channels, CHANNELS.indexOf(image.channel), Number(image.normalized), Number(image.srgb), Number(givesIntegers(image)),
    image.layers, image.levels.length, ...s.address.map((mode) => ADDRESS_MODES.indexOf(mode)), Number(s.linear), Number(s.mipLinear), Number(s.normalizedCoords), Number(s.seamless),
    f32bits(s.bias), f32bits(s.least), f32bits(s.most), ...s.border,
  ])
  image.levels.forEach((level, k) => words.set([level.offset, level.pitch, level.slice, ...level.size], 25 + 6 * k))
  return words
}

/** Raw bits of channel c of the texel at a byte. */
export function rawChannel(image: Image, at: number, c: number): number {
  const bytes = channelBytes(image.channel)
  const view = new DataView(image.bytes.buffer, image.bytes.byteOffset)
  const where = at + c * bytes
  return bytes === 1 ? view.getUint8(where) : bytes === 2 ? view.getUint16(where, true) : view.getUint32(where, true)
}

const converted = new Map<string, bigint>()

/** What a fetch gives for a channel's raw bits: an integer's or a float's 32 bits. */
export function channelBits(image: Image, raw: number, c: number): bigint {
  const { channel } = image
  if (channel === 'f32' || channel === 'u32' || channel === 's32') return BigInt(raw)
  const key = `${channel}${image.normalized}${image.srgb && c < 3}${raw}`
  let bits = converted.get(key)
  if (bits === undefined) {
    const width = channelBytes(channel) * 8
    const number = channel[0] === 's' ? signed(BigInt(raw), width) : BigInt(raw)
    if (channel === 'f16') bits = encode(F32, decode(F16, BigInt(raw)))
    else if (!image.normalized) bits = number & mask(32)
    else {
      const top = (1n << BigInt(channel[0] === 's' ? width - 1 : width)) - 1n
      const value: Value = number < -top ? integer(-1n) : divide(integer(number), integer(top))
      bits = encode(F32, value)
      if (image.srgb && c < 3) {
        const x = new Float32Array(new Uint32Array([Number(bits)]).buffer)[0] ?? 0
        bits = BigInt(f32bits(x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4))
      }
    }
    converted.set(key, bits)
  }
  return bits
}

/** A float's bits from a 32-bit word, as a surface's channel has them: rounded, integers clamped. */
export function storedChannel(channel: Channel, word: number): bigint {
  const bits = BigInt(word >>> 0)
  switch (channel) {
    case 'u8': case 'u16': {
      const top = mask(8 * channelBytes(channel))
      return bits > top ? top : bits
    }
    case 's8': case 's16': {
      const width = 8 * channelBytes(channel)
      const top = mask(width - 1)
      const v = signed(bits, 32)
      return (v > top ? top : v < -top - 1n ? -top - 1n : v) & mask(width)
    }
    case 'f16': return encode(F16, decode(F32, bits))
    default: return bits
  }
}
