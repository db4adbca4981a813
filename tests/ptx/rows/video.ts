// Video instructions on whole registers; parts of registers, masks and negation are in video.c's cases by hand.
import { mask, signed } from './exact.ts'
import { isSigned, type Instruction } from './instruction.ts'
import { types, type Reference } from './reference.ts'

const clamp = (x: bigint, bits: number, sign: boolean): bigint => {
  const [low, high] = sign ? [-(1n << BigInt(bits - 1)), (1n << BigInt(bits - 1)) - 1n] : [0n, mask(bits)]
  return x < low ? low : x > high ? high : x
}
const abs = (x: bigint): bigint => (x < 0n ? -x : x)
const comparisons: Readonly<Record<string, (a: bigint, b: bigint) => boolean>> = {
  eq: (a, b) => a === b, ne: (a, b) => a !== b, lt: (a, b) => a < b, le: (a, b) => a <= b, gt: (a, b) => a > b, ge: (a, b) => a >= b,
}

export function videos(i: Instruction): Reference | undefined {
  const [, base = '', lanes = ''] = /^v([a-z]+)([24]?)$/.exec(i.name) ?? []
  const has = (word: string): boolean => i.words.has(word)
  const all = types(i)
  const [dt = 'u32', at = 'u32', bt = 'u32'] = base === 'set' ? ['u32', ...all] : all
  const compare = comparisons[i.groups.find((word) => word in comparisons) ?? '']
  const operate = (a: bigint, b: bigint): bigint => {
    const shift = has('wrap') ? b & 31n : b > 32n ? 32n : b
    switch (base) {
      case 'add': return a + b
      case 'sub': return a - b
      case 'absdiff': return abs(a - b)
      case 'min': return a < b ? a : b
      case 'max': return a > b ? a : b
      case 'avrg': return (a + b + (a + b >= 0n ? 1n : 0n)) >> 1n
      case 'shl': return a << shift
      case 'shr': return a >> shift
      case 'set': return compare?.(a, b) ? 1n : 0n
      default: throw new Error(`no reference for ${i.spelling}`)
    }
  }
  const as = (type: string, bits: number, x: bigint): bigint => (isSigned(type) ? signed(x, bits) : x & mask(bits))
  if (base === 'mad') {
    return (_, [a = 0n, b = 0n, c = 0n]) => {
      const sign = isSigned(at) || isSigned(bt)
      let x = as(at, 32, a) * as(bt, 32, b) + (sign ? signed(c, 32) : c) + (has('po') ? 1n : 0n)
      x >>= has('shr7') ? 7n : has('shr15') ? 15n : 0n
      return [(has('sat') ? clamp(x, 32, sign) : x) & mask(32)]
    }
  }
  if (lanes === '') {
    return (_, [a = 0n, b = 0n, c = 0n]) => {
      let x = operate(as(at, 32, a), as(bt, 32, b))
      if (has('sat')) x = clamp(x, 32, isSigned(dt))
      const other = as(dt, 32, c)
      if (has('add')) x += other
      if (has('min')) x = x < other ? x : other
      if (has('max')) x = x > other ? x : other
      return [x & mask(32)]
    }
  }
  const bits = 32 / Number(lanes)
  return (_, [a = 0n, b = 0n, c = 0n]) => {
    let sum = c
    let whole = 0n
    for (let at_ = 0; at_ < 32; at_ += bits) {
      const x = operate(as(at, bits, a >> BigInt(at_)), as(bt, bits, b >> BigInt(at_)))
      sum += x
      whole |= ((has('sat') ? clamp(x, bits, isSigned(dt)) : x) & mask(bits)) << BigInt(at_)
    }
    return [(has('add') ? sum : whole) & mask(32)]
  }
}
