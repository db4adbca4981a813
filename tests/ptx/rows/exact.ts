// Binary floating point, exactly: an encoding is a sign and m * 2^e over BigInt, and a result is rounded once, in any mode.
// What the engine computes is compared with this, which shares nothing with it.

export interface Format {
  /** Bits of the fraction, of the exponent, and of the whole. */
  readonly fraction: number
  readonly exponent: number
  readonly bits: number
  /** The NaN that an operation gives. */
  readonly nan: bigint
}

const format = (fraction: number, exponent: number, nan: bigint): Format => ({ fraction, exponent, bits: 1 + fraction + exponent, nan })
export const F16 = format(10, 5, 0x7fffn)
export const BF16 = format(7, 8, 0x7fffn)
export const F32 = format(23, 8, 0x7fffffffn)
export const F64 = format(52, 11, 0x7ff8000000000000n)

export type Mode = 'rn' | 'rz' | 'rm' | 'rp' | 'rna'

/** A number: neg ? -m * 2^e : m * 2^e, infinity or NaN. `more`: the magnitude is a little above m * 2^e. */
export interface Value {
  kind: 'number' | 'infinity' | 'nan'
  neg: boolean
  m: bigint
  e: number
  more?: boolean
}

export const NAN: Value = { kind: 'nan', neg: false, m: 0n, e: 0 }
export const infinity = (neg: boolean): Value => ({ kind: 'infinity', neg, m: 0n, e: 0 })
export const number = (neg: boolean, m: bigint, e = 0): Value => ({ kind: 'number', neg, m, e })
export const integer = (value: bigint): Value => number(value < 0n, value < 0n ? -value : value)

export const mask = (bits: number): bigint => (1n << BigInt(bits)) - 1n
export const signed = (x: bigint, bits: number): bigint => BigInt.asIntN(bits, x)

export function length(m: bigint): number {
  // toString(16) is the quickest that BigInt offers.
  if (m === 0n) return 0
  const text = m.toString(16)
  return 4 * (text.length - 1) + (32 - Math.clz32(parseInt(text[0] ?? '0', 16)))
}

export function decode(f: Format, x: bigint): Value {
  const neg = x >> BigInt(f.bits - 1) !== 0n
  const exponent = Number((x >> BigInt(f.fraction)) & mask(f.exponent))
  const fraction = x & mask(f.fraction)
  const bias = (1 << (f.exponent - 1)) - 1
  if (exponent === (1 << f.exponent) - 1) return fraction ? { kind: 'nan', neg, m: fraction, e: 0 } : infinity(neg)
  if (exponent === 0) return number(neg, fraction, 1 - bias - f.fraction)
  return number(neg, fraction | (1n << BigInt(f.fraction)), exponent - bias - f.fraction)
}

/** Whether to go to the next magnitude: `half` compares what is cut off with half a step, `odd` is the last bit kept. */
function up(mode: Mode, neg: boolean, half: -1 | 0 | 1, odd: boolean): boolean {
  switch (mode) {
    case 'rn': return half > 0 || (half === 0 && odd)
    case 'rna': return half >= 0
    case 'rz': return false
    case 'rm': return neg
    case 'rp': return !neg
  }
}

/** m * 2^-shift rounded to an integer. */
function roundShift(m: bigint, shift: number, neg: boolean, more: boolean, mode: Mode): bigint {
  if (shift <= 0) {
    if (!more) return m << BigInt(-shift)
    // Something below the last bit: room for it.
    return roundShift((m << 2n) | 1n, shift + 2, neg, false, mode)
  }
  const s = BigInt(shift)
  const kept = m >> s
  const rest = m - (kept << s)
  if (rest === 0n && !more) return kept
  const middle = 1n << (s - 1n)
  const half = rest > middle || (rest === middle && more) ? 1 : rest === middle ? 0 : -1
  return kept + (up(mode, neg, half, (kept & 1n) === 1n) ? 1n : 0n)
}

export function encode(f: Format, v: Value, mode: Mode = 'rn'): bigint {
  if (v.kind === 'nan') return f.nan
  const sign = v.neg ? 1n << BigInt(f.bits - 1) : 0n
  const inf = mask(f.exponent) << BigInt(f.fraction)
  if (v.kind === 'infinity') return sign | inf
  if (v.m === 0n) return sign
  const bias = (1 << (f.exponent - 1)) - 1
  const last = Math.max(v.e + length(v.m) - 1, 1 - bias) - f.fraction // exponent of the last bit kept
  const kept = roundShift(v.m, last - v.e, v.neg, v.more === true, mode)
  const result = (BigInt(last + f.fraction + bias - 1) << BigInt(f.fraction)) + kept
  if (result < inf) return sign | result
  const away = mode === 'rn' || mode === 'rna' || (mode === 'rp' && !v.neg) || (mode === 'rm' && v.neg)
  return sign | (away ? inf : inf - 1n)
}

export const isNaN = (v: Value): boolean => v.kind === 'nan'
export const isZero = (v: Value): boolean => v.kind === 'number' && v.m === 0n
export const negate = (v: Value): Value => ({ ...v, neg: !v.neg })

export function compare(a: Value, b: Value): -1 | 0 | 1 {
  const rank = (v: Value): number => (v.kind === 'infinity' ? (v.neg ? -2 : 2) : v.m === 0n ? 0 : v.neg ? -1 : 1)
  if (rank(a) !== rank(b)) return rank(a) < rank(b) ? -1 : 1
  if (a.kind === 'infinity' || a.m === 0n) return 0
  const e = Math.min(a.e, b.e)
  const x = a.m << BigInt(a.e - e)
  const y = b.m << BigInt(b.e - e)
  return x === y ? 0 : x < y !== a.neg ? -1 : 1
}

export function add(a: Value, b: Value, mode: Mode): Value {
  if (isNaN(a) || isNaN(b)) return NAN
  if (a.kind === 'infinity') return b.kind === 'infinity' && a.neg !== b.neg ? NAN : a
  if (b.kind === 'infinity') return b
  const e = Math.min(a.e, b.e)
  const x = (a.neg ? -a.m : a.m) << BigInt(a.e - e)
  const y = (b.neg ? -b.m : b.m) << BigInt(b.e - e)
  const sum = x + y
  if (sum !== 0n) return number(sum < 0n, sum < 0n ? -sum : sum, e)
  return number(isZero(a) && isZero(b) && a.neg === b.neg ? a.neg : mode === 'rm', 0n)
}

export function multiply(a: Value, b: Value): Value {
  const neg = a.neg !== b.neg
  if (isNaN(a) || isNaN(b)) return NAN
  if (a.kind === 'infinity' || b.kind === 'infinity') return isZero(a) || isZero(b) ? NAN : infinity(neg)
  return number(neg, a.m * b.m, a.e + b.e)
}

export function divide(a: Value, b: Value): Value {
  const neg = a.neg !== b.neg
  if (isNaN(a) || isNaN(b)) return NAN
  if (a.kind === 'infinity') return b.kind === 'infinity' ? NAN : infinity(neg)
  if (b.kind === 'infinity') return number(neg, 0n)
  if (b.m === 0n) return a.m === 0n ? NAN : infinity(neg)
  if (a.m === 0n) return number(neg, 0n)
  const shift = Math.max(0, 60 + length(b.m) - length(a.m))
  const top = a.m << BigInt(shift)
  const m = top / b.m
  return { kind: 'number', neg, m, e: a.e - shift - b.e, more: m * b.m !== top }
}

export function integerRoot(n: bigint): bigint {
  if (n < 2n) return n
  let x = 1n << BigInt((length(n) + 1) >> 1)
  for (;;) {
    const y = (x + n / x) >> 1n
    if (y >= x) return x
    x = y
  }
}

export function squareRoot(a: Value): Value {
  if (isNaN(a)) return NAN
  if (isZero(a)) return a
  if (a.neg) return NAN
  if (a.kind === 'infinity') return a
  let shift = Math.max(0, 124 - length(a.m))
  if ((a.e - shift) % 2 !== 0) shift++
  const n = a.m << BigInt(shift)
  const m = integerRoot(n)
  return { kind: 'number', neg: false, m, e: (a.e - shift) / 2, more: m * m !== n }
}

/** To an integer, in a rounding mode; the sign of zero is the caller's. */
export function toInteger(v: Value, mode: Mode): bigint {
  const m = v.e >= 0 ? v.m << BigInt(v.e) : roundShift(v.m, -v.e, v.neg, false, mode)
  return v.neg ? -m : m
}

/** As a double, for comparisons within an error: exact where a double holds it. */
export function toDouble(v: Value): number {
  const bits = new BigUint64Array([encode(F64, v)])
  return new Float64Array(bits.buffer)[0] ?? NaN
}
