// Kernels for instructions that compute lane by lane: one a spelling, its operands from memory, its results to memory,
// all of them compared with the reference.
import { mask, signed } from './exact.ts'
import { isSigned, widthOf, type Instruction } from './instruction.ts'
import { edges, operand, Random } from './operands.ts'
import type { Reference, Want } from './reference.ts'

export const VECTORS = 144
export const SLOTS_IN = 6
export const SLOTS_OUT = 3

export interface Case {
  instruction: Instruction
  reference: Reference
  /** Constants of I operands. */
  constants: bigint[]
  /** The case's own random numbers. */
  seed: number
}

interface Place { type: string; bits: number; name: string }

const classOf = (bits: number): string => (bits === 1 ? 'p' : bits <= 16 ? 'h' : bits === 32 ? 'r' : 'd')

interface Layout {
  sources: Place[]
  destinations: Place[]
  carryIn: boolean
  carryOut: boolean
}

/** Which registers the operands are in. cvt's integers may be in wider ones, which changes with the case. */
function layout(c: Case): Layout {
  const i = c.instruction
  const random = new Random(c.seed)
  const sources: Place[] = []
  const destinations: Place[] = []
  const bitsFor = (type: string): number => {
    const bits = Math.max(widthOf(type), type === 'pred' ? 1 : 16)
    return i.name === 'cvt' && /^[us]/.test(type) && !i.words.has('pack') ? random.pick([16, 32, 64].filter((each) => each >= bits)) : bits
  }
  for (const o of i.operands) {
    if (o.role === 'D' || o.role === 'P' || o.role === 'Q') {
      const bits = bitsFor(o.type)
      destinations.push({ type: o.type, bits, name: `%${classOf(bits)}${destinations.length}` })
      if (o.role === 'P' && i.row.kind !== 'LOP3P' && !/\bb?f16$/.test(i.spelling)) destinations.push({ type: 'pred', bits: 1, name: '%p1' })
      if (o.role === 'P' && i.row.kind === 'LOP3P') destinations.unshift({ type: 'b32', bits: 32, name: '%r0' })
      if (o.role === 'Q') destinations.push({ type: 'pred', bits: 1, name: '%p1' })
    } else if (o.role === 'S' && !o.optional) {
      const bits = bitsFor(o.type)
      sources.push({ type: o.type, bits, name: `%${classOf(bits)}${4 + sources.length}` })
    }
  }
  const carry = i.row.section.startsWith('Extended')
  return { sources, destinations, carryIn: carry && i.name.endsWith('c'), carryOut: carry && i.words.has('cc') }
}

export function kernel(c: Case, name: string): string {
  const i = c.instruction
  const { sources, destinations, carryIn, carryOut } = layout(c)
  const lines: string[] = []
  const load = (place: Place, slot: number): void => {
    if (place.bits === 1) lines.push(`ld.global.b32 %r30, [%d30+${8 * slot}]; setp.ne.b32 ${place.name}, %r30, 0;`)
    else lines.push(`ld.global.b${place.bits} ${place.name}, [%d30+${8 * slot}];`)
  }
  sources.forEach(load)
  const sub = i.name.startsWith('sub')
  const wide = i.spelling.endsWith('64')
  const [carryType, carryRegister] = wide ? ['u64', '%d29'] : ['u32', '%r29']
  if (carryIn) {
    lines.push(`ld.global.b${wide ? 64 : 32} ${carryRegister}, [%d30+${8 * sources.length}];`)
    lines.push(sub ? `sub.cc.${carryType} ${carryRegister}, 0, ${carryRegister};` : `add.cc.${carryType} ${carryRegister}, ${carryRegister}, ${wide ? '0xffffffffffffffff' : '0xffffffff'};`)
  }
  let constant = 0
  let source = 0
  let first = true
  const operands = i.operands.filter((o) => !o.optional).map((o) => {
    if (o.role === 'I') return String(c.constants[constant++] ?? 0n)
    if (o.role === 'S') return sources[source++]?.name ?? ''
    const text = first && destinations.length > 1 && o.role !== 'D' ? `${destinations[0]?.name}|${destinations[1]?.name}` : (destinations[0]?.name ?? '')
    first = false
    return text
  })
  lines.push(`${i.spelling} ${operands.join(', ')};`)
  if (carryOut) lines.push(`${sub ? 'subc' : 'addc'}.${carryType} ${carryRegister}, 0, 0;`)
  destinations.forEach((place, slot) => {
    if (place.bits === 1) lines.push(`selp.b64 %d28, 1, 0, ${place.name}; st.global.b64 [%d31+${8 * slot}], %d28;`)
    else lines.push(`st.global.b${place.bits} [%d31+${8 * slot}], ${place.name};`)
  })
  if (carryOut) lines.push(`st.global.b${wide ? 64 : 32} [%d31+${8 * destinations.length}], ${carryRegister};`)
  return `.visible .entry ${name}(.param .u64 in, .param .u64 out) {
.reg .pred %p<16>; .reg .b16 %h<16>; .reg .b32 %r<32>; .reg .b64 %d<32>;
ld.param.u64 %d30, [in]; ld.param.u64 %d31, [out];
mov.u32 %r30, %ctaid.x; mov.u32 %r31, %tid.x; mad.lo.u32 %r30, %r30, 48, %r31;
mad.wide.u32 %d30, %r30, ${8 * SLOTS_IN}, %d30; mad.wide.u32 %d31, %r30, ${8 * SLOTS_OUT}, %d31;
${lines.join('\n')}
ret;
}
`
}

/** The operands of every vector, as the kernel loads them. */
export function fillOperands(c: Case, into: BigUint64Array): void {
  const { sources, carryIn } = layout(c)
  const random = new Random(c.seed + 1)
  for (let v = 0; v < VECTORS; v++) {
    let before: bigint | undefined
    sources.forEach((place, slot) => {
      const list = sources.length === 1 && place.type !== 'pred' ? edges(place.type) : []
      let x = v < list.length ? (list[v] ?? 0n) : operand(random, place.type, slot > 0 && sources[slot - 1]?.type === place.type ? before : undefined)
      before = x
      // Bits of a wider register that the instruction must not see.
      if (place.bits > widthOf(place.type) && place.bits !== 1) x |= random.bits(place.bits) & ~mask(widthOf(place.type))
      into[v * SLOTS_IN + slot] = x
    })
    if (carryIn) into[v * SLOTS_IN + sources.length] = BigInt(random.below(2))
  }
}

/** Compares; the first difference in words, or undefined. */
export function check(c: Case, operands: BigUint64Array, results: BigUint64Array): string | undefined {
  const { sources, destinations, carryIn, carryOut } = layout(c)
  const last = c.instruction.operands.filter((o) => o.role === 'S' && !o.optional)
  // Constants stand where the row has them.
  const order = c.instruction.operands.filter((o) => (o.role === 'S' || o.role === 'I') && !o.optional)
  for (let v = 0; v < VECTORS; v++) {
    const values = sources.map((place, slot) => (operands[v * SLOTS_IN + slot] ?? 0n) & mask(widthOf(place.type)))
    let [s, k] = [0, 0]
    const args = order.map((o) => (o.role === 'I' ? (c.constants[k++] ?? 0n) : (values[s++] ?? 0n)))
    if (carryIn) args.push(operands[v * SLOTS_IN + last.length] ?? 0n)
    const wants = c.reference(c.instruction, args)
    const places: Place[] = carryOut ? [...destinations, { type: 'u32', bits: -1, name: '' }] : destinations
    for (const [slot, place] of places.entries()) {
      const want: Want | undefined = wants[slot]
      if (want === undefined) return `the reference gives ${wants.length} results, the kernel ${places.length}`
      let got = results[v * SLOTS_OUT + slot] ?? 0n
      let ok: boolean
      if (place.bits === -1) {
        // subc of 0 - 0 - carry is all ones.
        got &= 1n
        ok = got === want
      } else {
        const width = widthOf(place.type)
        got &= mask(place.bits)
        const value = typeof want === 'bigint' ? (place.bits > width ? (isSigned(place.type) ? signed(want, width) & mask(place.bits) : want) : want) : want
        ok = typeof value === 'bigint' ? value === got : value.ok(got)
      }
      if (!ok) {
        const hex = (x: bigint): string => `0x${x.toString(16)}`
        const registers = destinations.map((d) => d.name).join(' ')
        return `${c.instruction.spelling} of ${args.map(hex).join(', ')} gives ${hex(got)}, not ${typeof want === 'bigint' ? hex(want) : want.about} (result ${slot}, vector ${v}, registers ${registers})`
      }
    }
  }
  return undefined
}
