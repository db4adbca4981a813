// Textures and surfaces: every spelling of each row, on three images of random shape, format and sampler (one a block), against
// sampling.ts for fetches and against the images' bytes for surfaces.
import { mask, signed } from './exact.ts'
import { CHANNELS, channelBytes, givesIntegers, header, HEADER_WORDS, randomImage, randomSampler, SHAPES, STORAGE, storedChannel, texelBytes, type Image, type Sampler } from './image.ts'
import { choices, instruction, widthOf, type Instruction, type Row } from './instruction.ts'
import { edges, operand, type Random } from './operands.ts'
import { gather, halfOf, sample, type Fetch, type Sample } from './sampling.ts'

export const THREADS = 144
const BLOCK = 48
export const IMAGES = 3
/** A thread's operands: layer, x, y, z, level, three offsets, two derivatives of three; four values of 64 bits. */
export const BYTES_IN = 96
export const BYTES_OUT = 40

export interface ImageCase {
  covers: string[]
  body: string
  images: Image[]
  operands: Uint8Array
  /** What was wrong, given the results and the images' bytes afterwards. */
  check: (results: Uint8Array, after: Uint8Array[]) => string | undefined
}

const SAMPLERS = 8
const SAMPLER_WORDS: Readonly<Record<string, string>> = { wrap: 'wrap', clamp: 'clamp_to_edge', mirror: 'mirror', border: 'clamp_to_border' }

/** Variables of a module, and the samplers among them. */
export function imageVariables(random: Random): { text: string; samplers: Sampler[] } {
  const samplers = Array.from({ length: SAMPLERS }, (): Sampler => ({
    ...randomSampler(random, false), mipLinear: false, seamless: false, bias: 0, least: 0, most: Infinity, border: [0, 0, 0, 0], unnormalized: random.below(2) === 1,
  }))
  const text = samplers.map((s, n) => `.global .samplerref sampler${n} = { ${s.address.map((mode, k) => `addr_mode_${k} = ${SAMPLER_WORDS[mode]}`).join(', ')}, filter_mode = ${s.linear ? 'linear' : 'nearest'}, force_unnormalized_coords = ${s.unnormalized ? 1 : 0} };\n`)
  return { text: `.global .texref texture;\n.global .surfref surface;\n${text.join('')}`, samplers }
}

const f32bits = (x: number): number => new Uint32Array(new Float32Array([x]).buffer)[0] ?? 0
const hex = (x: bigint): string => `0x${x.toString(16)}`
const coordinatesOf = (geometry: string): string =>
  ({ '1d': '{%r1}', '2d': '{%r1, %r2}', '3d': '{%r1, %r2, %r3, %r3}', a1d: '{%r0, %r1}', a2d: '{%r0, %r1, %r2, %r2}', cube: '{%r1, %r2, %r3, %r3}', acube: '{%r0, %r1, %r2, %r3}' })[geometry] ?? ''
const vectorOf = (axes: number, first: number): string => (axes === 1 ? `%r${first}` : axes === 2 ? `{%r${first}, %r${first + 1}}` : `{%r${first}, %r${first + 1}, %r${first + 2}, %r${first + 2}}`)
const LOADS = 'ld.global.v4.b32 {%r0,%r1,%r2,%r3}, [%d30]; ld.global.v4.b32 {%r4,%r5,%r6,%r7}, [%d30+16]; ld.global.v4.b32 {%r8,%r9,%r10,%r11}, [%d30+32]; ld.global.v2.b32 {%r12,%r13}, [%d30+48];'
const BY_BLOCK = 'mov.u32 %r28, %ctaid.x; add.u32 %r28, %r28, 1; cvt.u64.u32 %d20, %r28;'

/** One of a float coordinate's values worth trying, in texels of `size`. */
function texels(random: Random, size: number): number {
  switch (random.below(8)) {
    case 0: return random.below(size + 1)
    case 1: return random.below(size + 1) + 0.5
    case 2: return -random.below(3 * size * 16) / 16
    case 3: return size * (1 + random.below(1000) / 256)
    case 4: return random.pick([1e9, -1e9, 3e38, -3e38, 0, -0, NaN, Infinity, -Infinity, 1 / 1024])
    default: return (random.below(4096) * size) / 4096
  }
}

const axesOf = (image: Image): number => (image.cube ? 3 : image.dimensions)

function fill(random: Random, words: Uint32Array, image: Image, i: Instruction, sampler: Sampler): void {
  words[0] = random.pick([0, 1, 2, 3, 0xffffffff, 0x80000000, 100])
  const whole = i.spelling.endsWith('.s32')
  const normalized = sampler.normalizedCoords && !sampler.unnormalized
  const level = image.levels[random.below(image.levels.length)]?.size ?? [1, 1, 1]
  // A direction's main part stands out; where the levels' faces meet there would be nothing documented to compare with.
  const main = random.below(3)
  for (let axis = 0; axis < 3; axis++) {
    const size = level[axis] ?? 1
    const x = image.cube ? (axis === main ? random.pick([-2, -1, 0.5, 1, 4]) : (random.below(1023) - 511) / 2048) : texels(random, size) / (normalized ? size : 1)
    words[1 + axis] = whole ? random.pick([random.below(2 * size + 2) - size, random.below(size), 0x7fffffff, -0x80000000]) : f32bits(x)
    words[5 + axis] = random.below(16) - 8
    for (const first of [8, 11]) words[first + axis] = 0
  }
  const lod = random.pick([0, 1, 2, 3, -1, 0.25, 0.5, 1.75, 1.5, 100, -100])
  words[4] = whole ? Math.trunc(lod) : f32bits(lod)
  // One derivative decides: 2^k texels of the first level, the others are at most as long.
  const k = random.below(8) - 3
  const axis = random.below(axesOf(image))
  const unit = image.cube ? (Math.abs(toFloat(words[1 + main] ?? 0)) * 2) / (image.levels[0]?.size[0] ?? 1) : normalized ? 1 / (image.levels[0]?.size[axis] ?? 1) : 1
  words[(random.below(2) ? 8 : 11) + axis] = f32bits(2 ** k * unit * random.pick([1, -1]))
}

const toFloat = (bits: number): number => new Float32Array(new Uint32Array([bits]).buffer)[0] ?? 0

/** The level of detail that the derivatives mean. */
function detail(image: Image, sampler: Sampler, words: Uint32Array): number {
  const normalized = sampler.normalizedCoords && !sampler.unnormalized
  const m = Math.max(...[1, 2, 3].map((k) => Math.abs(toFloat(words[k] ?? 0))))
  const lengths = [8, 11].map((first) => Math.hypot(...Array.from({ length: axesOf(image) }, (_, axis) => {
    const d = toFloat(words[first + axis] ?? 0)
    const size = image.levels[0]?.size[image.cube ? 0 : axis] ?? 1
    return image.cube ? (d / m) * (size / 2) : normalized ? d * size : d
  })))
  return Math.log2(Math.max(...lengths))
}

const equals = (got: bigint, want: Sample): boolean => want === undefined || want.includes(got)
const asHalf = (image: Image, want: Sample): Sample => (want === undefined ? undefined : want.map((bits) => (givesIntegers(image) ? bits & mask(16) : halfOf(bits))))

function fetches(row: Row, choice: string[], random: Random, samplers: Sampler[], gathers: boolean): ImageCase {
  const i = instruction(row, choice)
  const geometry = choice.find((word) => word in SHAPES) ?? ''
  const shape = SHAPES[geometry]
  if (!shape) throw new Error(`${i.spelling} has no geometry`)
  const [packed, half] = [i.words.has('f16x2'), i.words.has('f16')]
  const own = random.below(3) === 0 ? random.below(SAMPLERS) : undefined
  const variable = random.below(4) === 0
  const offsets = !shape.cube && random.below(3) === 0
  const images = Array.from({ length: IMAGES }, () => randomImage(random, shape, false, own !== undefined))
  const operands = new Uint32Array((THREADS * BYTES_IN) / 4)
  const imageOf = (thread: number): Image => images[variable ? 0 : Math.floor(thread / BLOCK)] as Image
  const samplerOf = (thread: number): Sampler => (own === undefined ? imageOf(thread).sampler : { ...(samplers[own] as Sampler), normalizedCoords: imageOf(thread).sampler.normalizedCoords })
  const wordsOf = (thread: number): Uint32Array => operands.subarray((thread * BYTES_IN) / 4, ((thread + 1) * BYTES_IN) / 4)
  for (let t = 0; t < THREADS; t++) fill(random, wordsOf(t), imageOf(t), i, samplerOf(t))
  const results = packed ? ['%r20', '%r21'] : half ? ['%h0', '%h1', '%h2', '%h3'] : ['%r20', '%r21', '%r22', '%r23']
  const resident = random.below(3) === 0
  const axes = shape.cube ? 3 : shape.dimensions
  const level = i.words.has('level') ? ', %r4' : i.words.has('grad') ? `, ${vectorOf(axes, 8)}, ${vectorOf(axes, 11)}` : ''
  const where = `[${variable ? 'texture' : '%d20'}, ${own === undefined ? '' : `sampler${own}, `}${coordinatesOf(geometry)}]`
  const body = `${LOADS}\n${BY_BLOCK}\nsetp.eq.u32 %p1, %r28, 0;\n${i.spelling} {${results.join(', ')}}${resident ? '|%p1' : ''}, ${where}${level}${offsets ? `, ${vectorOf(axes, 5)}` : ''};
${results.map((r, k) => `st.global.b${half ? 16 : 32} [%d31+${8 * k}], ${r};`).join(' ')} selp.b64 %d1, 1, 0, %p1; st.global.b64 [%d31+32], %d1;`
  return {
    covers: [i.spelling], body, images, operands: new Uint8Array(operands.buffer),
    check: (bytes) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset)
      for (let t = 0; t < THREADS; t++) {
        const [image, sampler, words] = [imageOf(t), samplerOf(t), wordsOf(t)]
        const whole = i.spelling.endsWith('.s32')
        const fetch: Fetch = {
          at: [...words.subarray(1, 4)], whole, layer: words[0] ?? 0, offset: offsets ? [...new Int32Array(words.slice(5, 8).buffer)] : [0, 0, 0],
          level: i.words.has('level') ? (whole ? (words[4] ?? 0) | 0 : toFloat(words[4] ?? 0)) : i.words.has('grad') ? detail(image, sampler, words) : undefined,
        }
        const component = ['r', 'g', 'b', 'a'].findIndex((word) => i.words.has(word))
        let want = gathers ? gather(image, sampler, fetch, component) : sample(image, sampler, fetch)
        if (packed || half) want = want.map((each) => asHalf(image, each))
        const got = results.map((_, k) => (half ? BigInt(view.getUint16(t * BYTES_OUT + 8 * k, true)) : BigInt(view.getUint32(t * BYTES_OUT + 8 * k, true))))
        const channels = packed ? got.flatMap((word) => [word & mask(16), word >> 16n]) : got
        for (const [c, each] of want.entries())
          if (!equals(channels[c] ?? -1n, each))
            return `${i.spelling}: thread ${t}, ${describe(image, sampler)}, layer ${fetch.layer | 0}, at ${fetch.at.map((x) => (fetch.whole ? x | 0 : toFloat(x))).join(', ')}, offset ${fetch.offset.join(' ')}, level ${fetch.level}: channel ${c} is ${hex(channels[c] ?? 0n)}, not ${each?.map(hex).join(' or ')}`
        if (resident && view.getUint32(t * BYTES_OUT + 32, true) !== 1) return `${i.spelling}: not resident`
      }
      return undefined
    },
  }
}

function describe(image: Image, s: Sampler): string {
  return `${image.channels} x ${image.channel}${image.normalized ? ' normalised' : ''}${image.srgb ? ' srgb' : ''}${image.plain ? ' plain' : ''}, ${image.levels.map((l) => l.size.join('x')).join(' ')}, ${image.layers} layers, ${s.address.join(' ')}, ${s.linear ? 'linear' : 'point'}${s.mipLinear ? ', mip linear' : ''}, ${s.normalizedCoords ? 'normalised' : 'texels'}${s.unnormalized ? ' overridden' : ''}${s.seamless ? ', seamless' : ''}, levels ${s.least} to ${s.most} ${s.bias}`
}

/** What txq and suq answer: OpenCL's numbers, as the ISA's tables have them. */
function answer(image: Image, sampler: Sampler, query: string, level: number): number {
  const l = image.levels[level]
  const types: Readonly<Record<string, [number, number]>> = { s8: [0x10d7, 0x10d0], s16: [0x10d8, 0x10d1], s32: [0x10d9, 0], u8: [0x10da, 0x10d2], u16: [0x10db, 0x10d3], u32: [0x10dc, 0], f16: [0x10dd, 0], f32: [0x10de, 0] }
  const modes: Readonly<Record<string, number>> = { wrap: 0, mirror: 1, clamp: 3, border: 4 }
  switch (query) {
    case 'width': return l?.size[0] ?? 0
    case 'height': return l && image.dimensions > 1 ? l.size[1] : 0
    case 'depth': return l && image.dimensions > 2 ? l.size[2] : 0
    case 'channel_data_type': return types[image.channel]?.[image.normalized ? 1 : 0] ?? 0
    case 'channel_order': return { 1: 0x10b0, 2: 0x10b2, 4: 0x10b5 }[image.channels] ?? 0
    case 'normalized_coords': return Number(image.sampler.normalizedCoords)
    case 'array_size': return image.layered ? image.layers : 0
    case 'num_mipmap_levels': return image.levels.length
    case 'num_samples': return 1
    case 'memory_layout': return Number(image.plain)
    case 'force_unnormalized_coords': return Number(sampler.unnormalized)
    case 'filter_mode': return Number(sampler.linear)
    default: return modes[sampler.address[Number(query.at(-1))] ?? ''] ?? -1
  }
}

const OF_SAMPLERS = ['force_unnormalized_coords', 'filter_mode', 'addr_mode_0', 'addr_mode_1', 'addr_mode_2']

/** Each query of images of every geometry; attributes of samplers of samplers too. */
function queries(row: Row, choice: string[], random: Random, samplers: Sampler[]): ImageCase[] {
  const i = instruction(row, choice)
  const query = i.groups[0] ?? ''
  const surface = row.name === 'suq'
  return Object.entries(SHAPES).flatMap(([geometry, shape], n): ImageCase[] => {
    if (surface && shape.cube) return []
    const images = Array.from({ length: IMAGES }, () => randomImage(random, shape, surface))
    const own = n % 2 && OF_SAMPLERS.includes(query) ? random.below(SAMPLERS) : undefined
    const level = i.words.has('level')
    const operands = new Uint32Array((THREADS * BYTES_IN) / 4)
    for (let t = 0; t < THREADS; t++) operands[(t * BYTES_IN) / 4 + 4] = random.below(4)
    const variable = surface ? 'surface' : 'texture'
    const name = own === undefined ? variable : `sampler${own}`
    return [{
      covers: [i.spelling], images, operands: new Uint8Array(operands.buffer),
      body: `${LOADS}\n${BY_BLOCK}\n${own === undefined ? '' : `mov.u64 %d20, ${name};`}\n${i.spelling} %r20, [%d20]${level ? ', %r4' : ''}; ${i.spelling} %r21, [${name}]${level ? ', %r4' : ''};\nst.global.b32 [%d31], %r20; st.global.b32 [%d31+8], %r21;`,
      check: (bytes) => {
        const view = new DataView(bytes.buffer, bytes.byteOffset)
        for (let t = 0; t < THREADS; t++)
          for (const [k, image] of [images[Math.floor(t / BLOCK)] as Image, images[0] as Image].entries()) {
            const want = answer(image, own === undefined ? image.sampler : (samplers[own] as Sampler), query, level ? (operands[(t * BYTES_IN) / 4 + 4] ?? 0) : 0)
            const got = view.getUint32(t * BYTES_OUT + 8 * k, true)
            if (got !== want) return `${i.spelling} of ${geometry}, ${describe(image, image.sampler)}: ${got}, not ${want}`
          }
        return undefined
      },
    }]
  })
}

/** Numbers of textures, surfaces and samplers, and numbers that are none. images.c knows images 1 to 3 as both. */
function kinds(row: Row, choice: string[], random: Random): ImageCase {
  const i = instruction(row, choice)
  const names = ['texture', 'surface', 'sampler3', '%d20', '4', '0']
  const yes = i.words.has('samplerref') ? [2] : [0, 1, 2, 3]
  return {
    covers: [i.spelling], images: Array.from({ length: IMAGES }, () => randomImage(random, SHAPES['2d']!, false)), operands: new Uint8Array(THREADS * BYTES_IN),
    body: `${BY_BLOCK}\nmov.u32 %r0, 0;\n${names.map((name, k) => `mov.u64 %d1, ${name}; ${i.spelling} %p1, %d1; selp.u32 %r1, ${1 << k}, 0, %p1; or.b32 %r0, %r0, %r1;`).join('\n')}\nst.global.b32 [%d31], %r0;`,
    check: (bytes) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset)
      const want = yes.reduce((all, k) => all | (1 << k), 0)
      for (let t = 0; t < THREADS; t++) if (view.getUint32(t * BYTES_OUT, true) !== want) return `${i.spelling}: ${view.getUint32(t * BYTES_OUT, true).toString(2)}, not ${want.toString(2)}`
      return undefined
    },
  }
}

/* ---- surfaces */

/** Where an access of `unit` bytes goes: a byte of the image, undefined: nowhere. */
function reach(image: Image, at: number[], layer: number, unit: number, formatted: boolean, boundary: string): number | undefined {
  const level = image.levels[0]
  if (!level) return undefined
  const limits = [(level.size[0] * texelBytes(image)) / unit, image.dimensions > 1 ? level.size[1] : 1, image.layered ? image.layers : level.size[2]]
  const place = [formatted ? (at[0] ?? 0) : (at[0] ?? 0) / unit, image.dimensions > 1 ? (at[1] ?? 0) : 0, image.layered ? layer : image.dimensions > 2 ? (at[2] ?? 0) : 0]
  for (let axis = 0; axis < 3; axis++) {
    const [x, most] = [place[axis] ?? 0, (limits[axis] ?? 1) - 1]
    if (x >= 0 && x <= most) continue
    if (boundary !== 'clamp') return undefined
    place[axis] = x < 0 ? 0 : most
  }
  return level.offset + (place[0] ?? 0) * unit + (place[1] ?? 0) * level.pitch + (place[2] ?? 0) * level.slice
}

function surfaces(row: Row, choice: string[], random: Random): ImageCase {
  const i = instruction(row, choice)
  const geometry = choice.find((word) => word in SHAPES) ?? ''
  const shape = SHAPES[geometry]
  if (!shape) throw new Error(`${i.spelling} has no geometry`)
  const type = i.groups.find((word) => /^[bus]\d+$/.test(word)) ?? choice.find((word) => /^[bus]\d+$/.test(word)) ?? 'b32'
  const bits = widthOf(type)
  const count = i.words.has('v4') ? 4 : i.words.has('v2') ? 2 : 1
  const boundary = i.groups.at(-1) ?? ''
  const [load, store, formatted] = [row.name === 'suld', row.name === 'sust', i.words.has('p')]
  const only = row.name === 'sured' && formatted ? (['u32', 's32'] as const).slice() : formatted ? [...CHANNELS] : undefined
  const images = Array.from({ length: IMAGES }, () => {
    const image = randomImage(random, shape, true, false, only)
    if (row.name === 'sured' && formatted) { // the operand is a whole texel
      const { channels } = image
      image.channels = 1
      for (const level of image.levels) level.size[0] *= channels
    }
    return image
  })
  const unitOf = (image: Image): number => (formatted ? texelBytes(image) : (bits / 8) * count)
  const operands = new Uint8Array(THREADS * BYTES_IN)
  const view = new DataView(operands.buffer)
  const variable = random.below(4) === 0
  const imageOf = (thread: number): Image => images[variable ? 0 : Math.floor(thread / BLOCK)] as Image
  for (let t = 0; t < THREADS; t++) {
    const image = imageOf(t)
    const size = image.levels[0]?.size ?? [1, 1, 1]
    const steps = [(size[0] * texelBytes(image)) / unitOf(image), size[1], size[2]]
    const around = (n: number): number => (boundary === 'trap' || random.below(3) ? random.below(n) : random.pick([-1, n, n + 3, -7, 1000]))
    view.setInt32(t * BYTES_IN, around(image.layers), true)
    for (let axis = 0; axis < 3; axis++) view.setInt32(t * BYTES_IN + 4 + 4 * axis, around(steps[axis] ?? 1) * (axis || formatted ? 1 : unitOf(image)), true)
    for (let c = 0; c < 4; c++) {
      const value = operand(random, bits === 64 ? 'b64' : 'b32', undefined)
      const float = formatted && image.channel[0] === 'f'
      view.setBigUint64(t * BYTES_IN + 64 + 8 * c, float ? random.pick(edges('f32')) : value & mask(bits), true)
    }
  }
  const registers = Array.from({ length: count }, (_, k) => `%${bits === 64 ? 'd' : bits === 32 ? 'r' : 'h'}${(bits === 64 ? 1 : 20) + k}`.replace(/%h2/, '%h'))
  const width = Math.max(16, bits)
  const list = count > 1 || (row.name !== 'sured' && random.below(2)) ? `{${registers.join(', ')}}` : (registers[0] ?? '')
  const where = `[${variable ? 'surface' : '%d20'}, ${coordinatesOf(geometry)}]`
  const body = `${LOADS}\n${BY_BLOCK}\n${registers.map((r, k) => (bits === 8 ? `ld.global.u8 ${r}, [%d30+${64 + 8 * k}];` : `ld.global.b${width} ${r}, [%d30+${64 + 8 * k}];`)).join(' ')}
${i.spelling} ${load ? `${list}, ${where}` : `${where}, ${list}`};\n${load ? registers.map((r, k) => `st.global.b${width} [%d31+${8 * k}], ${r};`).join(' ') : ''}`
  const at = (t: number): number | undefined => {
    const image = imageOf(t)
    return reach(image, [1, 2, 3].map((k) => view.getInt32(t * BYTES_IN + 4 * k, true)), view.getInt32(t * BYTES_IN, true), unitOf(image), formatted, boundary)
  }
  const given = (t: number, c: number): bigint => view.getBigUint64(t * BYTES_IN + 64 + 8 * c, true) & mask(bits)
  const take = (bytes: Uint8Array, from: number, size: number): bigint => {
    let x = 0n
    for (let k = size - 1; k >= 0; k--) x = (x << 8n) | BigInt(bytes[from + k] ?? 0)
    return x
  }
  const checkLoads = (results: Uint8Array): string | undefined => {
    for (let t = 0; t < THREADS; t++)
      for (let c = 0; c < count; c++) {
        const from = at(t)
        const want = from === undefined ? 0n : take(imageOf(t).bytes, from + (c * bits) / 8, bits / 8)
        const got = take(results, t * BYTES_OUT + 8 * c, width / 8)
        if (got !== want) return `${i.spelling}: thread ${t}, ${describe(imageOf(t), imageOf(t).sampler)}, byte ${from}: element ${c} is ${hex(got)}, not ${hex(want)}`
      }
    return undefined
  }
  /** Threads that store to the same place: any of them may be the last. */
  const checkStores = (after: Uint8Array[]): string | undefined => {
    const places = new Map<Image, Map<number, bigint[]>>(images.map((image) => [image, new Map<number, bigint[]>()]))
    const piece = (image: Image): number => (formatted ? channelBytes(image.channel) : bits / 8)
    for (let t = 0; t < THREADS; t++) {
      const [image, from] = [imageOf(t), at(t)]
      if (from === undefined) continue
      for (let c = 0; c < count && (!formatted || c < image.channels); c++) {
        const where_ = from + c * piece(image)
        const map = places.get(image)
        map?.set(where_, [...(map.get(where_) ?? []), formatted ? storedChannel(image.channel, Number(given(t, c))) : given(t, c)])
      }
    }
    for (const [n, image] of images.entries()) {
      const expected = image.bytes.slice()
      const now = after[n] ?? expected
      for (const [where_, values] of places.get(image) ?? []) {
        const got = take(now, where_, piece(image))
        const nan = formatted && image.channel === 'f16' && (got & 0x7fffn) > 0x7c00n
        if (!values.includes(got) && !(nan && values.includes(0x7fffn))) return `${i.spelling}: ${describe(image, image.sampler)}, byte ${where_}: ${hex(got)}, not ${values.map(hex).join(' or ')}`
        for (let k = 0; k < piece(image); k++) expected[where_ + k] = now[where_ + k] ?? 0
      }
      // Channels that the instruction does not name are not documented.
      if (formatted && count < image.channels) continue
      const other = expected.findIndex((byte, k) => byte !== now[k])
      if (other >= 0) return `${i.spelling}: ${describe(image, image.sampler)}: byte ${other} was written`
    }
    return undefined
  }
  const reduced = (old: bigint, value: bigint, signed_: boolean): bigint => {
    const number = (x: bigint): bigint => (signed_ ? signed(x, bits) : x)
    if (i.words.has('add')) return (old + value) & mask(bits)
    if (i.words.has('and')) return old & value
    if (i.words.has('or')) return old | value
    return number(old) < number(value) === i.words.has('min') ? old : value
  }
  const checkReductions = (after: Uint8Array[]): string | undefined => {
    const expected = images.map((image) => image.bytes.slice())
    for (let t = 0; t < THREADS; t++) {
      const [image, from] = [imageOf(t), at(t)]
      const bytes = expected[images.indexOf(image)]
      if (from === undefined || !bytes) continue
      const signed_ = formatted ? image.channel === 's32' : type[0] === 's'
      let value = reduced(take(bytes, from, bits / 8), given(t, 0), signed_)
      for (let k = 0; k < bits / 8; k++, value >>= 8n) bytes[from + k] = Number(value & 255n)
    }
    for (const [n, bytes] of expected.entries()) {
      const other = bytes.findIndex((byte, k) => byte !== after[n]?.[k])
      const image = images[n] as Image
      if (other >= 0) return `${i.spelling}: ${describe(image, image.sampler)}: byte ${other} is ${after[n]?.[other]}, not ${bytes[other]}`
    }
    return undefined
  }
  return { covers: [i.spelling], body, images, operands, check: (results, after) => (load ? checkLoads(results) : store ? checkStores(after) : checkReductions(after)) }
}

/** The cases of a row of textures and surfaces: one a spelling at least. */
export function imageCases(row: Row, random: Random, samplers: Sampler[]): ImageCase[] {
  return [...choices(row)].flatMap((choice): ImageCase[] => {
    switch (row.kind) {
      case 'TEX': return [fetches(row, choice, random, samplers, false)]
      case 'TLD4': return [fetches(row, choice, random, samplers, true)]
      case 'TXQ':
      case 'SUQ': return queries(row, choice, random, samplers)
      case 'ISTYPEP': return [kinds(row, choice, random)]
      default: return [surfaces(row, choice, random)]
    }
  })
}

/** What images.c reads of a case's images. */
export function pictures(c: ImageCase): Uint8Array {
  const each = 4 * HEADER_WORDS + STORAGE
  const all = new Uint8Array(IMAGES * each)
  c.images.forEach((image, n) => {
    all.set(new Uint8Array(header(image).buffer), n * each)
    all.set(image.bytes, n * each + 4 * HEADER_WORDS)
  })
  return all
}
