// Wrong uses of each row: an operand too few and too many, registers of another width and of another kind, names that are
// not declared, a constant where the result goes, words that are missing, doubled or unknown, versions and targets too old.
import { choices, instruction, widthOf, type Instruction, type Operand, type Row } from './instruction.ts'

export interface Refusal {
  text: string
  /** What is wrong, and the instruction, whose words the log must have. */
  what: string
  opcode: string
  line: number
}

const HEAD = (version: string, target: string): string => `.version ${version}\n.target ${target}\n.address_size 64\n`
const registers = `.reg .pred %p<8>; .reg .b16 %h<8>; .reg .b32 %r<8>; .reg .b64 %d<8>; .reg .u32 %ui<8>; .reg .f32 %f<8>; .reg .u64 %ul<8>; .reg .f64 %fd<8>;`

function whole(line: string, what: string, opcode: string, version = '9.0', target = 'sm_100a'): Refusal {
  if (/^(shfl|vote)\.(?!sync)/.test(opcode) && version === '9.0') return whole(line, what, opcode, '6.3', 'sm_70') // gone since
  if (/^(shfl|vote)\.(?!sync)/.test(line) && version === '9.0') [version, target] = ['6.3', 'sm_70']
  const text = `${HEAD(version, target)}.global .align 16 .b8 memory[64];\n.visible .entry k() {\n${registers}\n${line}\nret;\n}\n`
  return { text, what: `${what}: ${line}`, opcode, line: 7 }
}

const classOf = (bits: number): string => (bits === 1 ? '%p' : bits <= 16 ? '%h' : bits === 32 ? '%r' : '%d')

/** A right operand of plain roles; undefined for others. */
function right(o: Operand, n: number): string | undefined {
  switch (o.role) {
    case 'D':
    case 'S':
    case 'Q': return `${classOf(widthOf(o.type))}${n}`
    case 'P': return '%p1'
    case 'I': return '5'
    case 'A': return '[%d5]'
    default: return undefined
  }
}

/** Another width, and another kind where the type has one. */
function wrongRegisters(o: Operand): string[] {
  const bits = widthOf(o.type)
  const list = ['%p2', '%h2', '%r2', '%d2'].filter((name) => name[1] !== classOf(bits)[1])
  if (o.type === 'u32' || o.type === 's32') list.push('%f2')
  if (o.type === 'u64' || o.type === 's64') list.push('%fd2')
  if (o.type === 'f32') list.push('%ui2')
  if (o.type === 'f64') list.push('%ul2')
  return list
}

const kinds = new Set(['ALU', 'RNDALU', 'SETP', 'SET', 'CVT', 'LOP3P', 'VOTE', 'MATCH', 'REDUX', 'SHFL', 'VIDEO', 'NOP', 'ISSPACEP', 'CVTA', 'WARPSYNC', 'BAR', 'BARRED', 'ATOM', 'ELECT'])

/** The same for all orders of an opcode's words: they mean the same. */
export const anyOrder = (opcode: string): string => opcode.split('.').sort().join('.')

/** Wrong uses of some spellings of a row, `spellings` being all that are right (as anyOrder gives them); none for rows whose operands are no plain registers. */
export function refusalsOf(row: Row, spellings: Set<string>): Refusal[] {
  if (!kinds.has(row.kind)) return []
  const all: Instruction[] = []
  let n = 0
  for (const choice of choices(row)) {
    if (n++ % 97 === 0) all.push(instruction(row, choice)) // some of each row
    if (all.length === 4) break
  }
  const list: Refusal[] = []
  for (const i of all) {
    if (i.words.has('v2') || i.words.has('v4') || i.words.has('v8') || i.spelling.includes('b128')) continue
    const wanted = i.operands.filter((o) => !o.optional)
    const operands = wanted.map(right)
    if (operands.some((o) => o === undefined)) continue
    const good = operands as string[]
    const line = (list_: string[], opcode = i.spelling): string => `${opcode}${list_.length ? ' ' : ''}${list_.join(', ')};`
    if (good.length) list.push(whole(line(good.slice(0, -1)), 'an operand too few', i.spelling))
    list.push(whole(line([...good, '%r7', '%r7', '%r7']), 'operands too many', i.spelling))
    wanted.forEach((o, k) => {
      const put = (name: string): string[] => good.map((each, j) => (j === k ? name : each))
      const plain = o.role === 'S' || o.role === 'D'
      if (plain && row.kind !== 'CVT' && o.type !== 'any') for (const name of wrongRegisters(o)) list.push(whole(line(put(name)), `a register of another type as operand ${k + 1}`, i.spelling))
      if (plain) list.push(whole(line(put('%nothing')), `an undeclared register as operand ${k + 1}`, '%nothing'))
      if (o.role === 'D') list.push(whole(line(put('5')), 'a constant as the result', i.spelling))
      if (plain) list.push(whole(line(put('{%r1,%r2}')), `a vector as operand ${k + 1}`, i.spelling))
      if (o.role === 'I') list.push(whole(line(put('%r1')), 'a register for a constant', i.spelling))
      if (o.role === 'A') list.push(whole(line(put('%d5')), 'a register for an address', i.spelling))
    })
    const opcodes = [`${i.spelling}.bogus`, ...[...i.words].map((word) => `${i.spelling}.${word}`)]
    const words = i.spelling.split('.')
    for (let k = 1; k < words.length; k++) opcodes.push(words.filter((_, j) => j !== k).join('.'))
    for (const opcode of new Set(opcodes)) if (!spellings.has(anyOrder(opcode))) list.push(whole(line(good, opcode), 'words that make no instruction', opcode))
  }
  return list
}

/** Instructions in texts that are too old for them, for too old a target, or too new. */
export function tooOld(): Refusal[] {
  const old: [string, string, string][] = [
    ['activemask.b32 %r1;', '6.1', 'sm_70'], ['bmsk.clamp.b32 %r1, %r2, %r3;', '7.5', 'sm_80'], ['bmsk.clamp.b32 %r1, %r2, %r3;', '7.6', 'sm_60'], ['redux.sync.add.s32 %r1, %r2, %r3;', '7.0', 'sm_75'],
    ['match.any.sync.b32 %r1, %r2, %r3;', '6.0', 'sm_60'], ['elect.sync %r1|%p1, %r2;', '8.0', 'sm_80'], ['cp.async.wait_all;', '7.0', 'sm_75'],
    ['nanosleep.u32 %r1;', '6.2', 'sm_70'], ['nanosleep.u32 %r1;', '6.3', 'sm_60'], ['lop3.b32 %r1, %r2, %r3, %r4, 5;', '4.2', 'sm_50'], ['dp4a.u32.u32 %r1, %r2, %r3, %r4;', '5.0', 'sm_60'],
    ['shfl.sync.up.b32 %r1, %r2, %r3, %r4, %r5;', '5.0', 'sm_60'], ['shfl.up.b32 %r1, %r2, %r3, %r4;', '6.4', 'sm_70'], ['vote.any.pred %p1, %p2;', '7.0', 'sm_80'], ['fence.sc.gpu;', '6.0', 'sm_60'],
    ['tanh.approx.f32 %r1, %r2;', '7.0', 'sm_70'], ['barrier.cluster.arrive;', '7.8', 'sm_80'], ['mapa.u32 %r1, %r2, %r3;', '7.8', 'sm_80'],
  ]
  return old.map(([line, version, target]) => whole(line, `.version ${version}, .target ${target}`, line.split(/[ ;]/)[0] ?? '', version, target))
}

/** What is wrong around instructions. */
export function aroundInstructions(): Refusal[] {
  const body = (lines: string, what: string, opcode: string, line = 7): Refusal => ({ ...whole(lines, what, opcode), line })
  return [
    body('L: add.u32 %r1, %r2, %r3;\nL: ret;', 'a label twice', "'L'", 8),
    body('.reg .b32 %once;\n.reg .b64 %once;', 'a register twice', "'%once'", 8),
    body('.local .b8 v[4];\n.local .b8 v[8];', 'a variable twice', "'v'", 8),
    body('bra NOWHERE;', 'a label that is not there', 'NOWHERE'),
    body('@%r1 add.u32 %r1, %r2, %r3;', 'a guard that is no predicate', '%r1'),
    body('@%p9 add.u32 %r1, %r2, %r3;', 'a guard that is not declared', '%p9'),
    body('{ .reg .b32 %inner; }\nmov.b32 %inner, 1;', 'a name beyond its block', '%inner', 8),
    body('call nothing, ();', 'a function that is not declared', 'nothing'),
    body('ld.global.u32 %r1, [nothing];', 'a variable that is not declared', 'nothing'),
    body('ld.shared.u32 %r1, [memory];', 'a variable of another space', "'memory'"),
    body('st.const.u32 [memory], %r1;', 'a store to constants', 'st.const'),
    body('ld.global.v4.u64 {%d1,%d2,%d3}, [%d4];', 'a vector of too few', 'ld.global.v4.u64'),
    body('mov.u32 %r1, 0xfffffffffffffffff;', 'a number too large', '0xfffffffffffffffff'),
    body('mov.f32 %f1, 0f3f8;', 'half a float', '0f3f8'),
    body('add.u32 %r1, %r2, 1.5;', 'a fraction for an integer', 'add.u32'),
  ]
}
