// Integers, logic and shifts over BigInt, as the PTX ISA words them.
import { mask, signed } from './exact.ts'
import { isSigned, widthOf, type Instruction } from './instruction.ts'
import { lastType, types, type Reference } from './reference.ts'

const clamp = (x: bigint, low: bigint, high: bigint): bigint => (x < low ? low : x > high ? high : x)
const bitLength = (x: bigint): number => (x === 0n ? 0 : x.toString(2).length)
const popcount = (x: bigint): bigint => BigInt(x.toString(2).replaceAll('0', '').length)
const bit = (x: bigint, n: number): bigint => (x >> BigInt(n)) & 1n
const byte = (x: bigint, n: number): bigint => (x >> BigInt(8 * n)) & 255n

/** bfe of the manual, bit by bit. */
function extract(a: bigint, bits: number, at: number, count: number, sign: boolean): bigint {
  const msb = bits - 1
  const fill = sign && count > 0 ? bit(a, Math.min(at + count - 1, msb)) : 0n
  let d = 0n
  for (let k = 0; k <= msb; k++) d |= (k < count && at + k <= msb ? bit(a, at + k) : fill) << BigInt(k)
  return d
}

function insert(a: bigint, b: bigint, bits: number, at: number, count: number): bigint {
  let d = b
  for (let k = 0; k < count && at + k < bits; k++) d = (d & ~(1n << BigInt(at + k))) | (bit(a, k) << BigInt(at + k))
  return d
}

function nthSet(word: bigint, base: number, n: bigint): bigint {
  if (n === 0n) return bit(word, base) ? BigInt(base) : 0xffffffffn
  let left = n < 0n ? -n : n
  for (let at = base; at >= 0 && at < 32; at += n > 0n ? 1 : -1) if (bit(word, at) && --left === 0n) return BigInt(at)
  return 0xffffffffn
}

function permute(mode: string, a: bigint, b: bigint, c: bigint): bigint {
  const bytes = (b << 32n) | a
  let d = 0n
  const n = Number(c & 3n)
  for (let k = 0; k < 4; k++) {
    let from: number
    let sign = false
    switch (mode) {
      case 'f4e': from = n + k; break
      case 'b4e': from = (n + 8 - k) & 7; break
      case 'rc8': from = n; break
      case 'ecl': from = Math.max(k, n); break
      case 'ecr': from = Math.min(k, n); break
      case 'rc16': from = 2 * (n & 1) + (k & 1); break
      default: {
        const s = Number((c >> BigInt(4 * k)) & 15n)
        from = s & 7
        sign = (s & 8) !== 0
      }
    }
    const value = byte(bytes, from)
    d |= (sign ? (value & 128n ? 255n : 0n) : value) << BigInt(8 * k)
  }
  return d
}

export function integers(i: Instruction): Reference | undefined {
  const type = lastType(i)
  if (type === '' || type === 'pred' ) {
    switch (i.name) {
      case 'and': return (_, [a = 0n, b = 0n]) => [a & b]
      case 'or': return (_, [a = 0n, b = 0n]) => [a | b]
      case 'xor': return (_, [a = 0n, b = 0n]) => [a ^ b]
      case 'not': return (_, [a = 0n]) => [a ^ 1n]
      case 'mov': return (_, [a = 0n]) => [a]
      default: return undefined
    }
  }
  if (i.row.kind !== 'ALU' && i.row.kind !== 'LOP3P' && i.row.kind !== 'MOV') return undefined
  const bits = widthOf(type)
  const s = isSigned(type)
  const has = (word: string): boolean => i.words.has(word)
  const all = mask(bits)
  const low = s ? -(1n << BigInt(bits - 1)) : 0n
  const high = s ? (1n << BigInt(bits - 1)) - 1n : all
  const v = (x: bigint): bigint => (s ? signed(x, bits) : x & all)
  const fit = (x: bigint): bigint => (has('sat') ? clamp(x, low, high) : x) & all
  const one = (f: (...x: bigint[]) => bigint): Reference => (_, operands) => [f(...operands)]
  /** 16-bit halves, each its own. */
  const halves = (f: (a: bigint, b: bigint) => bigint): Reference => (_, [a = 0n, b = 0n]) => {
    const part = (x: bigint, n: bigint): bigint => (type === 's16x2' ? signed((x >> n) & 0xffffn, 16) : (x >> n) & 0xffffn)
    return [(f(part(a, 0n), part(b, 0n)) & 0xffffn) | ((f(part(a, 16n), part(b, 16n)) & 0xffffn) << 16n)]
  }
  const relu = (x: bigint): bigint => (has('relu') && x < 0n ? 0n : x)
  const least = (a: bigint, b: bigint): bigint => relu(a < b ? a : b)
  const most = (a: bigint, b: bigint): bigint => relu(a > b ? a : b)
  const sign24 = (x: bigint): bigint => (s ? signed(x & 0xffffffn, 24) : x & 0xffffffn)
  const product = (a: bigint, b: bigint): bigint => {
    const p = v(a) * v(b)
    return has('hi') ? p >> BigInt(bits) : p
  }
  const wide = has('wide')
  const wideAll = mask(2 * bits)

  if (has('cc') || ['addc', 'subc', 'madc'].includes(i.name)) {
    // The carry comes in last and goes out last.
    const takes = i.name.endsWith('c')
    const u = (x: bigint): bigint => x & all
    return (_, operands) => {
      const carry = takes ? operands.at(-1) ?? 0n : 0n
      const [a = 0n, b = 0n, c = 0n] = operands
      const sum = i.name.startsWith('sub') ? u(a) - u(b) - carry : i.name.startsWith('add') ? u(a) + u(b) + carry : u(product(a, b)) + u(c) + carry
      return has('cc') ? [u(sum), sum < 0n || sum > all ? 1n : 0n] : [u(sum)]
    }
  }
  switch (i.name) {
    case 'add': return type.endsWith('x2') ? halves((a, b) => a + b) : one((a, b) => fit(v(a) + v(b)))
    case 'sub': return type.endsWith('x2') ? halves((a, b) => a - b) : one((a, b) => fit(v(a) - v(b)))
    case 'mul': return one((a, b) => (wide ? (v(a) * v(b)) & wideAll : product(a, b) & all))
    case 'mad': return one((a, b, c) => (wide ? (v(a) * v(b) + c) & wideAll : fit(product(a, b) + v(c))))
    case 'mul24': return one((a, b) => ((sign24(a) * sign24(b)) >> (has('hi') ? 16n : 0n)) & all)
    case 'mad24': return one((a, b, c) => {
      const p = (sign24(a) * sign24(b)) >> (has('hi') ? 16n : 0n)
      return fit((has('sat') ? signed(p, 32) : p) + v(c))
    })
    case 'sad': return one((a, b, c) => (c + (v(a) < v(b) ? v(b) - v(a) : v(a) - v(b))) & all)
    case 'div': return one((a, b) => (b === 0n ? all : (v(a) / v(b)) & all))
    case 'rem': return one((a, b) => (b === 0n ? a : (v(a) % v(b)) & all))
    case 'abs': return one((a) => (v(a) < 0n ? -v(a) : v(a)) & all)
    case 'neg': return one((a) => -v(a) & all)
    case 'min': return type.endsWith('x2') ? halves(least) : one((a, b) => least(v(a), v(b)) & all)
    case 'max': return type.endsWith('x2') ? halves(most) : one((a, b) => most(v(a), v(b)) & all)
    case 'popc': return one(popcount)
    case 'clz': return one((a) => BigInt(bits - bitLength(a)))
    case 'bfind': return one((a) => {
      const x = s && v(a) < 0n ? ~a & all : a
      return x === 0n ? 0xffffffffn : BigInt(has('shiftamt') ? bits - bitLength(x) : bitLength(x) - 1)
    })
    case 'fns': return one((a, b, c) => nthSet(a, Number(b & 31n), signed(c, 32)))
    case 'brev': return one((a) => BigInt(`0b${[...a.toString(2).padStart(bits, '0')].reverse().join('')}`))
    case 'bfe': return one((a, b, c) => extract(a, bits, Number(b & 255n), Number(c & 255n), s))
    case 'bfi': return one((a, b, c, d) => insert(a, b, bits, Number(c & 255n), Number(d & 255n)))
    case 'bmsk': return one((a, b) => {
      const [at, count] = has('wrap') ? [a & 31n, b & 31n] : [a, b]
      let d = 0n
      for (let k = 0n; k < 32n; k++) if (k >= at && k < at + count) d |= 1n << k
      return d
    })
    case 'szext': return one((a, b) => {
      const n = has('wrap') ? b & 31n : b
      if (n >= 32n) return a
      const field = a & mask(Number(n))
      return (s && n > 0n ? signed(field, Number(n)) : field) & all
    })
    case 'dp4a':
    case 'dp2a': return one((a, b, c) => {
      const [ta = '', tb = ''] = types(i)
      let sum = c
      for (let k = 0; k < (i.name === 'dp4a' ? 4 : 2); k++) {
        const x = i.name === 'dp4a' ? byte(a, k) : (a >> BigInt(16 * k)) & 0xffffn
        const y = byte(b, i.name === 'dp4a' ? k : k + (has('hi') ? 2 : 0))
        sum += (isSigned(ta) ? signed(x, i.name === 'dp4a' ? 8 : 16) : x) * (isSigned(tb) ? signed(y, 8) : y)
      }
      return sum & all
    })
    case 'and': return one((a, b) => a & b)
    case 'or': return one((a, b) => a | b)
    case 'xor': return one((a, b) => a ^ b)
    case 'not': return one((a) => a ^ all)
    case 'cnot': return one((a) => (a === 0n ? 1n : 0n))
    case 'lop3': return (_, [a = 0n, b = 0n, c = 0n, table = 0n, p = 0n]) => {
      let d = 0n
      for (let k = 0; k < 32; k++) d |= bit(table, Number(bit(a, k) * 4n + bit(b, k) * 2n + bit(c, k))) << BigInt(k)
      if (i.row.kind !== 'LOP3P') return [d]
      const any = d !== 0n ? 1n : 0n
      return [d, has('and') ? any & p : any | p]
    }
    case 'shl': return one((a, n) => (n >= BigInt(bits) ? 0n : (a << n) & all))
    case 'shr': return one((a, n) => (v(a) >> (n > 64n ? 64n : n)) & all)
    case 'shf': return one((a, b, c) => {
      const n = has('wrap') ? c & 31n : c > 32n ? 32n : c
      const both = (b << 32n) | a
      return has('l') ? ((both << n) >> 32n) & all : (both >> n) & all
    })
    case 'prmt': return one((a, b, c) => permute(i.groups[0] ?? '', a, b, c))
    case 'selp': return one((a, b, p) => (p ? a : b))
    case 'mov': return one((a) => a)
    case 'mapa': return one((a) => a) // a cluster of one block: its own address
    case 'getctarank': return one(() => 0n)
    default: return undefined
  }
}
