// What an instruction must give, by its mnemonic: the arithmetic's references of integer.ts, float.ts, compare.ts,
// convert.ts and video.ts in one place.
import type { Instruction } from './instruction.ts'
import { bitsOf } from './instruction.ts'
import { compares } from './compare.ts'
import { conversions } from './convert.ts'
import { floats } from './float.ts'
import { integers } from './integer.ts'
import { videos } from './video.ts'

/** A result is exact, or whatever `ok` accepts. */
export type Want = bigint | { about: string; ok: (got: bigint) => boolean }

/** Operands are raw bits in the order of the row, then the carry; results are the destinations in order, then the carry. */
export type Reference = (i: Instruction, operands: bigint[]) => Want[]

/** The types among an opcode's words, in order. */
export function types(i: Instruction): string[] {
  return i.spelling.split('.').slice(1).filter((word) => word in bitsOf && word !== 'any')
}
export const lastType = (i: Instruction): string => types(i).at(-1) ?? ''

/** A reference, or undefined: then a scenario must execute the row. */
export function referenceOf(i: Instruction): Reference | undefined {
  if (i.operands.some((o) => !'DSPQI'.includes(o.role))) return undefined // addresses, vectors, labels
  if (['CVTRS', 'RANK', 'CANCELLED'].includes(i.row.kind)) return undefined // stochastic.c, clusters.c
  const packed = lastType(i).endsWith('x2')
  if (i.row.kind === 'CVT' || i.name === 'cvt') return conversions(i)
  if (i.row.kind === 'SETP' || i.row.kind === 'SETP2' || i.row.kind === 'SET') return compares(i)
  if (i.row.kind === 'VIDEO') return videos(i)
  return floats(i, packed) ?? integers(i)
}
