// wgmma: every size and type, A in registers and in shared memory, both majors, every swizzle, negated and added or not. Elements are
// such that sums are exact in double precision; where they lie in shared memory is said here by tiles: lines of 16, 32, 64 or 128
// bytes, whose chunks of 16 bytes are exchanged by the line's number.
import { encode, F16, integer, mask, number, toDouble } from './exact.ts'
import type { KernelCase } from './harness.ts'
import { choices, instruction, type Row } from './instruction.ts'
import { elementBits, elementValue, integerSum, isInteger } from './matrix.ts'
import type { Random } from './operands.ts'
import { shapeOf } from './products.ts'

const THREADS = 128
const AT_B = 8192
const SHARED = AT_B + 32768
/** A thread's share of the shared memory, A's four registers, D's as they are before. */
const EACH = SHARED / THREADS
const [AT_A_REGISTERS, AT_D] = [EACH, EACH + 16]
export const BYTES_IN = AT_D + 512
export const BYTES_OUT = 512

/** Bytes of a line, by a descriptor's swizzle. */
const WIDTH = [16, 128, 64, 32] as const

interface Layout {
  swizzle: number
  transposed: boolean
  leading: number
  stride: number
  /** Bytes that the matrix begins within the tile's lines. */
  from: number
}

function layoutOf(random: Random, transposed: boolean, lines: number): Layout {
  const swizzle = random.below(4)
  const width = WIDTH[swizzle] ?? 16
  if (transposed) return { swizzle, transposed, from: 0, ...(swizzle ? { stride: 8 * width, leading: 16 * width } : { leading: 128, stride: 256 }) }
  if (swizzle) return { swizzle, transposed, stride: 8 * width, leading: 16 * random.below(100), from: 32 * random.below(width / 32) }
  return { swizzle, transposed, from: 0, ...(random.below(2) ? { stride: 128, leading: lines * 16 } : { stride: 256, leading: 128 }) }
}

/** Byte offset of element (line, k). */
function place(l: Layout, bits: number, line: number, k: number): number {
  const width = WIDTH[l.swizzle] ?? 16
  let [tile, row, byte] = [0, 0, 0]
  if (!l.transposed) {
    tile = (line >> 3) * l.stride
    row = line & 7
    byte = l.from + (k * bits) / 8
    if (!l.swizzle) {
      tile += (byte >> 4) * l.leading
      byte &= 15
    }
    byte = Math.floor(byte)
  } else {
    const x = (line * bits) / 8
    tile = l.swizzle ? Math.floor(x / width) * l.leading + (k >> 3) * l.stride : (x >> 4) * l.stride + (k >> 3) * l.leading
    row = k & 7
    byte = x % width
  }
  // Lines of 128 bytes: each another turn; of 32: every four.
  const turn = l.swizzle ? Math.floor(row / (128 / width)) % (width / 16) : 0
  return tile + row * width + ((byte >> 4) ^ turn) * 16 + (byte & 15)
}

const descriptor = (l: Layout, base: number): bigint =>
  (BigInt(l.swizzle) << 62n) | (BigInt(l.stride >> 4) << 32n) | (BigInt(l.leading >> 4) << 16n) | BigInt((base + l.from) >> 4)

/** What the bits of a small type mean, by their number. */
const values = new Map<string, Float64Array>()
function valueOf(type: string, x: number): number {
  if (type === 'tf32') return new Float32Array(new Uint32Array([x & 0xffffe000]).buffer)[0] ?? 0
  let table = values.get(type)
  if (!table) values.set(type, (table = new Float64Array(1 << elementBits(type)).fill(NaN)))
  if (Number.isNaN(table[x] ?? 0)) {
    const value = elementValue(type, BigInt(x))
    table[x] = isInteger(type) ? Number(value.neg ? -value.m : value.m) : toDouble(value)
  }
  return table[x] ?? 0
}

/** Bits of an element, and what they mean. */
function element(random: Random, type: string): [number, number] {
  let x = random.word() >>> (32 - elementBits(type))
  const exponent = (from: number, count: number, at: number, width: number): number => ((x & ~(((1 << width) - 1) << at)) | ((from + random.below(count)) << at)) >>> 0
  if (type === 'f16') x = exponent(11, 8, 10, 5)
  else if (type === 'bf16') x = exponent(123, 8, 7, 8)
  else if (type === 'tf32') x = exponent(123, 8, 23, 8)
  else if (type === 'e5m2') x = exponent(8, 14, 2, 5)
  else if (type === 'e4m3' && (x & 0x7f) === 0x7f) x = 0
  return [x, valueOf(type, x)]
}

function put(bytes: Uint8Array, at: number, bits: number, bit: number, value: number): void {
  if (bits < 8) bytes[at] = (bytes[at] ?? 0) | (value << bit)
  else for (let k = 0; k < bits / 8; k++) bytes[at + k] = value >>> (8 * k)
}

/** A number's bits as a half, which it may be between two of. */
function half(value: number): bigint {
  if (Number.isInteger(value)) return encode(F16, integer(BigInt(value)))
  const scaled = value * 2 ** 60
  return encode(F16, number(value < 0, BigInt(Math.abs(scaled)), -60))
}

const f32bits = (x: number): number => new Uint32Array(new Float32Array([x]).buffer)[0] ?? 0

/** Halves of n / 64, from -1024 on. */
const HALVES = Uint16Array.from({ length: 2048 }, (_, n) => Number(half((n - 1024) / 64)))

function one(row: Row, choice: string[], serial: number, random: Random): KernelCase {
  const i = instruction(row, choice)
  const { n, k } = shapeOf(i)
  const [d = '', a = '', b = ''] = i.spelling.split('.').filter((word) => /^(f32|tf32|f16|bf16|s32|[su]8|b1|e\dm\d)$/.test(word))
  const integers = d === 's32'
  const halves = a === 'f16' || a === 'bf16'
  const inRegisters = random.below(3) === 0
  const layouts = [layoutOf(random, halves && !inRegisters && random.below(2) === 1, 64), layoutOf(random, halves && random.below(2) === 1, n)] as const
  const signs = integers ? [1, 1] : [random.pick([1, -1]), random.pick([1, -1])]
  const [sign, added, satfinite] = [(signs[0] ?? 1) * (signs[1] ?? 1), random.below(3) > 0, i.words.has('satfinite')]
  const [aBits, bBits] = [elementBits(a), elementBits(b)]
  const count = d === 'f16' ? n / 4 : n / 2
  const operands = new Uint8Array(THREADS * BYTES_IN)
  const shared = new Uint8Array(SHARED)
  const A = Array.from({ length: 64 }, (_r, r) => Float64Array.from({ length: k }, (_c, c) => {
    const [bits, value] = element(random, a)
    put(shared, place(layouts[0], aBits, r, c), aBits, c & 7, bits)
    // As a fragment of mma: 16 rows a warp, row lane / 4 and 8 below, four bytes from 4 (lane % 4) and 16 on.
    const byte = (c * aBits) / 8
    const lane = (r >> 4) * 32 + (r & 7) * 4 + ((byte & 15) >> 2)
    const register = ((r & 15) >= 8 ? 1 : 0) + (byte >= 16 ? 2 : 0)
    put(operands, lane * BYTES_IN + AT_A_REGISTERS + 4 * register + (Math.floor(byte) & 3), aBits, c & 7, bits)
    return value
  }))
  const B = Array.from({ length: n }, (_c, c) => Float64Array.from({ length: k }, (_k, x) => {
    const [bits, value] = element(random, b)
    put(shared, AT_B + place(layouts[1], bBits, c, x), bBits, x & 7, bits)
    return value
  }))
  const view = new DataView(operands.buffer)
  const before = new Float64Array(64 * n)
  /** Where element (row, column) of D is: thread, and which of its elements. */
  const where = (r: number, c: number): [number, number] => [(r >> 4) * 32 + (r & 7) * 4 + ((c & 7) >> 1), (c >> 3) * 4 + ((r & 15) >= 8 ? 2 : 0) + (c & 1)]
  for (let r = 0; r < 64; r++)
    for (let c = 0; c < n; c++) {
      const [thread, e] = where(r, c)
      const at = thread * BYTES_IN + AT_D
      const small = random.below(2048) - 1024
      if (integers) {
        const value = (c & 1 ? 0x7fffffff - random.below(64) : random.word()) | 0
        before[r * n + c] = value
        view.setInt32(at + 4 * e, value, true)
      } else {
        before[r * n + c] = small / 64
        if (d === 'f16') view.setUint16(at + 2 * e, HALVES[small + 1024] ?? 0, true)
        else view.setUint32(at + 4 * e, f32bits(small / 64), true)
      }
    }
  for (let t = 0; t < THREADS; t++) operands.set(shared.subarray(t * EACH, (t + 1) * EACH), t * BYTES_IN)
  const name = `group${row.index}_${serial}`
  const list = Array.from({ length: count }, (_, x) => `%e${x}`)
  const constants = [...(integers ? [] : signs), ...(halves && !inRegisters ? [Number(layouts[0].transposed)] : []), ...(halves ? [Number(layouts[1].transposed)] : [])]
  return {
    covers: [i.spelling], threads: THREADS, operands, outside: `.shared .align 1024 .b8 ${name}[${SHARED}];\n`, inside: '.reg .b32 %a<4>, %e<128>;\n',
    body: `mov.u32 %r1, ${name}; mad.lo.u32 %r2, %r31, ${EACH}, %r1; mov.u32 %r3, 0; mov.u64 %d1, %d30;
COPY: ld.global.v2.b64 {%d2,%d3}, [%d1]; st.shared.v2.b64 [%r2], {%d2,%d3}; add.u64 %d1, %d1, 16; add.u32 %r2, %r2, 16; add.u32 %r3, %r3, 16; setp.lt.u32 %p1, %r3, ${EACH};\n@%p1 bra COPY; bar.sync 0;
ld.global.v4.b32 {%a0,%a1,%a2,%a3}, [%d30+${AT_A_REGISTERS}]; ${list.map((r, x) => `ld.global.b32 ${r}, [%d30+${AT_D + 4 * x}];`).join(' ')}
shr.u32 %r1, %r1, 4; cvt.u64.u32 %d4, %r1; add.u64 %d5, %d4, ${descriptor(layouts[0], 0)}; add.u64 %d6, %d4, ${descriptor(layouts[1], AT_B)}; setp.${added ? 'eq' : 'ne'}.u32 %p2, 0, 0;
wgmma.fence.sync.aligned;\n${i.spelling} {${list.join(',')}}, ${inRegisters ? '{%a0,%a1,%a2,%a3}' : '%d5'}, %d6, ${['%p2', ...constants].join(', ')};\nwgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;
${list.map((r, x) => `st.global.b32 [%d31+${4 * x}], ${r};`).join(' ')}`,
    check: (results) => {
      const out = new DataView(results.buffer, results.byteOffset)
      // Every fourth row: other lanes' with the next spelling.
      for (let r = serial & 3; r < 64; r += 4)
        for (let c = 0; c < n; c++) {
          const [x, y] = [A[r] as Float64Array, B[c] as Float64Array]
          let sum = 0
          for (let at = 0; at < k; at++) sum += a === 'b1' ? (x[at] ?? 0) & (y[at] ?? 0) : (x[at] ?? 0) * (y[at] ?? 0)
          sum = sign * sum + (added ? (before[r * n + c] ?? 0) : 0)
          const [thread, e] = where(r, c)
          const at = thread * BYTES_OUT
          const got = d === 'f16' ? BigInt(out.getUint16(at + 2 * e, true)) : BigInt(out.getUint32(at + 4 * e, true))
          const want = integers ? integerSum(BigInt(sum), satfinite) : d === 'f16' ? half(sum) : BigInt(f32bits(sum))
          const zero = !integers && sum === 0 && (got & mask(d === 'f16' ? 15 : 31)) === 0n
          if (got !== want && !zero)
            return `${i.spelling}, ${inRegisters ? 'A in registers' : `A ${JSON.stringify(layouts[0])}`}, B ${JSON.stringify(layouts[1])}, signs ${signs.join(' ')}, ${added ? 'added' : 'not added'}: row ${r}, column ${c}: 0x${got.toString(16)}, not 0x${want.toString(16)}`
        }
      return undefined
    },
  }
}

/** A case for each spelling of a row of wgmma. */
export const warpgroupCases = (row: Row, random: Random): KernelCase[] => [...choices(row)].map((choice, n) => one(row, choice, n, random))
