// The engine's instruction table as the tests see it: rows, their spellings, and the operands that each spelling takes.
import { BF16, F16, F32, F64, type Format } from './exact.ts'

export interface Row {
  index: number
  kind: string
  pattern: string
  operands: string
  section: string
  /** What stands between the dots: a word that must, or the words of a group, of which one must or may. */
  parts: { words: string[]; optional: boolean; group: boolean }[]
  name: string
}

export interface Operand {
  role: string
  type: string
  optional: boolean
}

/** One spelling of a row: its words, and which alternative each group has ('' where it is left out). */
export interface Instruction {
  row: Row
  spelling: string
  name: string
  words: Set<string>
  groups: string[]
  operands: Operand[]
}

export const bitsOf: Readonly<Record<string, number>> = {
  b8: 8, u8: 8, s8: 8, b16: 16, u16: 16, s16: 16, f16: 16, bf16: 16, b32: 32, u32: 32, s32: 32, f32: 32, tf32: 32, f16x2: 32, bf16x2: 32, u16x2: 32, s16x2: 32,
  b64: 64, u64: 64, s64: 64, f64: 64, f32x2: 64, pred: 1, e4m3x2: 16, e5m2x2: 16, b128: 128, any: 32,
}
export const widthOf = (type: string): number => {
  const bits = bitsOf[type]
  if (bits === undefined) throw new Error(`type .${type} is not known to the tests: add it to tests/ptx/rows/instruction.ts`)
  return bits
}
export const formatOf = (type: string): Format | undefined => ({ f16: F16, bf16: BF16, f32: F32, f64: F64 })[type]
export const isSigned = (type: string): boolean => type.startsWith('s')

export function parseTable(text: string): Row[] {
  return text.trimEnd().split('\n').map((line, index) => {
    const [kind = '', pattern = '', operands = '', section = ''] = line.split('\t')
    const name = /^[^.[{]*/.exec(pattern)?.[0] ?? ''
    const parts = [...pattern.slice(name.length).matchAll(/\.([^.[{]+)|\[([^\]]*)\]|\{([^}]*)\}/g)].map(([, word, optional, group]) =>
      word !== undefined ? { words: [word], optional: false, group: false }
      : { words: (optional ?? group ?? '').split(',').map((each) => each.slice(1)), optional: optional !== undefined, group: true })
    return { index, kind, pattern, operands, section, parts, name }
  })
}

const wide: Readonly<Record<string, string>> = { u16: 'u32', s16: 's32', u32: 'u64', s32: 's64' }

export function instruction(row: Row, choice: string[]): Instruction {
  const groups: string[] = []
  const words: string[] = []
  row.parts.forEach((part, i) => {
    const word = choice[i] ?? ''
    if (part.group) groups.push(word)
    if (word) words.push(word)
  })
  const operands = row.operands.split(' ').filter((text) => /^[A-Z]/.test(text)).map((text) => {
    const optional = text.endsWith('?')
    const notation = text.slice(1, optional ? -1 : undefined)
    const type = /^\d$/.test(notation) ? (groups[Number(notation)] ?? '') : /^w\d$/.test(notation) ? (wide[groups[Number(notation[1])] ?? ''] ?? '') : notation
    return { role: text[0] ?? '', type, optional }
  })
  return { row, spelling: [row.name, ...words].join('.'), name: row.name, words: new Set(words), groups, operands }
}

/** Every choice of a row's words. `only` restricts a part to some of its words: (part, words) => words. */
export function* choices(row: Row, only: (words: string[], part: number) => string[] = (words) => words): Generator<string[]> {
  const lists = row.parts.map((part, i) => only(part.optional ? ['', ...part.words] : part.words, i))
  const index = lists.map(() => 0)
  for (;;) {
    yield lists.map((list, i) => list[index[i] ?? 0] ?? '')
    let at = lists.length - 1
    while (at >= 0 && ++index[at]! >= lists[at]!.length) index[at--] = 0
    if (at < 0) return
  }
}

export const spellings = (row: Row): number => row.parts.reduce((n, part) => n * (part.words.length + (part.optional ? 1 : 0)), 1)
