// mma: dense, sparse and with block scales. Where elements lie in fragments is written here shape by shape, as the PTX ISA's text has
// it; values are random, and results are compared with exact sums.
import { mask, type Value } from './exact.ts'
import { choices, instruction, type Instruction, type Row } from './instruction.ts'
import { elementBits, elementValue, integerSum, isInteger, isSum, oddElement, randomElement, sumOf } from './matrix.ts'
import type { KernelCase } from './harness.ts'
import type { Random } from './operands.ts'

/** A warp: operands are 64-bit slots of a lane, A's registers, B's, C's, the metadata, two words of scales; results are D's. */
const [A, B, C, METADATA, SCALES] = [0, 16, 24, 32, 33]
const SLOTS = 36
export const BLOCKS = 2
export const BYTES_IN = 8 * SLOTS
export const BYTES_OUT = 64

type Place = (g: number, t: number, i: number) => [number, number]

/** Row and column of element i of a lane: by shape and bits. g: groupID, t: threadID_in_group. */
const PLACES: Readonly<Record<string, [Place, Place]>> = {
  'm8n8k4/64': [(g, t) => [g, t], (g, t) => [t, g]],
  'm8n8k16/8': [(g, t, i) => [g, t * 4 + i], (g, t, i) => [t * 4 + i, g]],
  'm8n8k32/4': [(g, t, i) => [g, t * 8 + i], (g, t, i) => [t * 8 + i, g]],
  'm8n8k128/1': [(g, t, i) => [g, t * 32 + i], (g, t, i) => [t * 32 + i, g]],
  'm16n8k4/32': [(g, t, i) => [i === 0 ? g : g + 8, t], (g, t) => [t, g]],
  'm16n8k4/64': [(g, t, i) => [i === 0 ? g : g + 8, t], (g, t) => [t, g]],
  'm16n8k8/16': [(g, t, i) => [i < 2 ? g : g + 8, t * 2 + (i & 1)], (g, t, i) => [t * 2 + i, g]],
  'm16n8k8/32': [(g, t, i) => [i === 0 || i === 2 ? g : g + 8, i < 2 ? t : t + 4], (g, t, i) => [i === 0 ? t : t + 4, g]],
  'm16n8k8/64': [(g, t, i) => [i === 0 || i === 2 ? g : g + 8, i < 2 ? t : t + 4], (g, t, i) => [i === 0 ? t : t + 4, g]],
  'm16n8k16/16': [(g, t, i) => [i < 2 || (i >= 4 && i < 6) ? g : g + 8, t * 2 + (i & 1) + (i >= 4 ? 8 : 0)], (g, t, i) => [t * 2 + (i & 1) + (i >= 2 ? 8 : 0), g]],
  'm16n8k16/64': [(g, t, i) => [i % 2 === 0 ? g : g + 8, i % 2 === 0 ? i * 2 + t : i * 2 - 2 + t], (g, t, i) => [t + 4 * i, g]],
  'm16n8k16/8': [(g, t, i) => [i < 4 ? g : g + 8, t * 4 + (i & 3)], (g, t, i) => [t * 4 + i, g]],
  'm16n8k32/8': [(g, t, i) => [i < 4 || (i >= 8 && i < 12) ? g : g + 8, t * 4 + (i & 3) + (i >= 8 ? 16 : 0)], (g, t, i) => [t * 4 + (i & 3) + (i >= 4 ? 16 : 0), g]],
  'm16n8k32/4': [(g, t, i) => [i < 8 ? g : g + 8, t * 8 + (i & 7)], (g, t, i) => [t * 8 + i, g]],
  'm16n8k64/4': [(g, t, i) => [i < 8 || (i >= 16 && i < 24) ? g : g + 8, t * 8 + (i & 7) + (i >= 16 ? 32 : 0)], (g, t, i) => [t * 8 + (i & 7) + (i >= 8 ? 32 : 0), g]],
  'm16n8k128/1': [(g, t, i) => [i < 32 ? g : g + 8, t * 32 + (i & 31)], (g, t, i) => [t * 32 + i, g]],
  'm16n8k256/1': [(g, t, i) => [i < 32 || (i >= 64 && i < 96) ? g : g + 8, t * 32 + (i & 31) + (i >= 64 ? 128 : 0)], (g, t, i) => [t * 32 + (i & 31) + (i >= 32 ? 128 : 0), g]],
  // B of the longest sparse products: four registers, each as far from the one before.
  'm16n8k32/16': [() => [0, 0], (g, t, i) => [t * 2 + (i & 1) + 8 * (i >> 1), g]],
  'm16n8k16/32': [() => [0, 0], (g, t, i) => [t + 4 * i, g]],
  'm16n8k64/8': [() => [0, 0], (g, t, i) => [t * 4 + (i & 3) + 16 * (i >> 2), g]],
  'm16n8k128/4': [() => [0, 0], (g, t, i) => [t * 8 + (i & 7) + 32 * (i >> 3), g]],
}
const cPlace: Place = (g, t, i) => [i < 2 ? g : g + 8, t * 2 + (i & 1)]

interface Shape { m: number; n: number; k: number }
export function shapeOf(i: Instruction): Shape {
  const [, m, n, k] = /\bm(\d+)n(\d+)k(\d+)\b/.exec(i.spelling) ?? []
  return { m: Number(m), n: Number(n), k: Number(k) }
}

/** A warp's operands or results: 64-bit slots, lane by lane. */
class Lanes {
  readonly bytes: Uint8Array
  private readonly view: DataView
  constructor(bytes: Uint8Array, private readonly each: number) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset)
  }
  /** Element i of `bits` of the registers that begin in a slot. */
  put(lane: number, slot: number, i: number, bits: number, value: bigint): void {
    if (bits === 64) this.view.setBigUint64(lane * this.each + 8 * (slot + i), value, true)
    else {
      const at = lane * this.each + 8 * (slot + ((i * bits) >> 5))
      this.view.setUint32(at, Number((BigInt(this.view.getUint32(at, true)) | ((value & mask(bits)) << BigInt((i * bits) & 31))) & mask(32)), true)
    }
  }
  get(lane: number, slot: number, i: number, bits: number): bigint {
    if (bits === 64) return this.view.getBigUint64(lane * this.each + 8 * (slot + i), true)
    return (BigInt(this.view.getUint32(lane * this.each + 8 * (slot + ((i * bits) >> 5)), true)) >> BigInt((i * bits) & 31)) & mask(bits)
  }
}

interface Product {
  /** Values that make up element (row, column) of the sum but C's. */
  terms: (row: number, column: number) => Value[][]
  c: bigint[][]
}

const registers = (name: string, count: number): string => `{${Array.from({ length: count }, (_, k) => `%${name}${k}`).join(',')}}`

interface Form {
  shape: Shape
  a: string
  b: string
  c: string
  d: string
  packed: boolean
  sparse: boolean
  scales: number
  scaleType: string
  satfinite: boolean
  single: '' | 'and' | 'xor'
}

function formOf(i: Instruction): Form {
  const words = i.spelling.split('.').slice(1)
  const typed = words.filter((word) => /^(f64|f32|tf32|f16|bf16|s32|[su][48]|b1|e\dm\d)$/.test(word))
  const [d = '', a = '', b = '', c = ''] = typed
  return {
    shape: shapeOf(i), a, b, c, d, packed: words.some((word) => word.startsWith('kind::mxf4')), sparse: words.some((word) => word.startsWith('sp')),
    scales: !words.includes('block_scale') ? 0 : words.includes('scale_vec::4X') ? 4 : words.includes('kind::mxf8f6f4') ? 1 : 2, scaleType: words.includes('ue4m3') ? 'ue4m3' : 'ue8m0',
    satfinite: words.includes('satfinite'), single: words.includes('and') ? 'and' : words.includes('xor') ? 'xor' : '',
  }
}

const matrix = (rows: number, columns: number, make: (row: number, column: number) => bigint): bigint[][] =>
  Array.from({ length: rows }, (_, r) => Array.from({ length: columns }, (_c, c) => make(r, c)))

/** A result's element against its sum. */
function isRight(f: Form, product: Product, row: number, column: number, got: bigint): string | undefined {
  const c = product.c[row]?.[column] ?? 0n
  const terms = product.terms(row, column)
  if (isInteger(f.d)) {
    const sum = terms.reduce((all, factors) => all + factors.reduce((x, v) => x * (v.neg ? -v.m : v.m), 1n), BigInt.asIntN(32, c))
    const want = integerSum(sum, f.satfinite)
    return got === want ? undefined : `0x${got.toString(16)}, not 0x${want.toString(16)}`
  }
  const all = sumOf([...terms, [elementValue(f.c, c)]])
  return isSum(f.d, got, all, f.satfinite) ? undefined : `0x${got.toString(16)}, sum ${all.sum.kind} ${all.sum.neg ? '-' : ''}${all.sum.m} * 2^${all.sum.e}`
}

/** What single bits contribute: and, or exclusive or. */
function singles(f: Form, a: bigint, b: bigint): Value[] {
  return [elementValue('b1', f.single === 'and' ? a & b : a ^ b)]
}

/** Fills one warp's operands; what they add up to. */
function fill(f: Form, random: Random, lanes: Lanes, selector: number, byte: number, threads: [number, number]): Product {
  const { m, n, k } = f.shape
  const bits = elementBits(f.a, f.packed)
  const stored = f.sparse ? k / 2 : k
  const a = matrix(m, stored, () => randomElement(random, f.a, f.packed))
  const b = matrix(k, n, () => randomElement(random, f.b, f.packed))
  if (random.below(3) === 0) {
    const [x, y] = [oddElement(random, f.a), oddElement(random, f.b)]
    if (x !== undefined) (a[random.below(m)] as bigint[])[random.below(stored)] = x
    if (y !== undefined) (b[random.below(k)] as bigint[])[random.below(n)] = y
  }
  const c = matrix(m, n, (_, column) => (f.c === 's32' ? (column % 2 ? 0x7fffffffn - random.bits(6) : random.bits(32)) : randomElement(random, f.c)))
  const [aPlace] = PLACES[`m${m}n${n}k${stored}/${bits}`] ?? []
  const [, bPlace] = PLACES[`m${m}n${n}k${k}/${bits}`] ?? []
  if (!aPlace || !bPlace) throw new Error(`no layout of m${m}n${n}k${k} of ${bits} bits`)
  const cBits = elementBits(f.c)
  for (let lane = 0; lane < 32; lane++) {
    const [g, t] = [lane >> 2, lane & 3]
    for (let i = 0; i < (m * stored) / 32; i++) {
      const [row, column] = aPlace(g, t, i)
      lanes.put(lane, A, i, bits, a[row]?.[column] ?? 0n)
    }
    for (let i = 0; i < (k * n) / 32; i++) {
      const [row, column] = bPlace(g, t, i)
      lanes.put(lane, B, i, bits, b[row]?.[column] ?? 0n)
    }
    for (let i = 0; i < (m * n) / 32; i++) {
      const [row, column] = cPlace(g, t, i)
      lanes.put(lane, C, i, cBits, c[row]?.[column] ?? 0n)
    }
  }
  // Which column of A a stored one is.
  const columns = Array.from({ length: m }, () => Array.from({ length: stored }, (_, x) => x))
  if (f.sparse) {
    const metadata = Array.from({ length: 32 }, () => random.bits(32))
    const [pair, single] = [bits === 4, bits === 32]
    const chunk = pair ? 8 : single ? 2 : 4
    const lanesOfOne = selectors(f)
    for (let row = 0; row < m; row++)
      for (let at = 0; at < k / chunk; at++) {
        const first = random.below(single ? 2 : 3)
        const second = first + 1 + random.below(Math.max(1, 3 - first))
        const mine = columns[row] as number[]
        if (single) mine[at] = 2 * at + first
        else if (pair) for (let j = 0; j < 4; j++) mine[4 * at + j] = 8 * at + 2 * (j < 2 ? first : second) + (j % 2)
        else [mine[2 * at], mine[2 * at + 1]] = [4 * at + first, 4 * at + second]
        const [g, lower] = [row % 8, row >> 3]
        // 16 and 32 bits: half a word a row, four chunks in it; below: a word a row, eight chunks in it.
        const wide = bits >= 16
        const lane = wide ? 4 * g + (lanesOfOne === 4 ? selector : 2 * selector + (at >> 2)) : 4 * g + (lanesOfOne === 2 ? 2 * selector + lower : 2 * (at >> 3) + lower)
        const shift = BigInt(wide ? 16 * lower + 4 * (at % 4) : 4 * (at % 8))
        const code = single ? (first ? 0xen : 0x4n) : BigInt(first | (second << 2))
        metadata[lane] = ((metadata[lane] ?? 0n) & ~(15n << shift)) | (code << shift)
      }
    metadata.forEach((word, lane) => lanes.put(lane, METADATA, 0, 32, word))
  }
  const scale: Value[][][] = [[], []]
  for (let which = 0; which < 2 && f.scales; which++) {
    const words = Array.from({ length: 32 }, () => random.bits(32))
    for (let x = 0; x < (which ? n : m); x++)
      for (let part = 0; part < f.scales; part++) {
        const lane = which ? 4 * x + threads[1] : 4 * (x % 8) + 2 * threads[0] + (x >> 3)
        const code = f.scaleType === 'ue4m3' ? BigInt(random.below(0x7f)) : random.below(40) ? BigInt(117 + random.below(20)) : random.pick([0n, 254n, 255n])
        const shift = BigInt(8 * (byte + part))
        words[lane] = ((words[lane] ?? 0n) & ~(0xffn << shift)) | (code << shift)
        ;((scale[which] as Value[][])[x] ??= [])[part] = elementValue(f.scaleType, code)
      }
    words.forEach((word, lane) => lanes.put(lane, SCALES + which, 0, 32, word))
  }
  const [av, bv] = [a.map((row) => row.map((x) => elementValue(f.a, x, f.packed))), b.map((row) => row.map((x) => elementValue(f.b, x, f.packed)))]
  return {
    c,
    terms: (row, column) => Array.from({ length: stored }, (_, x) => {
      const at = columns[row]?.[x] ?? 0
      if (f.single) return singles(f, a[row]?.[x] ?? 0n, b[at]?.[column] ?? 0n)
      const part = Math.floor((at * f.scales) / k)
      const scaling = f.scales ? [scale[0]?.[row]?.[part] as Value, scale[1]?.[column]?.[part] as Value] : []
      return [av[row]?.[x] as Value, bv[at]?.[column] as Value, ...scaling]
    }),
  }
}

/** How many groups of lanes can hold a sparse product's metadata. */
function selectors(f: Form): number {
  const bits = elementBits(f.a, f.packed)
  const chunks = bits === 32 ? f.shape.k / 2 : bits === 4 ? f.shape.k / 8 : f.shape.k / 4
  return 4 / ((2 * 4 * chunks) / 32)
}

function products(row: Row, choice: string[], random: Random): KernelCase {
  const i = instruction(row, choice)
  const f = formOf(i)
  const { m, n, k } = f.shape
  const [bits, dBits] = [elementBits(f.a, f.packed), elementBits(f.d)]
  const wide = bits === 64
  const per = wide ? 64 : 32
  const counts = [((m * (f.sparse ? k / 2 : k)) / 32) * bits / per, (((k * n) / 32) * bits) / per, ((m * n) / 32) * dBits / per]
  const selector = f.sparse ? random.below(selectors(f)) : 0
  const byte = f.scales === 1 ? random.below(4) : f.scales === 2 ? 2 * random.below(2) : 0
  const threads: [number, number] = [random.below(2), random.below(4)]
  const operands = new Uint8Array(BLOCKS * 32 * BYTES_IN)
  const all = Array.from({ length: BLOCKS }, (_, block) => fill(f, random, new Lanes(operands.subarray(block * 32 * BYTES_IN, (block + 1) * 32 * BYTES_IN), BYTES_IN), selector, byte, threads))
  const load = (name: string, slot: number, count: number): string => Array.from({ length: count }, (_, r) => `ld.global.b${per} %${name}${r}, [%d30+${8 * (slot + r)}];`).join(' ')
  const tail = `${f.sparse ? `, %r1, ${selector}` : ''}${f.scales ? `, %r2, {${byte}, ${threads[0]}}, %r3, {%h1, %h2}` : ''}`
  return {
    covers: [i.spelling], threads: BLOCKS * 32, operands,
    inside: `.reg .b${per} %a<16>, %b<16>, %c<16>, %e<16>;\n`,
    body: `${load('a', A, counts[0] ?? 0)}\n${load('b', B, counts[1] ?? 0)}\n${load('c', C, counts[2] ?? 0)}\nld.global.b32 %r1, [%d30+${8 * METADATA}]; ld.global.b32 %r2, [%d30+${8 * SCALES}]; ld.global.b32 %r3, [%d30+${8 * SCALES + 8}]; mov.u16 %h1, ${byte}; mov.u16 %h2, ${threads[1]};
${i.spelling} ${registers('e', counts[2] ?? 0)}, ${registers('a', counts[0] ?? 0)}, ${registers('b', counts[1] ?? 0)}, ${registers('c', counts[2] ?? 0)}${tail};\n${Array.from({ length: counts[2] ?? 0 }, (_, r) => `st.global.b${per} [%d31+${8 * r}], %e${r};`).join(' ')}`,
    check: (results) => {
      for (let block = 0; block < BLOCKS; block++) {
        const lanes = new Lanes(results.subarray(block * 32 * BYTES_OUT), BYTES_OUT)
        for (let lane = 0; lane < 32; lane++)
          for (let e = 0; e < (m * n) / 32; e++) {
            const [r, c] = cPlace(lane >> 2, lane & 3, e)
            const wrong = isRight(f, all[block] as Product, r, c, lanes.get(lane, 0, e, dBits))
            if (wrong) return `${i.spelling}: block ${block}, row ${r}, column ${c}: ${wrong}`
          }
      }
      return undefined
    },
  }
}

/** m8n8k4 of f16: four products, each of eight lanes. */
function quads(row: Row, choice: string[], random: Random): KernelCase {
  const i = instruction(row, choice)
  const f = formOf(i)
  const words = i.spelling.split('.')
  const [aRow, bRow] = [words[4] === 'row', words[5] === 'row']
  const operands = new Uint8Array(BLOCKS * 32 * BYTES_IN)
  const value = (): bigint => (random.below(300) ? randomElement(random, 'f16') : oddElement(random, 'f16') ?? 0n)
  /** A's element i of a lane, B's, and C's or D's. */
  const place = (which: 'a' | 'b' | 'c' | 'd', lane: number, e: number): [number, number] => {
    const [four, upper] = [lane % 4, lane < 16 ? 0 : 4]
    if (which === 'a') return aRow ? [four + upper, e] : [(e % 4) + upper, four]
    if (which === 'b') return bRow ? [four, e + upper] : [e, four + upper]
    if (f[which] === 'f16') return [four + upper, e]
    return [(lane & 1) + (e & 2) + upper, (e & 4) + (lane & 2) + (e & 1)]
  }
  const all = Array.from({ length: BLOCKS }, (_, block) => {
    const lanes = new Lanes(operands.subarray(block * 32 * BYTES_IN, (block + 1) * 32 * BYTES_IN), BYTES_IN)
    return Array.from({ length: 4 }, (_q, q) => {
      const [a, b, c] = [matrix(8, 4, value), matrix(4, 8, value), matrix(8, 8, () => randomElement(random, f.c))]
      for (let lane = 0; lane < 32; lane++) {
        if ((lane >> 2) % 4 !== q) continue
        for (let e = 0; e < 4; e++) {
          const [ar, ac] = place('a', lane, e)
          lanes.put(lane, A, e, 16, a[ar]?.[ac] ?? 0n)
          const [br, bc] = place('b', lane, e)
          lanes.put(lane, B, e, 16, b[br]?.[bc] ?? 0n)
        }
        for (let e = 0; e < 8; e++) {
          const [r, col] = place('c', lane, e)
          lanes.put(lane, C, e, elementBits(f.c), c[r]?.[col] ?? 0n)
        }
      }
      const product: Product = { c, terms: (r, col) => [0, 1, 2, 3].map((x) => [elementValue('f16', a[r]?.[x] ?? 0n), elementValue('f16', b[x]?.[col] ?? 0n)]) }
      return product
    })
  })
  const [c, d] = [f.c === 'f16' ? 4 : 8, f.d === 'f16' ? 4 : 8]
  const load = (name: string, slot: number, count: number): string => Array.from({ length: count }, (_, r) => `ld.global.b32 %${name}${r}, [%d30+${8 * (slot + r)}];`).join(' ')
  return {
    covers: [i.spelling], threads: BLOCKS * 32, operands, inside: '.reg .b32 %a<16>, %b<16>, %c<16>, %e<16>;\n',
    body: `${load('a', A, 2)} ${load('b', B, 2)} ${load('c', C, c)}\n${i.spelling} ${registers('e', d)}, ${registers('a', 2)}, ${registers('b', 2)}, ${registers('c', c)};\n${Array.from({ length: d }, (_, r) => `st.global.b32 [%d31+${8 * r}], %e${r};`).join(' ')}`,
    check: (results) => {
      for (let block = 0; block < BLOCKS; block++) {
        const lanes = new Lanes(results.subarray(block * 32 * BYTES_OUT), BYTES_OUT)
        for (let lane = 0; lane < 32; lane++)
          for (let e = 0; e < 8; e++) {
            const [r, col] = place('d', lane, e)
            const wrong = isRight(f, all[block]?.[(lane >> 2) % 4] as Product, r, col, lanes.get(lane, 0, e, elementBits(f.d)))
            if (wrong) return `${i.spelling}: block ${block}, lane ${lane}, element ${e}: ${wrong}`
          }
      }
      return undefined
    },
  }
}

/** A product for each spelling of a row of mma. */
export function productCases(row: Row, random: Random): KernelCase[] {
  return [...choices(row)].map((choice) => (row.pattern.includes('.m8n8k4') && !row.pattern.includes('.m8n8k4,') ? quads : products)(row, choice, random))
}
