// cvt: between integers, from and to floating point, packed and narrow forms.
import { BF16, decode, encode, F16, F32, integer, isNaN, mask, number, signed, toInteger, type Format, type Mode, type Value } from './exact.ts'
import { anyNaN, flush, modeOf, saturate } from './float.ts'
import { formatOf, isSigned, widthOf, type Instruction } from './instruction.ts'
import { types, type Reference, type Want } from './reference.ts'

const integerModes: Readonly<Record<string, Mode>> = { rni: 'rn', rzi: 'rz', rmi: 'rm', rpi: 'rp' }

function clampTo(type: string, x: bigint): bigint {
  const bits = widthOf(type)
  const low = isSigned(type) ? -(1n << BigInt(bits - 1)) : 0n
  const high = isSigned(type) ? (1n << BigInt(bits - 1)) - 1n : mask(bits)
  return x < low ? low : x > high ? high : x
}

/** Raw bits of `type`, as wide as the type; the harness extends them to the register. */
const raw = (type: string, x: bigint): bigint => x & mask(widthOf(type))

function toWhole(i: Instruction, to: string, from: Format, a: bigint): bigint {
  const v = decode(from, i.words.has('ftz') && from === F32 ? flush(from, a) : a)
  const bits = widthOf(to)
  if (isNaN(v)) return bits === 64 || from.bits === 64 ? 1n << BigInt(bits - 1) : 0n
  const mode = integerModes[i.groups[0] ?? ''] ?? 'rz'
  const whole = v.kind === 'infinity' ? (v.neg ? -(1n << 100n) : 1n << 100n) : toInteger(v, mode)
  return raw(to, clampTo(to, whole)) // floating point to integers always saturates
}

function toFloat(i: Instruction, to: Format, from: Format, a: bigint): Want {
  const has = (word: string): boolean => i.words.has(word)
  const ftz = has('ftz')
  const v = decode(from, ftz && (from === F32 || from === to) ? flush(from, a) : a)
  const whole = Object.keys(integerModes).find(has)
  let result: Value = v
  if (whole && v.kind === 'number') {
    const n = toInteger(v, integerModes[whole] ?? 'rn')
    result = number(v.neg, n < 0n ? -n : n)
  }
  let x = encode(to, result, modeOf(i))
  if (has('satfinite') && !isNaN(v) && decode(to, x).kind === 'infinity') x -= 1n // the greatest number
  if (ftz && to === F32) x = flush(to, x)
  if (has('sat')) return saturate(to, x)
  if (has('relu')) return isNaN(v) ? to.nan : v.neg ? 0n : x
  if (isNaN(v)) return to === F16 || to === BF16 ? to.nan : anyNaN(to)
  return x
}

/** Ten bits of fraction in a 32-bit float. */
function toTf32(i: Instruction, a: bigint): Want {
  const v = decode(F32, a)
  if (isNaN(v)) return anyNaN(F32)
  const narrow: Format = { fraction: 10, exponent: 8, bits: 19, nan: 0n }
  let x = encode(narrow, v, modeOf(i)) << 13n
  if (i.words.has('satfinite') && decode(F32, x).kind === 'infinity') x -= 0x2000n
  return i.words.has('relu') && v.neg ? 0n : x
}

export function conversions(i: Instruction): Reference | undefined {
  const all = types(i)
  const [to = '', from = ''] = all
  if (i.words.has('pack')) {
    return (_, [a = 0n, b = 0n, c = 0n]) => {
      const bits = BigInt(widthOf(to))
      const pair = (raw(to, clampTo(to, signed(a, 32))) << bits) | raw(to, clampTo(to, signed(b, 32)))
      return [bits === 16n ? pair : ((c << 16n) | pair) & 0xffffffffn]
    }
  }
  if (to === 'tf32') return (_, [a = 0n]) => [toTf32(i, a)]
  if (to === 'f16x2' || to === 'bf16x2') {
    const f = to === 'f16x2' ? F16 : BF16
    if (from !== 'f32') return undefined
    return (_, [a = 0n, b = 0n]) => {
      const [high, low] = [toFloat(i, f, F32, a), toFloat(i, f, F32, b)]
      return [((high as bigint) << 16n) | (low as bigint)]
    }
  }
  const [source, target] = [formatOf(from), formatOf(to)]
  if ((!source && !/^[us](8|16|32|64)$/.test(from)) || (!target && !/^[us](8|16|32|64)$/.test(to))) return undefined
  if (source && target) return (_, [a = 0n]) => [toFloat(i, target, source, a)]
  if (source) return (_, [a = 0n]) => [toWhole(i, to, source, a)]
  const value = (a: bigint): bigint => (isSigned(from) ? signed(a, widthOf(from)) : raw(from, a))
  if (target) {
    return (_, [a = 0n]) => {
      const x = encode(target, integer(value(a)), modeOf(i))
      return [i.words.has('sat') ? saturate(target, x) : x]
    }
  }
  return (_, [a = 0n]) => [raw(to, i.words.has('sat') ? clampTo(to, value(a)) : value(a))]
}
