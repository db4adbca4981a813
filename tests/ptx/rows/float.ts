// Floating-point arithmetic: exact, rounded once; approximate functions within the error that the PTX ISA documents.
import {
  add, BF16, compare, decode, divide, encode, F32, F64, infinity, isNaN, isZero, mask, multiply, negate, number, squareRoot, toDouble, type Format, type Mode, type Value,
} from './exact.ts'
import { formatOf, type Instruction } from './instruction.ts'
import { lastType, types, type Reference, type Want } from './reference.ts'

export const modeOf = (i: Instruction): Mode => (['rz', 'rm', 'rp', 'rna'] as const).find((word) => i.words.has(word)) ?? 'rn'

const isSubnormal = (f: Format, x: bigint): boolean => ((x >> BigInt(f.fraction)) & mask(f.exponent)) === 0n && (x & mask(f.fraction)) !== 0n
/** Subnormal numbers become zeros of their sign. */
export const flush = (f: Format, x: bigint): bigint => (isSubnormal(f, x) ? x & (1n << BigInt(f.bits - 1)) : x)
export const isNaNBits = (f: Format, x: bigint): boolean => isNaN(decode(f, x))

const fromDouble = (x: number): Value => {
  const bits = new Float64Array([x])
  return decode(F64, new BigUint64Array(bits.buffer)[0] ?? 0n)
}

/** .sat: to [0, 1], NaN to +0. */
export function saturate(f: Format, x: bigint): bigint {
  const v = decode(f, x)
  if (isNaN(v) || v.neg || isZero(v)) return 0n
  const one = number(false, 1n)
  return compare(v, one) > 0 ? encode(f, one) : x
}

export const anyNaN = (f: Format): Want => ({ about: 'a NaN', ok: (got) => isNaNBits(f, got) })

/** An error allowed: of the result's own size, or absolute. `ulp` counts in steps of the format at the result. */
interface Bound { relative?: number; absolute?: number; ulp?: number }

/** `reference` is good to a double: for results of at most 32 bits. Zeros' signs and infinities must be right. */
function near(f: Format, reference: number, bound: Bound, ftz: boolean): Want {
  const exact = encode(f, fromDouble(reference))
  if (Number.isNaN(reference)) return anyNaN(f)
  return {
    about: `about ${reference}`,
    ok: (got) => {
      if (got === exact || (ftz && got === flush(f, exact))) return true
      const v = decode(f, got)
      if (isNaN(v) || v.kind === 'infinity' || exact === encode(f, infinity(reference < 0))) {
        // At the end of the range an error of some steps may reach infinity, or not reach it.
        const largest = toDouble(decode(f, encode(f, infinity(false)) - 1n))
        return !isNaN(v) && Math.abs(reference) > largest * 0.999 && Number.isFinite(reference) && Math.sign(toDouble(v)) === Math.sign(reference)
      }
      const difference = Math.abs(toDouble(v) - reference)
      const exponent = Math.max(Math.floor(Math.log2(Math.abs(reference) || 1e-320)), 2 - 2 ** (f.exponent - 1))
      const step = 2 ** (exponent - f.fraction)
      const tiny = 2 ** (2 - 2 ** (f.exponent - 1)) // results below this may be flushed
      const allowed = (bound.relative ?? 0) * Math.abs(reference) + (bound.absolute ?? 0) + ((bound.ulp ?? 0) + 0.5) * step
      return difference <= allowed || (ftz && Math.abs(reference) < tiny && Math.abs(toDouble(v)) === 0)
    },
  }
}

/** Documented for 64 bits: the upper half of the result alone counts, the rest is 0. */
function nearUpper(v: Value, relative: number): Want {
  if (isNaN(v)) return anyNaN(F64)
  return {
    about: `about ${toDouble(v)}, the lower half 0`,
    ok: (got) => {
      const x = decode(F64, got)
      if ((got & 0xffffffffn) !== 0n || isNaN(x)) return false
      const exact = flush(F64, encode(F64, v))
      if (got === exact) return true
      const want = toDouble(decode(F64, exact))
      return x.neg === v.neg && Math.abs(toDouble(x) - want) <= relative * Math.abs(want) + 2 ** -1021
    },
  }
}

function minMax(i: Instruction, f: Format, max: boolean): (a: bigint, b: bigint) => bigint {
  const magnitude = mask(f.bits - 1)
  return (a, b) => {
    if (i.words.has('ftz')) [a, b] = [flush(f, a), flush(f, b)]
    const sign = (a ^ b) & ~magnitude
    if (i.words.has('abs')) [a, b] = [a & magnitude, b & magnitude]
    const [x, y] = [decode(f, a), decode(f, b)]
    let d: bigint
    if (isNaN(x) && isNaN(y)) d = f.nan
    else if (isNaN(x) || isNaN(y)) d = i.words.has('NaN') ? f.nan : isNaN(x) ? b : a
    else if (isZero(x) && isZero(y)) d = x.neg === max ? b : a
    else d = compare(x, y) < 0 !== max ? a : b
    if (i.words.has('xorsign') && !isNaNBits(f, d)) d = (d & magnitude) | sign
    return d
  }
}

/** Approximate functions: of the operand as a double, and the largest error documented. */
const approximate: Readonly<Record<string, Record<string, [(x: number) => number, Bound]>>> = {
  sin: { f32: [Math.sin, { absolute: 2 ** -20.5 }] },
  cos: { f32: [Math.cos, { absolute: 2 ** -20.5 }] },
  lg2: { f32: [Math.log2, { absolute: 2 ** -22, relative: 2 ** -22 }] },
  ex2: { f32: [(x) => 2 ** x, { relative: 2 ** -22 }], f16: [(x) => 2 ** x, { relative: 2 ** -9.9 }], bf16: [(x) => 2 ** x, { relative: 2 ** -7 }] },
  tanh: { f32: [Math.tanh, { relative: 2 ** -11 }], f16: [Math.tanh, { absolute: 2 ** -10.987 }], bf16: [Math.tanh, { absolute: 2 ** -8 }] },
  rcp: { f32: [(x) => 1 / x, { ulp: 1 }] },
  sqrt: { f32: [Math.sqrt, { relative: 2 ** -23 }] },
  rsqrt: { f32: [(x) => (Object.is(x, -0) ? -Infinity : 1 / Math.sqrt(x)), { relative: 2 ** -22.9 }] },
}

export function floats(i: Instruction, packed: boolean): Reference | undefined {
  const type = lastType(i)
  const element = packed ? type.slice(0, -2) : type
  if (i.name === 'slct') return slct(i)
  if (i.name === 'testp') return testp(i)
  if (i.row.section === 'Mixed precision') return mixed(i, type)
  const f = formatOf(element)
  if (f === undefined || i.name === 'mov' || i.name === 'selp' || i.name === 'cvt') return undefined
  const scalar = scalarOf(i, element, f)
  if (scalar === undefined) return undefined
  if (!packed) return (_, operands) => [scalar(...operands)]
  return (_, operands) => {
    const bits = BigInt(f.bits)
    const half = (n: bigint): Want => scalar(...operands.map((x) => (x >> n) & mask(f.bits)))
    const [low, high] = [half(0n), half(bits)]
    if (typeof low === 'bigint' && typeof high === 'bigint') return [(high << bits) | low]
    const fits = (want: Want, got: bigint): boolean => (typeof want === 'bigint' ? want === got : want.ok(got))
    return [{ about: 'two halves', ok: (got) => fits(low, got & mask(f.bits)) && fits(high, got >> bits) }]
  }
}

/** The first operands are of the small type, the last and the result .f32: exact, rounded once. */
function mixed(i: Instruction, type: string): Reference | undefined {
  const small = formatOf(type)
  if (small === undefined) return undefined
  const made = (v: Value): Want => {
    const x = encode(F32, v, modeOf(i))
    return i.words.has('sat') ? saturate(F32, x) : x
  }
  return (_, [a = 0n, b = 0n, c = 0n]) => {
    const x = decode(small, a)
    if (i.name === 'fma') return [made(add(multiply(x, decode(small, b)), decode(F32, c), modeOf(i)))]
    const y = decode(F32, b)
    return [made(add(x, i.name === 'sub' ? negate(y) : y, modeOf(i)))]
  }
}

function scalarOf(i: Instruction, element: string, f: Format): ((...operands: bigint[]) => Want) | undefined {
  const has = (word: string): boolean => i.words.has(word)
  const mode = modeOf(i)
  const ftz = has('ftz') || (i.name === 'mad' && !['rn', 'rz', 'rm', 'rp'].some(has) && has('f32')) // of sm_1x: flushed
  const sign = 1n << BigInt(f.bits - 1)
  const read = (x: bigint): Value => decode(f, ftz ? flush(f, x) : x)
  /** A result as the modifiers want it. NaN is the format's own; a 64-bit one may be any. */
  const made = (v: Value): Want => {
    let x = encode(f, v, mode)
    if (ftz) x = flush(f, x)
    if (has('sat')) x = saturate(f, x)
    if (has('relu') && !isNaN(v) && x & sign) x = 0n
    return isNaN(v) && f === F64 && !has('sat') ? anyNaN(f) : x
  }
  const approx = approximate[i.name]?.[element]
  if (approx && (has('approx') || has('full'))) return (a) => near(f, approx[0](toDouble(read(a))), approx[1], ftz)
  switch (i.name) {
    case 'add': return (a, b) => made(add(read(a), read(b), mode))
    case 'sub': return (a, b) => made(add(read(a), negate(read(b)), mode))
    case 'mul': return (a, b) => made(multiply(read(a), read(b)))
    case 'fma':
      // .oob: the NaN that tensor copies fill with counts as nothing.
      if (has('oob')) return (a, b, c) => (a === 0x7ffen || b === 0x7ffen ? 0n : made(add(multiply(read(a), read(b)), read(c), mode)))
      return (a, b, c) => made(add(multiply(read(a), read(b)), read(c), mode))
    case 'mad': return (a, b, c) => made(add(multiply(read(a), read(b)), read(c), mode))
    case 'div':
      // .approx is 2 ulp where the divisor is in [2^-126, 2^126]; beyond, 0 is allowed for a finite quotient.
      if (has('approx') || has('full')) return (a, b) => nearQuotient(read(a), read(b), ftz)
      return (a, b) => made(divide(read(a), read(b)))
    case 'rcp':
      if (has('approx')) return (a) => nearUpper(divide(number(false, 1n), decode(f, flush(f, a))), 2 ** -19)
      return (a) => made(divide(number(false, 1n), read(a)))
    case 'sqrt': return (a) => made(squareRoot(read(a)))
    case 'rsqrt': {
      const inverse = (v: Value): Value => divide(number(v.neg, 1n), squareRoot(v))
      const exact = (a: bigint): Value => {
        const v = decode(f, ftz ? flush(f, a) : a)
        return isZero(v) ? infinity(v.neg) : inverse(v.neg ? v : { ...v, neg: false })
      }
      if (ftz) return (a) => nearUpper(exact(a), 2 ** -19)
      return (a) => {
        const v = exact(a)
        if (isNaN(v)) return anyNaN(f)
        const want = encode(f, v)
        return { about: `within 2 ulp of ${want.toString(16)}`, ok: (got) => got >= want - 2n && got <= want + 2n }
      }
    }
    case 'neg': return (a) => signOp(f, ftz ? flush(f, a) : a, (x) => x ^ sign)
    case 'abs': return (a) => signOp(f, ftz ? flush(f, a) : a, (x) => x & ~sign)
    case 'min':
    case 'max': {
      const pick = minMax(i, f, i.name === 'max')
      return (a, b, ...more) => { // of two, or of three
        const x = more.reduce(pick, pick(a, b))
        return f === F64 && isNaNBits(f, x) ? anyNaN(f) : x
      }
    }
    case 'copysign': return (a, b) => (b & ~sign) | (a & sign)
    default: return undefined
  }
}

const signOp = (f: Format, x: bigint, op: (x: bigint) => bigint): Want => (isNaNBits(f, x) ? anyNaN(f) : op(x))

function nearQuotient(a: Value, b: Value, ftz: boolean): Want {
  const v = divide(a, b)
  if (isNaN(v)) return anyNaN(F32)
  const exact = near(F32, toDouble(v), { ulp: 2 }, ftz)
  const size = Math.abs(toDouble(b))
  const far = b.kind === 'number' && size > 2 ** 126
  return { about: `about ${toDouble(v)}`, ok: (got) => (typeof exact === 'bigint' ? got === exact : exact.ok(got)) || (far && (got & 0x7fffffffn) === 0n) }
}

function slct(i: Instruction): Reference {
  return (_, [a = 0n, b = 0n, c = 0n]) => {
    if (types(i).at(-1) === 's32') return [c >> 31n ? b : a]
    const v = decode(F32, i.words.has('ftz') ? flush(F32, c) : c)
    return [isNaN(v) || (v.neg && !isZero(v)) ? b : a]
  }
}

function testp(i: Instruction): Reference {
  const f = formatOf(lastType(i)) ?? BF16
  return (_, [a = 0n]) => {
    const v = decode(f, a)
    const subnormal = isSubnormal(f, a)
    const answers: Record<string, boolean> = {
      finite: v.kind === 'number', infinite: v.kind === 'infinity', number: v.kind !== 'nan', notanumber: v.kind === 'nan',
      normal: v.kind === 'number' && !subnormal && v.m !== 0n, subnormal,
    }
    const test = i.groups[0] ?? ''
    return [answers[test] ? 1n : 0n]
  }
}
