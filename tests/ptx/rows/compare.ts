// setp and set: a comparison, combined with a predicate, as a predicate or as a number.
import { compare, decode, encode, isNaN, number, signed } from './exact.ts'
import { flush } from './float.ts'
import { formatOf, isSigned, widthOf, type Instruction } from './instruction.ts'
import { types, type Reference } from './reference.ts'

const unsignedNames: Readonly<Record<string, string>> = { lo: 'lt', ls: 'le', hi: 'gt', hs: 'ge' }

const comparisons = new Set('eq ne lt le gt ge lo ls hi hs equ neu ltu leu gtu geu num nan'.split(' '))

function holds(op: string, order: -1 | 0 | 1): boolean {
  switch (op) {
    case 'eq': return order === 0
    case 'ne': return order !== 0
    case 'lt': return order < 0
    case 'le': return order <= 0
    case 'gt': return order > 0
    case 'ge': return order >= 0
    default: throw new Error(`no comparison .${op}`)
  }
}

function compared(op: string, type: string, a: bigint, b: bigint, ftz: boolean): boolean {
  const f = formatOf(type)
  if (f === undefined) {
    const bits = widthOf(type)
    const [x, y] = isSigned(type) ? [signed(a, bits), signed(b, bits)] : [a, b]
    return holds(unsignedNames[op] ?? op, x < y ? -1 : x > y ? 1 : 0)
  }
  const [x, y] = ftz ? [decode(f, flush(f, a)), decode(f, flush(f, b))] : [decode(f, a), decode(f, b)]
  const unordered = isNaN(x) || isNaN(y)
  if (op === 'num') return !unordered
  if (op === 'nan') return unordered
  if (unordered) return op.endsWith('u')
  return holds(op.length === 3 ? op.slice(0, 2) : op, compare(x, y))
}

export function compares(i: Instruction): Reference {
  const op = i.groups.find((word) => comparisons.has(word)) ?? '' // GCC writes set's destination type before it
  const bool = ['and', 'or', 'xor'].find((word) => i.words.has(word))
  const all = types(i)
  const type = all.at(-1) ?? ''
  const element = type.endsWith('x2') ? type.slice(0, -2) : type
  const ftz = i.words.has('ftz')
  const with_ = (x: boolean, c: bigint): boolean => (bool === 'and' ? x && c !== 0n : bool === 'or' ? x || c !== 0n : bool === 'xor' ? x !== (c !== 0n) : x)
  const one = (to: string): bigint => {
    const f = formatOf(to)
    return f ? encode(f, number(false, 1n)) : (1n << BigInt(widthOf(to))) - 1n
  }
  return (_, [a = 0n, b = 0n, c = 0n]) => {
    if (element !== type) {
      const [low, high] = [0n, 16n].map((n) => compared(op, element, (a >> n) & 0xffffn, (b >> n) & 0xffffn, ftz)) as [boolean, boolean]
      if (i.name === 'setp') return [with_(low, c) ? 1n : 0n, with_(high, c) ? 1n : 0n]
      const to = one(all[0]?.startsWith('b') || all[0]?.startsWith('f') ? element : 'u16')
      return [(with_(low, c) ? to : 0n) | ((with_(high, c) ? to : 0n) << 16n)]
    }
    const result = compared(op, type, a, b, ftz)
    if (i.name === 'setp') return [with_(result, c) ? 1n : 0n, with_(!result, c) ? 1n : 0n]
    return [with_(result, c) ? one(all[0] ?? '') : 0n]
  }
}
