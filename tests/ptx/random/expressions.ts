// Random C expressions of a wanted type. Whatever C leaves open (overflow of signed integers, shifts beyond the width,
// division by zero, floats out of an integer's range) is written so that it is not: see common.h.
import type { Random } from '../rows/operands.ts'

export const INTEGERS = ['i8', 'u8', 'i16', 'u16', 'i32', 'u32', 'i64', 'u64'] as const
export const FLOATS = ['f32', 'f64'] as const
export type Type = (typeof INTEGERS)[number] | (typeof FLOATS)[number]
export const bitsOf = (type: Type): number => Number(type.slice(1))
const isFloat = (type: Type): boolean => type.startsWith('f')
const isSigned = (type: Type): boolean => type.startsWith('i')

export interface Variable { name: string; type: Type }
export interface Table { name: string; type: Type; size: number; writable: boolean }
/** A function that can be called: what it wants after the mask and the depth, where it wants them. */
export interface Callable { name: string; result: Type; parameters: string[]; masked: boolean; deep: boolean; cost: number }

export const STRUCTS: Record<string, [string, Type][]> = {
  pair: [['a', 'i8'], ['b', 'i64'], ['c', 'u16'], ['d', 'f32']],
  triple: [['x', 'u32'], ['y', 'u32'], ['z', 'u32']],
  wide: [['p', 'f64'], ['q', 'f64'], ['r', 'u8']],
  bits: [['a', 'u32'], ['b', 'i32'], ['c', 'u32'], ['d', 'u64'], ['e', 'i64']],
}

/** What an expression can name where it stands. */
export interface Names { variables: Variable[]; readable: Variable[]; tables: Table[]; structs: { name: string; kind: string }[]; words: string[] }

/** Program features: level 0 is what sm_35 has, 1 sm_70 (lanes named by masks), 2 sm_80 (gates, matrix products), 3 sm_90 (bulk copies). */
export interface Features { level: 0 | 1 | 2 | 3; floats: boolean }

export class Expressions {
  constructor(readonly random: Random, readonly features: Features) {}

  type(): Type {
    return this.features.floats && this.random.below(4) === 0 ? this.random.pick(FLOATS) : this.random.pick(INTEGERS)
  }

  literal(type: Type): string {
    const r = this.random
    const bits = bitsOf(type)
    if (isFloat(type)) {
      const edges = type === 'f32' ? ['00000000', '80000000', '00000001', '807fffff', '00800000', '3f800000', '3f7fffff', '7f7fffff', '7f800000', 'ff800000', '7fc00000', '4f000000', '4b800001'] : ['0000000000000000', '8000000000000000', '0000000000000001', '800fffffffffffff', '3ff0000000000000', '7fefffffffffffff', 'fff0000000000000', '7ff8000000000000', '41e0000000000000', '43e0000000000000', '4340000000000001', '36a0000000000000', '47efffffe0000000']
      if (r.below(3) === 0) return `float_${type}(0x${r.pick(edges)}${type === 'f32' ? 'u' : 'ull'})`
      return `(${type})${(r.below(20001) - 10000) / r.pick([1, 1, 4, 7, 1000])}`
    }
    const top = 1n << BigInt(bits - 1)
    const value = r.pick([0n, 1n, 2n, 3n, BigInt(bits), BigInt(bits - 1), top, top - 1n, top + 1n, 2n * top - 1n, r.bits(bits), r.bits(bits), r.bits(8) & (2n * top - 1n)])
    return `(${type})0x${value.toString(16)}ull`
  }

  /** `text` of type `from`, as `to`. */
  convert(text: string, from: Type, to: Type): string {
    if (from === to) return text
    return isFloat(from) && !isFloat(to) ? `to_${to}_${from}(${text})` : `(${to})(${text})`
  }

  private leaf(type: Type, names: Names): string {
    const r = this.random
    const choice = r.below(12)
    if (choice < 5 && names.variables.length + names.readable.length) {
      const all = [...names.variables, ...names.readable]
      const same = all.filter((v) => v.type === type)
      const v = same.length && r.below(3) ? r.pick(same) : r.pick(all)
      return this.convert(v.name, v.type, type)
    }
    if (choice < 7 && names.tables.length) {
      const t = r.pick(names.tables)
      return this.convert(`${t.name}[${this.index(t.size, names)}]`, t.type, type)
    }
    if (choice === 7 && names.structs.length) {
      const s = r.pick(names.structs)
      const [field, of] = r.pick(STRUCTS[s.kind] as [string, Type][])
      return this.convert(`${s.name}.${field}`, of, type)
    }
    if (choice === 8 && names.words.length) return this.convert(r.pick(names.words), 'u32', type)
    return this.literal(type)
  }

  /** Less than `size`, a power of two. */
  index(size: number, names: Names): string {
    const simple = names.variables.filter((v) => !isFloat(v.type))
    return simple.length && this.random.below(4) ? `(u32)${this.random.pick(simple).name} & ${size - 1}` : `${this.random.below(size)}`
  }

  /** 0 or 1, and no more than a comparison or two. */
  condition(depth: number, names: Names): string {
    const r = this.random
    const type = this.type()
    const one = `(${this.make(type, depth, names)}) ${r.pick(['<', '<=', '>', '>=', '==', '!='])} (${this.make(type, depth, names)})`
    switch (r.below(5)) {
      case 0: return `(${one}) ${r.pick(['&&', '||'])} ${this.condition(depth - 1, names)}`
      case 1: return `!(${one})`
      case 2: return `((u32)${this.make('u64', depth - 1, names)} & ${r.pick([1, 2, 3, 8, 17])}) ${r.pick(['==', '!='])} 0`
      default: return one
    }
  }

  make(type: Type, depth: number, names: Names): string {
    const r = this.random
    if (depth <= 0 || r.below(8) === 0) return this.leaf(type, names)
    const sub = (t: Type = type): string => this.make(t, depth - 1, names)
    if (r.below(6) === 0) {
      const from = this.type()
      return this.convert(`(${sub(from)})`, from, type)
    }
    if (r.below(10) === 0) return `((${this.condition(depth - 1, names)}) ? ${sub()} : ${sub()})`
    if (isFloat(type)) {
      switch (r.below(12)) {
        case 0: return `(${sub()} / ${sub()})`
        case 1: return `FMA_${type}(${sub()}, ${sub()}, ${sub()})`
        case 2: return `sqrt_${type}(${sub()})`
        case 3: return `${r.pick(['FLOOR', 'CEIL', 'TRUNC', 'ABS'])}_${type}(${sub()})`
        case 4: return `near_${type}(${sub()})`
        case 5: return type === 'f32' ? `fma_rz(${sub()}, ${sub()}, ${sub()})` : `fma_rp(${sub()}, ${sub()}, ${sub()})`
        case 6: return `(-${sub()})`
        default: return `(${sub()} ${r.pick(['+', '-', '*'])} ${sub()})`
      }
    }
    const bits = bitsOf(type)
    const wide = bits === 64 ? 'u64' : 'u32'
    const unsigned = `u${bits}` as Type
    switch (r.below(15)) {
      case 0: return `${r.pick(['div', 'rem'])}_${type}(${sub()}, ${sub()})`
      case 1: return `(${type})${r.pick(['shift', 'rotate'])}_${unsigned}((${unsigned})${sub()}, (u32)${sub('u32')} & ${r.pick([7, 31, 63, 127])})`
      case 2: return `unshift_${type}(${sub()}, (u32)${sub('u32')} & ${r.pick([7, 31, 63, 127])})`
      case 3: return `(${type})(~${sub()})`
      case 4: return `(${type})(0 - (${wide})${sub()})`
      case 5: return `(${type})(${this.condition(depth - 1, names)})`
      case 6: return this.special(type, sub)
      case 7: {
        const [a, b] = [sub(), sub()]
        return `(${a} ${r.pick(['<', '>'])} ${b} ? ${a} : ${b})`
      }
      case 8: return `(${type})((${wide})${sub()} << ${r.below(bits)})`
      case 9: return `(${type})(${sub()} >> ${r.below(bits)})`
      default: return `(${type})((${wide})${sub()} ${r.pick(['+', '-', '*', '&', '|', '^'])} (${wide})${sub()})`
    }
  }

  /** What has an instruction of its own. */
  private special(type: Type, sub: (t: Type) => string): string {
    const r = this.random
    const of = (t: Type, text: string): string => this.convert(text, t, type)
    const modern = this.features.level > 0
    switch (r.below(modern ? 24 : 20)) {
      case 0: return of('u32', `popc_u32(${sub('u32')})`)
      case 1: return of('u32', `popc_u64(${sub('u64')})`)
      case 2: return of('u32', `clz_u32(${sub('u32')})`)
      case 3: return of('u32', `clz_u64(${sub('u64')})`)
      case 4: return of('u32', `brev_u32(${sub('u32')})`)
      case 5: return of('u64', `brev_u64(${sub('u64')})`)
      case 6: return of('u32', `find_${isSigned(type) ? `i32((i32)${sub('i32')})` : `u32(${sub('u32')})`}`)
      case 7: return of('u32', `prmt(${sub('u32')}, ${sub('u32')}, ${sub('u32')} & 0xffff)`)
      case 8: return of('u32', `sad_u32(${sub('u32')}, ${sub('u32')}, ${sub('u32')})`)
      case 9: return of('i32', `sad_i32(${sub('i32')}, ${sub('i32')}, ${sub('i32')})`)
      case 10: return of('u32', `bfe_u32(${sub('u32')}, ${sub('u32')}, ${sub('u8')})`)
      case 11: return of('u64', `bfe_u64(${sub('u64')}, ${sub('u8')}, ${sub('u8')})`)
      case 12: return of('i32', `bfe_i32(${sub('i32')}, ${sub('u8')} & 63, ${sub('u8')} & 63)`)
      case 13: return of('u32', `bfi(${sub('u32')}, ${sub('u32')}, ${sub('u8')} & 63, ${sub('u8')} & 63)`)
      case 14: return of('u32', `mad24(${sub('u32')}, ${sub('u32')}, ${sub('u32')})`)
      case 15: return of('i32', `madhi(${sub('i32')}, ${sub('i32')}, ${sub('i32')})`)
      case 16: { const t = r.pick(['i32', 'u32', 'i64', 'u64'] as Type[]); return of(t, `mulhi_${t}(${sub(t)}, ${sub(t)})`) }
      case 17: return of('u64', `wide_sum(${sub('u64')}, ${sub('u64')}, ${sub('u64')}, ${sub('u64')})`)
      case 18: return of('u64', `wide_shift(${sub('u64')}, ${sub('u64')}, ${sub('u32')})`)
      case 19: return of('u32', `funnel(${sub('u32')}, ${sub('u32')}, ${sub('u32')})`)
      case 20: return of('u32', `shf(${sub('u32')}, ${sub('u32')}, ${sub('u32')})`)
      case 21: return of('i32', `dp4a(${sub('i32')}, ${sub('i32')}, ${sub('i32')})`)
      default: return of('u32', `lop(${sub('u32')}, ${sub('u32')}, ${sub('u32')})`)
    }
  }
}
