// What a texture fetch returns, by the CUDA C++ Programming Guide's "Texture Fetching": coordinates in fixed point over BigInt, one
// axis inside the other, weights of eight fractional bits, sums exact and rounded once.
import { decode, encode, F16, F32, isNaN, mask, number, signed, type Value } from './exact.ts'
import { canFilter, channelBits, givesIntegers, rawChannel, texelBytes, type AddressMode, type Image, type Level, type Sampler } from './image.ts'

/** Fractional bits of coordinates: any float's value is a whole number of them. */
const POINT = 160n
const ONE = 1n << POINT
const HALF = ONE >> 1n

export interface Fetch {
  /** Coordinates: 32 bits each, floats or (whole) integers. */
  at: number[]
  whole: boolean
  layer: number
  offset: number[]
  /** Of detail; undefined: the base. */
  level: number | undefined
}

/** A channel's result: exact bits, or any of several where the last bit is open, or undefined: not looked at. */
export type Sample = bigint[] | undefined

type Coordinate = bigint | 'nan' | 'above' | 'below'

export function fixed(bits: number): Coordinate {
  const v = decode(F32, BigInt(bits >>> 0))
  if (v.kind === 'nan') return 'nan'
  if (v.kind === 'infinity') return v.neg ? 'below' : 'above'
  const m = v.m << (POINT + BigInt(v.e))
  return v.neg ? -m : m
}

const floorMod = (a: bigint, n: bigint): bigint => ((a % n) + n) % n

/** A coordinate in texels as its address mode has it. */
function addressed(u: Coordinate, size: bigint, mode: AddressMode): bigint {
  if (u === 'nan') return 0n
  if (typeof u !== 'bigint') return mode === 'wrap' || mode === 'mirror' ? 0n : u === 'above' ? ONE << 40n : -ONE << 40n
  if (mode !== 'wrap' && mode !== 'mirror') return u
  const turn = size * ONE
  const rest = floorMod(u, turn)
  return mode === 'mirror' && floorMod((u - rest) / turn, 2n) === 1n ? turn - rest : rest
}

/** The texel that an index means; undefined: the border. */
function texelIndex(i: bigint, size: bigint, mode: AddressMode): bigint | undefined {
  if (i >= 0n && i < size) return i
  if (mode === 'wrap') return floorMod(i, size)
  if (mode === 'border') return undefined
  return i < 0n ? 0n : size - 1n
}

interface Place {
  index: bigint[]
  /** Of the second texel, in 256ths. */
  weight: bigint[]
  mode: AddressMode[]
  face: number
}

/** Where on an axis: the first texel, and the second one's weight. */
function along(u: bigint, linear: boolean): [bigint, bigint] {
  if (!linear) return [u >> POINT, 0n]
  const b = u - HALF
  const i = b >> POINT
  return [i, ((((b - (i << POINT)) << 9n) >> POINT) + 1n) >> 1n]
}

const absolute = (x: bigint): bigint => (x < 0n ? -x : x)

/** The axes of a cube's faces: the main one and its sign, then what runs along s and t. Order: +x -x +y -y +z -z. */
const FACES: readonly { main: number; sign: bigint; s: [number, bigint]; t: [number, bigint] }[] = [
  { main: 0, sign: 1n, s: [2, -1n], t: [1, -1n] }, { main: 0, sign: -1n, s: [2, 1n], t: [1, -1n] },
  { main: 1, sign: 1n, s: [0, 1n], t: [2, 1n] }, { main: 1, sign: -1n, s: [0, 1n], t: [2, -1n] },
  { main: 2, sign: 1n, s: [0, 1n], t: [1, -1n] }, { main: 2, sign: -1n, s: [0, -1n], t: [1, -1n] },
]

function faceOf(d: bigint[]): number {
  let main = 0
  for (let axis = 1; axis < 3; axis++) if (absolute(d[axis] ?? 0n) > absolute(d[main] ?? 0n)) main = axis
  return 2 * main + ((d[main] ?? 0n) < 0n ? 1 : 0)
}

function placeOf(image: Image, sampler: Sampler, level: Level, fetch: Fetch, linear: boolean): Place {
  const place: Place = { index: [0n, 0n, 0n], weight: [0n, 0n, 0n], mode: ['clamp', 'clamp', 'clamp'], face: 0 }
  if (image.cube) {
    const d = fetch.at.map((bits) => fixed(bits)).map((x) => (typeof x === 'bigint' ? x : 0n))
    place.face = faceOf(d)
    const face = FACES[place.face]
    if (!face) throw new Error('no such face')
    const m = absolute(d[face.main] ?? 0n)
    ;[face.s, face.t].forEach(([axis, sign], k) => {
      const size = BigInt(level.size[k] ?? 1)
      // (sc / m + 1) / 2, in texels; sizes are powers of two, so that a quotient cut off there is on the right side.
      const u = (((sign * (d[axis] ?? 0n) + m) * size) << (POINT - 1n)) / m
      ;[place.index[k], place.weight[k]] = along(u, linear)
    })
    return place
  }
  const normalized = sampler.normalizedCoords && !sampler.unnormalized
  for (let axis = 0; axis < image.dimensions; axis++) {
    const size = BigInt(level.size[axis] ?? 1)
    const given = sampler.address[axis] ?? 'clamp'
    const folds = given === 'wrap' || given === 'mirror'
    const mode = folds && (!normalized || fetch.whole) ? 'clamp' : given
    place.mode[axis] = mode
    const bits = fetch.at[axis] ?? 0
    const offset = BigInt(fetch.offset[axis] ?? 0)
    if (fetch.whole) {
      place.index[axis] = signed(BigInt(bits >>> 0), 32) + offset
      continue
    }
    const x = fixed(bits)
    const u = typeof x === 'bigint' ? (normalized ? x * size : x) + offset * ONE : x
    ;[place.index[axis], place.weight[axis]] = along(addressed(u, size, mode), linear)
  }
  return place
}

/** Bits of the four channels of a texel of a slice. */
function texel(image: Image, level: Level, x: bigint, y: bigint, z: bigint): bigint[] {
  const at = level.offset + Number(x) * texelBytes(image) + Number(y) * level.pitch + Number(z) * level.slice
  return [0, 1, 2, 3].map((c) => (c < image.channels ? channelBits(image, rawChannel(image, at, c), c) : c < 3 ? 0n : givesIntegers(image) ? 1n : 0x3f800000n))
}

/** A texel by its indices; 'corner': beyond two edges of a cube, which nobody documents. */
function read(image: Image, sampler: Sampler, level: Level, place: Place, index: bigint[], slice: bigint): bigint[] | 'corner' {
  if (image.cube) {
    let [x = 0n, y = 0n] = index
    let face = place.face
    const n = BigInt(level.size[0])
    if (sampler.seamless) {
      const out = [x, y].filter((i) => i < 0n || i >= n).length
      if (out === 2) return 'corner'
      if (out === 1) {
        // Fold over the edge: the point leaves by one axis, which becomes the main one; the old main axis is next to its end.
        const f = FACES[face]
        if (!f) throw new Error('no such face')
        const p = [0n, 0n, 0n]
        p[f.main] = f.sign * (n - 1n)
        for (const [k, [axis, sign]] of [f.s, f.t].entries()) {
          const c = 2n * (k ? y : x) + 1n - n
          p[axis] = sign * (c > n ? n : c < -n ? -n : c)
        }
        face = faceOf(p)
        const g = FACES[face]
        if (!g) throw new Error('no such face')
        x = (g.s[1] * (p[g.s[0]] ?? 0n) + n - 1n) / 2n
        y = (g.t[1] * (p[g.t[0]] ?? 0n) + n - 1n) / 2n
      }
    }
    const inside = (i: bigint): bigint => (i < 0n ? 0n : i >= n ? n - 1n : i)
    return texel(image, level, inside(x), inside(y), slice + BigInt(face))
  }
  const at = [0n, 0n, 0n]
  for (let axis = 0; axis < image.dimensions; axis++) {
    const i = texelIndex(index[axis] ?? 0n, BigInt(level.size[axis] ?? 1), place.mode[axis] ?? 'clamp')
    if (i === undefined) return sampler.border.map((word) => BigInt(word >>> 0))
    at[axis] = i
  }
  return texel(image, level, at[0] ?? 0n, at[1] ?? 0n, (at[2] ?? 0n) + slice)
}

/** A channel's bits as a value in units of 2^-150. */
const UNIT = 150
function valueOf(image: Image, bits: bigint): bigint {
  if (givesIntegers(image)) return (image.channel[0] === 's' ? signed(bits, 32) : bits) << BigInt(UNIT)
  const v = decode(F32, bits)
  return (v.neg ? -v.m : v.m) << BigInt(UNIT + v.e)
}

/** The bits of a sum in units of 2^-(UNIT + more): one result, or two where a sum in double precision may err. */
function rounded(image: Image, sum: bigint, more: number, loose: bigint): bigint[] {
  const unit = UNIT + more
  if (givesIntegers(image)) return [((sum + (1n << BigInt(unit - 1))) >> BigInt(unit)) & mask(32)]
  const bits = (x: bigint): bigint => encode(F32, number(x < 0n, absolute(x), -unit))
  return [...new Set([bits(sum), bits(sum - loose), bits(sum + loose)])]
}

function layerOf(image: Image, layer: number): bigint {
  if (!image.layered) return 0n
  const number_ = layer | 0
  return BigInt(Math.max(0, Math.min(image.layers - 1, number_)))
}

function atLevel(image: Image, sampler: Sampler, index: number, fetch: Fetch): Sample[] {
  const level = image.levels[index]
  if (!level) throw new Error(`no level ${index}`)
  const linear = sampler.linear && canFilter(image) && !fetch.whole
  const place = placeOf(image, sampler, level, fetch, linear)
  const slice = layerOf(image, fetch.layer) * (image.cube ? 6n : 1n)
  if (!linear) {
    const bits = read(image, sampler, level, place, place.index, slice)
    return bits === 'corner' ? [undefined, undefined, undefined, undefined] : bits.map((x) => [x])
  }
  const sums = [0n, 0n, 0n, 0n]
  let largest = 0n
  for (let corner = 0; corner < 1 << image.dimensions; corner++) {
    let weight = 1n
    const at = [0n, 0n, 0n]
    for (let axis = 0; axis < image.dimensions; axis++) {
      const second = BigInt((corner >> axis) & 1)
      const w = place.weight[axis] ?? 0n
      weight *= second ? w : 256n - w
      at[axis] = (place.index[axis] ?? 0n) + second
    }
    if (weight === 0n) continue
    const bits = read(image, sampler, level, place, at, slice)
    if (bits === 'corner') return [undefined, undefined, undefined, undefined]
    bits.forEach((x, c) => {
      const term = valueOf(image, x) * weight
      sums[c] = (sums[c] ?? 0n) + term
      if (absolute(term) > largest) largest = absolute(term)
    })
  }
  return sums.map((sum, c) => rounded(image, sum, 8 * image.dimensions, largest >> (image.srgb && c < 3 ? 21n : 48n)))
}

/** One fetch: the four channels. */
export function sample(image: Image, sampler: Sampler, fetch: Fetch): Sample[] {
  if (image.plain) {
    const x = fetch.whole ? BigInt((fetch.at[0] ?? 0) | 0) << POINT : fixed(fetch.at[0] ?? 0)
    const i = typeof x !== 'bigint' ? (x === 'nan' ? 0n : -1n) : (x >> POINT) + BigInt(fetch.offset[0] ?? 0)
    const level = image.levels[0]
    if (!level || i < 0n || i >= BigInt(level.size[0])) return [[0n], [0n], [0n], [0n]]
    return texel(image, level, i, 0n, 0n).map((bits) => [bits])
  }
  const last = image.levels.length - 1
  let level = fetch.level === undefined ? 0 : fetch.level + sampler.bias
  level = Math.min(Math.max(level, sampler.least), sampler.most)
  level = Math.min(Math.max(level, 0), last)
  if (last === 0) return atLevel(image, sampler, 0, fetch)
  if (!sampler.mipLinear || !canFilter(image)) return atLevel(image, sampler, sampler.mipLinear ? Math.floor(level + 1 / 512) : Math.floor(level + 0.5), fetch)
  const fine = Math.floor(level)
  const weight = BigInt(Math.floor((level - fine) * 256 + 0.5))
  if (weight === 0n) return atLevel(image, sampler, fine, fetch)
  if (weight === 256n) return atLevel(image, sampler, fine + 1, fetch)
  const [a, b] = [atLevel(image, sampler, fine, fetch), atLevel(image, sampler, fine + 1, fetch)]
  return a.map((x, c) => {
    const y = b[c]
    if (!x || !y) return undefined
    const all = new Set<bigint>()
    // Each level is rounded, then their mean.
    for (const p of x)
      for (const q of y) {
        const [v, w] = [valueOf(image, p), valueOf(image, q)]
        for (const bits of rounded(image, v * (256n - weight) + w * weight, 8, (absolute(v) + absolute(w)) >> 30n)) all.add(bits)
      }
    return [...all]
  })
}

/** The four texels that linear filtering would use, one channel of each: (0,1) (1,1) (1,0) (0,0). */
export function gather(image: Image, sampler: Sampler, fetch: Fetch, channel: number): Sample[] {
  const level = image.levels[0]
  if (!level) throw new Error('no level')
  const place = placeOf(image, sampler, level, fetch, true)
  const slice = layerOf(image, fetch.layer) * (image.cube ? 6n : 1n)
  return [[0n, 1n], [1n, 1n], [1n, 0n], [0n, 0n]].map(([x = 0n, y = 0n]) => {
    const bits = read(image, sampler, level, place, [(place.index[0] ?? 0n) + x, (place.index[1] ?? 0n) + y, 0n], slice)
    return bits === 'corner' ? undefined : [bits[channel] ?? 0n]
  })
}

/** A float's bits as a half. */
export function halfOf(bits: bigint): bigint {
  const v: Value = decode(F32, bits)
  return isNaN(v) ? F16.nan : encode(F16, v)
}
