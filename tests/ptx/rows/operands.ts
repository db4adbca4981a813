// Operands for the arithmetic's tests: edge values of each type, bits at random, and values that stand in a telling
// relation to the operand before (equal, opposite, next to it, of a near exponent).
import { mask } from './exact.ts'
import { bitsOf, formatOf, widthOf } from './instruction.ts'

/** xorshift128+ on 32-bit halves; every draw of one seed repeats. */
export class Random {
  private a: number
  private b: number
  constructor(seed: number) {
    this.a = (seed * 2654435761) >>> 0 || 1
    this.b = (seed ^ 0x9e3779b9) >>> 0 || 2
    for (let k = 0; k < 8; k++) this.word()
  }
  word(): number {
    let t = this.a
    const s = this.b
    this.a = s
    t ^= t << 13
    t ^= t >>> 17
    this.b = (t ^ s ^ (s >>> 5) ^ (t << 7)) >>> 0
    return (Math.imul(this.b, 0x9e3779b1) + this.a) >>> 0
  }
  below(n: number): number { return this.word() % n }
  bits(n: number): bigint { return ((BigInt(this.word()) << 32n) | BigInt(this.word())) & mask(n) }
  pick<T>(list: readonly T[]): T { return list[this.below(list.length)] as T }
}

const integerEdges = (bits: number): bigint[] => {
  const counts = [0n, 1n, 2n, 3n, 7n, 8n, 15n, 16n, 17n, 23n, 24n, 31n, 32n, 33n, 63n, 64n, 65n, 127n, 128n, 255n, 256n]
  const top = 1n << BigInt(bits - 1)
  return [...counts, top - 1n, top, top + 1n, mask(bits) - 1n, mask(bits), 0x5555555555555555n, 0xaaaaaaaaaaaaaaaan, 0x00ff00ff00ff00ffn].map((x) => x & mask(bits))
}

function floatEdges(type: string): bigint[] {
  const f = formatOf(type)
  if (!f) return []
  const m = BigInt(f.fraction)
  const inf = mask(f.exponent) << m
  const bias = BigInt((1 << (f.exponent - 1)) - 1)
  const at = (exponent: bigint, fraction = 0n): bigint => ((bias + exponent) << m) | fraction
  const positive = [
    0n, 1n, 2n, mask(f.fraction), 1n << (m - 1n), 1n << m, (1n << m) + 1n, // zero, subnormals, the least normals
    at(0n), at(0n, 1n), at(-1n), at(-1n, mask(f.fraction)), at(0n, 1n << (m - 1n)), at(1n), at(1n, 1n), // around 1
    at(0n) - 1n, inf - 1n, inf - 2n, inf, inf | (1n << (m - 1n)), inf | 1n, inf | mask(f.fraction), // the largest, infinity, NaNs with payloads
    at(m), at(m + 1n, 1n), at(m - 1n, 1n), at(4n, 0x3n << (m - 5n)), // whole, odd, halves
  ]
  // Where conversions saturate or round: the ends of the integer types and the narrower formats' least and largest.
  for (const e of [7n, 8n, 15n, 16n, 31n, 32n, 63n, 64n, -14n, -24n, -25n, -126n, -133n, -134n, -149n, -150n, 127n]) if (e < bias && e > -bias) positive.push(at(e), at(e) - 1n, at(e, 1n))
  return positive.flatMap((x) => [x, x | (1n << BigInt(f.bits - 1))])
}

const made = new Map<string, bigint[]>()
export function edges(type: string): bigint[] {
  let list = made.get(type)
  if (!list) {
    if (type.endsWith('x2')) {
      const half = edges(type.slice(0, -2) in bitsOf ? type.slice(0, -2) : 'b16')
      list = half.map((x, k) => x | ((half[(k * 7 + 3) % half.length] ?? 0n) << 16n))
    } else {
      const floating = floatEdges(type)
      list = floating.length ? floating : type === 'b32' || type === 'b64' || type === 'b16' ? [...integerEdges(widthOf(type)), ...edges(`f${widthOf(type)}`).slice(0, 12)] : integerEdges(widthOf(type))
    }
    made.set(type, list)
  }
  return list
}

/** One operand. `before` is the operand before it, of the same type, where there is one. */
export function operand(random: Random, type: string, before: bigint | undefined): bigint {
  const bits = widthOf(type)
  if (type === 'pred') return BigInt(random.below(2))
  const choice = random.below(before === undefined ? 5 : 8)
  const f = formatOf(type)
  switch (choice) {
    case 0:
    case 1: return random.pick(edges(type))
    case 2: return random.bits(bits)
    case 3: return random.bits(bits) >> BigInt(random.below(bits))
    case 4: {
      if (!f) return random.bits(bits)
      // Near 1: products and sums that round.
      const bias = (1 << (f.exponent - 1)) - 1
      const e = bias + random.below(24) - 12
      return (random.bits(bits) & (mask(f.fraction) | (1n << BigInt(bits - 1)))) | (BigInt(Math.max(1, Math.min(e, 2 * bias))) << BigInt(f.fraction))
    }
    case 5: return before ?? 0n
    case 6: return (before ?? 0n) ^ (f ? 1n << BigInt(bits - 1) : mask(bits))
    default: return ((before ?? 0n) + BigInt(random.below(5)) - 2n + (f ? BigInt(random.below(9) - 4) << BigInt(f.fraction) : 0n)) & mask(bits)
  }
}
