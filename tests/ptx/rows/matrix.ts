// Numbers of matrix products: the formats of elements, random ones of them, sums of products that are exact, and what a result may be.
import { BF16, decode, encode, F16, F32, F64, infinity, integer, mask, multiply, NAN, number, type Format, type Value } from './exact.ts'
import type { Random } from './operands.ts'

/** Exponent and fraction bits, and which encodings are no numbers. */
const SMALL: Readonly<Record<string, { e: number; m: number; infinities?: boolean; nan?: bigint }>> = {
  e4m3: { e: 4, m: 3, nan: 0x7fn }, e5m2: { e: 5, m: 2, infinities: true }, e3m2: { e: 3, m: 2 }, e2m3: { e: 2, m: 3 }, e2m1: { e: 2, m: 1 },
}

/** Bits that an element has in a fragment; the formats below a byte lie in one, `packed` ones beside each other. */
export const elementBits = (type: string, packed = false): number =>
  ({ f64: 64, f32: 32, tf32: 32, s32: 32, f16: 16, bf16: 16, s8: 8, u8: 8, s4: 4, u4: 4, b1: 1 })[type] ?? (packed ? 4 : 8)

export const isInteger = (type: string): boolean => /^[sub]\d/.test(type)

/** What an element's bits mean; integers too. */
export function elementValue(type: string, bits: bigint, packed = false): Value {
  switch (type) {
    case 'f64': return decode(F64, bits)
    case 'f32': return decode(F32, bits)
    case 'tf32': return decode(F32, bits & ~0x1fffn) // ten bits of fraction
    case 'f16': return decode(F16, bits)
    case 'bf16': return decode(BF16, bits)
    case 's8': case 's4': case 's32': return integer(BigInt.asIntN(elementBits(type), bits))
    case 'u8': case 'u4': case 'b1': return integer(bits)
    case 'ue8m0': return bits === 0xffn ? NAN : number(false, 1n, Number(bits) - 127)
    case 'ue4m3': return elementValue('e4m3', bits & 0x7fn)
    default: break
  }
  const f = SMALL[type]
  if (!f) throw new Error(`no format ${type}`)
  // e2m1 is in bits 2 to 5 of its byte, the formats of six bits are at its end.
  const x = type === 'e2m1' && !packed ? (bits >> 2n) & 15n : bits & mask(1 + f.e + f.m)
  const neg = x >> BigInt(f.e + f.m) !== 0n
  const magnitude = x & mask(f.e + f.m)
  const exponent = Number(magnitude >> BigInt(f.m))
  const fraction = magnitude & mask(f.m)
  if (magnitude === f.nan) return NAN
  if (f.infinities && exponent === (1 << f.e) - 1) return fraction ? NAN : infinity(neg)
  const bias = (1 << (f.e - 1)) - 1
  return exponent ? number(neg, fraction | (1n << BigInt(f.m)), exponent - bias - f.m) : number(neg, fraction, 1 - bias - f.m)
}

/** An element at random: any bits of the small formats but their NaNs, of the larger ones mostly numbers of like size. */
export function randomElement(random: Random, type: string, packed = false): bigint {
  const bits = elementBits(type, packed)
  const format = ({ f16: F16, bf16: BF16, tf32: F32, f32: F32, f64: F64 } as Readonly<Record<string, Format>>)[type]
  if (!format) {
    for (;;) {
      const x = random.bits(bits)
      if (isInteger(type) || elementValue(type, x, packed).kind === 'number') return x
    }
  }
  if (random.below(16) === 0) return random.pick([0n, 1n << BigInt(bits - 1), random.bits(format.fraction), encode(format, integer(1n)), encode(format, integer(-1n))])
  const bias = (1 << (format.exponent - 1)) - 1
  const exponent = BigInt(bias + random.below(16) - 8)
  return (random.bits(1) << BigInt(format.bits - 1)) | (exponent << BigInt(format.fraction)) | random.bits(format.fraction)
}

/** Something that is no ordinary number, where the type has it. */
export function oddElement(random: Random, type: string): bigint | undefined {
  switch (type) {
    case 'f16': return random.pick([0x7c00n, 0xfc00n, 0x7e01n, 0x7bffn])
    case 'bf16': return random.pick([0x7f80n, 0xff80n, 0x7fc1n, 0x7f7fn])
    case 'tf32': case 'f32': return random.pick([0x7f800000n, 0xff800000n, 0x7fc02000n, 0x7f7fe000n])
    case 'f64': return random.pick([0x7ff0000000000000n, 0xfff0000000000000n, 0x7ff8000000000001n])
    case 'e4m3': return random.pick([0x7fn, 0xffn])
    case 'e5m2': return random.pick([0x7cn, 0xfcn, 0x7dn])
    default: return undefined
  }
}

/** Sums of products: exact, with the sum of their magnitudes. */
export function sumOf(products: readonly Value[][]): { sum: Value; size: Value } {
  let [nan, up, down] = [false, false, false]
  const terms: Value[] = []
  let least = 0
  for (const factors of products) {
    const v = factors.reduce(multiply)
    if (v.kind === 'nan') nan = true
    else if (v.kind === 'infinity') {
      if (v.neg) down = true
      else up = true
    } else if (v.m !== 0n) {
      terms.push(v)
      if (v.e < least) least = v.e
    }
  }
  let [sum, size] = [0n, 0n]
  for (const v of terms) {
    const m = v.m << BigInt(v.e - least)
    size += m
    sum += v.neg ? -m : m
  }
  const magnitude = number(false, size, least)
  if (nan || (up && down)) return { sum: NAN, size: magnitude }
  if (up || down) return { sum: infinity(down), size: magnitude }
  return { sum: number(sum < 0n, sum < 0n ? -sum : sum, least), size: magnitude }
}

/** The same number with another exponent, exact where that is not above. */
function aligned(v: Value, e: number): bigint {
  const m = e <= v.e ? v.m << BigInt(v.e - e) : v.m >> BigInt(e - v.e)
  return v.neg ? -m : m
}

/**
 * Whether bits are a sum as an accumulator of double precision gives it: rounded once, except that the last bit is open within
 * 2^-`slack` of the sum of magnitudes. The order of summing is not documented, nor how often hardware rounds.
 */
export function isSum(type: string, got: bigint, of: { sum: Value; size: Value }, satfinite = false, slack = 46): boolean {
  const format = ({ f16: F16, f32: F32, f64: F64 } as Readonly<Record<string, Format>>)[type]
  if (!format) throw new Error(`sums of ${type}`)
  const { sum, size } = of
  const finite = (bits: bigint): bigint => {
    const magnitude = bits & mask(format.bits - 1)
    const inf = mask(format.exponent) << BigInt(format.fraction)
    if (!satfinite || magnitude < inf) return bits
    return magnitude === inf ? bits - 1n : 0n
  }
  if (sum.kind === 'nan') return satfinite ? got === 0n : decode(format, got).kind === 'nan'
  if (sum.kind === 'infinity') return got === finite(encode(format, sum))
  const least = Math.min(sum.e, size.e) - slack
  const [s, loose] = [aligned(sum, least), aligned(size, least) >> BigInt(slack)]
  const value = (x: bigint): Value => number(x < 0n, x < 0n ? -x : x, least)
  const [low, high] = [decode(format, finite(encode(format, value(s - loose)))), decode(format, finite(encode(format, value(s + loose))))]
  const here = decode(format, got)
  if (here.kind === 'nan') return false
  const rank = (v: Value): bigint => (v.kind === 'infinity' ? (v.neg ? -1n : 1n) << 5000n : aligned(v, -1200) )
  return rank(low) <= rank(here) && rank(here) <= rank(high)
}

/** A sum of integers as a 32-bit register has it: wrapped, or clamped. */
export function integerSum(sum: bigint, satfinite: boolean): bigint {
  const [low, high] = [-0x80000000n, 0x7fffffffn]
  return (satfinite ? (sum < low ? low : sum > high ? high : sum) : sum) & mask(32)
}

