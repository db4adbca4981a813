// wmma: matrices go from memory through fragments, whose layout is the implementation's own, and back. Every product is made with each
// space and each layout of the addend, so that every spelling of loads and stores has its turn.
import { mask, type Value } from './exact.ts'
import type { KernelCase } from './harness.ts'
import { choices, instruction, type Instruction, type Row } from './instruction.ts'
import { elementBits, elementValue, integerSum, isInteger, isSum, oddElement, randomElement, sumOf } from './matrix.ts'
import type { Random } from './operands.ts'
import { shapeOf } from './products.ts'

const BLOCKS = 2
/** A block's memory: A, B and C one after the other; D. */
const [AT_A, AT_B, AT_C, ALL] = [0, 2048, 4096, 6144]
const MOST_D = 2048
export const BYTES_IN = ALL / 32
export const BYTES_OUT = MOST_D / 32

const SPACES = ['', 'global', 'shared', 'shared::cta'] as const

/** Types of A, B, C and D. */
function typesOf(spelling: string): [string, string, string, string] {
  const list = spelling.split('.').slice(1).filter((word) => /^(f64|f32|tf32|f16|bf16|s32|[su][48]|b1)$/.test(word))
  if (list.length === 2) return ['f16', 'f16', list[1] ?? '', list[0] ?? '']
  return [list[1] ?? '', list[2] ?? '', list[3] ?? '', list[0] ?? '']
}

interface Stored {
  rows: number
  columns: number
  rowMajor: boolean
  type: string
  /** Elements from line to line; undefined: the instruction does not say. */
  stride: number | undefined
  at: number
}

const index = (s: Stored, row: number, column: number): number => (s.rowMajor ? row * (s.stride ?? s.columns) + column : column * (s.stride ?? s.rows) + row)

function write(bytes: Uint8Array, s: Stored, row: number, column: number, value: bigint): void {
  const bits = elementBits(s.type)
  const at = index(s, row, column) * bits
  if (bits < 8) bytes[s.at + (at >> 3)] = (bytes[s.at + (at >> 3)] ?? 0) | Number((value & mask(bits)) << BigInt(at & 7))
  else for (let k = 0; k < bits / 8; k++) bytes[s.at + at / 8 + k] = Number((value >> BigInt(8 * k)) & 255n)
}

function read(bytes: Uint8Array, s: Stored, row: number, column: number): bigint {
  const bits = elementBits(s.type)
  let value = 0n
  for (let k = bits / 8 - 1; k >= 0; k--) value = (value << 8n) | BigInt(bytes[s.at + (index(s, row, column) * bits) / 8 + k] ?? 0)
  return value
}

/** Registers of a fragment: f16's A and B have room for more than the matrix. */
function registersOf(type: string, elements: number, which: 'a' | 'b' | 'c'): number {
  if (type === 'f16' && which !== 'c') return 8
  return type === 'f64' ? elements / 32 : Math.max(1, (elements / 32) * elementBits(type) / 32)
}

const list = (name: string, count: number): string => `{${Array.from({ length: count }, (_, k) => `%${name}${k}`).join(',')}}`

const TURNS = 2 * SPACES.length

/** The spaces of A, B, C and D in a turn, and C's and D's layout. */
const spacesOf = (turn: number): string[] => [0, 1, 2, 3].map((x) => SPACES[(turn + x) % 4] ?? '')
const isRow = (turn: number): boolean => turn >= SPACES.length

/** Loads of A, B and C, the store of D. */
function movesOf(i: Instruction, turn: number): string[] {
  const { m, n, k } = shapeOf(i)
  const [a, b, c, d] = typesOf(i.spelling)
  const [first, second] = i.spelling.split('.').filter((word) => word === 'row' || word === 'col')
  const last = isRow(turn) ? 'row' : 'col'
  const spaces = spacesOf(turn)
  const of: [string, string | undefined, string][] = [['load.a', first, a], ['load.b', second, b], ['load.c', last, c], ['store.d', last, d]]
  return of.map(([operation, layout, type], which) => `wmma.${operation}.sync.aligned.${layout}.m${m}n${n}k${k}${spaces[which] ? `.${spaces[which]}` : ''}.${type}`)
}

function one(row: Row, choice: string[], turn: number, random: Random): KernelCase {
  const i = instruction(row, choice)
  const { m, n, k } = shapeOf(i)
  const [a, b, c, d] = typesOf(i.spelling)
  const layouts = i.spelling.split('.').filter((word) => word === 'row' || word === 'col')
  const [satfinite, single] = [i.words.has('satfinite'), i.words.has('xor') ? 'xor' : i.words.has('and') ? 'and' : '']
  const name = i.spelling.replace(/\W/g, '_') + turn
  // Lines begin at multiples of 16 bytes, and of 32 elements.
  const stored = (rows: number, columns: number, rowMajor: boolean, type: string, at: number): Stored => {
    const unit = Math.max(128 / elementBits(type), type === 'b1' ? 128 : 32 >> Math.min(5, elementBits(type) >= 8 ? 5 : 0))
    const line = rowMajor ? columns : rows
    return { rows, columns, rowMajor, type, at, stride: random.below(3) ? line + unit * random.below(elementBits(type) >= 32 && rows * columns >= 256 ? 2 : 3) : undefined }
  }
  const cRow = isRow(turn)
  const A = stored(m, k, layouts[0] === 'row', a, AT_A)
  const B = stored(k, n, layouts[1] === 'row', b, AT_B)
  const C = stored(m, n, cRow, c, AT_C)
  const D = stored(m, n, cRow, d, 0)
  const operands = new Uint8Array(BLOCKS * ALL)
  const values = Array.from({ length: BLOCKS }, (_, block) => {
    const bytes = operands.subarray(block * ALL, (block + 1) * ALL)
    const make = (s: Stored): bigint[][] => {
      const odd = random.below(4) === 0 ? oddElement(random, s.type) : undefined
      const where = [random.below(s.rows), random.below(s.columns)]
      return Array.from({ length: s.rows }, (_r, r) => Array.from({ length: s.columns }, (_c, col) => {
        const value = s.type === 's32' ? (col % 2 ? 0x7fffffffn - random.bits(6) : random.bits(32)) : odd !== undefined && r === where[0] && col === where[1] ? odd : randomElement(random, s.type)
        write(bytes, s, r, col, value)
        return value
      }))
    }
    return { a: make(A), b: make(B), c: make(C) }
  })
  // Each matrix in a space of its own; without a name it is one or the other by a generic address.
  const spaces = spacesOf(turn)
  const inShared = spaces.map((space) => space.startsWith('shared') || (space === '' && random.below(2) === 1))
  const address = (which: number, s: Stored, to: number): string =>
    inShared[which] ? `mov.u64 %d${to}, ${name}_s; add.u64 %d${to}, %d${to}, ${which === 3 ? ALL : s.at}; ${spaces[which] === '' ? `cvta.shared.u64 %d${to}, %d${to};` : ''}` : `add.u64 %d${to}, ${which === 3 ? '%d29' : '%d28'}, ${s.at};`
  const stride = (s: Stored): string => (s.stride === undefined ? '' : `, ${s.stride}`)
  const moves = movesOf(i, turn)
  const [loads, store] = [moves.slice(0, 3), moves[3] ?? '']
  const counts = [registersOf(a, m * k, 'a'), registersOf(b, k * n, 'b'), registersOf(c, m * n, 'c'), registersOf(d, m * n, 'c')]
  const per = a === 'f64' ? 64 : 32
  return {
    covers: [i.spelling, ...loads, store], old: satfinite && !isInteger(d), threads: BLOCKS * 32, operands,
    outside: `.shared .align 128 .b8 ${name}_s[${ALL + MOST_D}];\n`,
    inside: `.reg .b${per} %a<16>, %b<16>, %c<16>, %e<16>;\n`,
    body: `mov.u64 %d1, ${name}_s; mad.wide.u32 %d1, %r31, ${BYTES_IN}, %d1;\n${Array.from({ length: BYTES_IN / 8 }, (_, x) => `ld.global.b64 %d2, [%d30+${8 * x}]; st.shared.b64 [%d1+${8 * x}], %d2;`).join(' ')}
mov.u64 %d3, ${name}_s; mad.wide.u32 %d3, %r31, ${BYTES_OUT}, %d3; mov.u64 %d2, 0xa5a5a5a5a5a5a5a5;\n${Array.from({ length: BYTES_OUT / 8 }, (_, x) => `st.shared.b64 [%d3+${ALL + 8 * x}], %d2;`).join(' ')} bar.sync 0;
${address(0, A, 4)} ${address(1, B, 5)} ${address(2, C, 6)} ${address(3, D, 7)}
${loads[0]} ${list('a', counts[0] ?? 0)}, [%d4]${stride(A)};\n${loads[1]} ${list('b', counts[1] ?? 0)}, [%d5]${stride(B)};\n${loads[2]} ${list('c', counts[2] ?? 0)}, [%d6]${stride(C)};
${i.spelling} ${list('e', counts[3] ?? 0)}, ${list('a', counts[0] ?? 0)}, ${list('b', counts[1] ?? 0)}, ${list('c', counts[2] ?? 0)};\n${store} [%d7], ${list('e', counts[3] ?? 0)}${stride(D)};
bar.sync 0;\n${inShared[3] ? Array.from({ length: BYTES_OUT / 8 }, (_, x) => `ld.shared.b64 %d2, [%d3+${ALL + 8 * x}]; st.global.b64 [%d31+${8 * x}], %d2;`).join(' ') : ''}`,
    check: (results) => {
      for (const [block, v] of values.entries()) {
        const bytes = results.subarray(block * MOST_D, (block + 1) * MOST_D).slice()
        const [av, bv]: [Value[][], Value[][]] = [v.a.map((line) => line.map((x) => elementValue(a, x))), v.b.map((line) => line.map((x) => elementValue(b, x)))]
        for (let r = 0; r < m; r++)
          for (let col = 0; col < n; col++) {
            const got = read(bytes, D, r, col)
            const addend = v.c[r]?.[col] ?? 0n
            let right: boolean
            let about = ''
            if (isInteger(d)) {
              let sum = BigInt.asIntN(32, addend)
              for (let x = 0; x < k; x++) {
                const [p, q] = [av[r]?.[x] as Value, bv[x]?.[col] as Value]
                if (single) sum += single === 'and' ? p.m & q.m : p.m ^ q.m
                else sum += p.neg === q.neg ? p.m * q.m : -p.m * q.m
              }
              right = got === integerSum(sum, satfinite)
              about = `0x${integerSum(sum, satfinite).toString(16)}`
            } else {
              const all = sumOf([...Array.from({ length: k }, (_, x) => [av[r]?.[x] as Value, bv[x]?.[col] as Value]), [elementValue(c, addend)]])
              right = isSum(d, got, all, satfinite)
              about = `${all.sum.kind} ${all.sum.neg ? '-' : ''}${all.sum.m} * 2^${all.sum.e}`
            }
            if (!right) return `${loads.join(', ')}, ${i.spelling}, ${store}: block ${block}, row ${r}, column ${col}: 0x${got.toString(16)}, not ${about}`
            write(bytes, D, r, col, 0n)
            for (let x = 0, at = (index(D, r, col) * elementBits(d)) / 8; x < elementBits(d) / 8; x++) bytes[at + x] = 0xa5
          }
        const other = bytes.findIndex((byte) => byte !== 0xa5)
        if (other >= 0) return `${store}: block ${block}: byte ${other} was written`
      }
      return undefined
    },
  }
}

/** The products of a row of wmma.mma, each with one turn of loads and stores, and with more where a spelling of those is new. */
export function warpwideCases(row: Row, random: Random): KernelCase[] {
  if (!row.pattern.startsWith('wmma.mma')) return []
  const covered = new Set<string>()
  return [...choices(row)].flatMap((choice, n) => Array.from({ length: TURNS }, (_, turn) => turn).filter((turn) => {
    const i = instruction(row, choice)
    const fresh = movesOf(i, turn).filter((spelling) => !covered.has(spelling))
    for (const spelling of fresh) covered.add(spelling)
    return fresh.length > 0 || turn === n % TURNS
  }).map((turn) => one(row, choice, turn, random)))
}
