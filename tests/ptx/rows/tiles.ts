// ldmatrix, stmatrix and movmatrix: every shape, count and type, through each space's name and through generic addresses. Lines of the
// tiles lie in memory in any order: each lane's address is drawn.
import type { KernelCase } from './harness.ts'
import { choices, instruction, type Instruction, type Row } from './instruction.ts'
import type { Random } from './operands.ts'

/** A lane has 32 bytes: one line of memory and four registers of 32 bits; it gives four registers and its line. */
export const BYTES_IN = 48
export const BYTES_OUT = 32
const BLOCKS = 2
const LINES = 32

interface Tiles {
  rows: number
  columns: number
  /** Bits of an element in a register, and in memory where it is packed. */
  bits: number
  packed: number
  count: number
  transposed: boolean
}

function tilesOf(i: Instruction): Tiles {
  const [, rows = '', columns = ''] = /\bm(\d+)n(\d+)\b/.exec(i.spelling) ?? []
  return {
    rows: Number(rows), columns: Number(columns), bits: i.words.has('b16') ? 16 : 8, packed: i.words.has('b6x16_p32') ? 6 : i.words.has('b4x16_p64') ? 4 : 0,
    count: i.words.has('x4') ? 4 : i.words.has('x2') ? 2 : 1, transposed: i.words.has('trans'),
  }
}

/** Element j of register r of a lane: its row and column in the fragment of one tile. */
function place(t: Tiles, lane: number, r: number, j: number): [number, number] {
  if (t.bits === 16) return [lane >> 2, 2 * (lane & 3) + j]
  if (t.columns === 8) return [(lane >> 2) + (j & 2 ? 8 : 0), 2 * (lane & 3) + (j & 1)] // m16n8
  return [(lane >> 2) + 8 * r, 4 * (lane & 3) + j]
}

/** An element of a line of 16 bytes. */
function element(line: Uint8Array, t: Tiles, at: number): number {
  if (t.bits === 16) return (line[2 * at] ?? 0) | ((line[2 * at + 1] ?? 0) << 8)
  if (!t.packed) return line[at] ?? 0
  const bit = at * t.packed
  return (((line[bit >> 3] ?? 0) | ((line[(bit >> 3) + 1] ?? 0) << 8)) >> (bit & 7)) & ((1 << t.packed) - 1)
}

function one(row: Row, choice: string[], generic: boolean, number: number, random: Random): KernelCase {
  const i = instruction(row, choice)
  const t = tilesOf(i)
  const load = row.name === 'ldmatrix'
  const name = `tiles${row.index}_${number}`
  const perTile = t.rows === 16 && t.columns === 16 ? 2 : 1
  const registers = Array.from({ length: t.count * perTile }, (_, k) => `%a${k}`)
  const list = registers.length > 1 || random.below(2) ? `{${registers.join(',')}}` : (registers[0] ?? '')
  // Lines of a tile in memory: rows, or columns where it is transposed and not square in memory's sense.
  const lines = t.rows === 16 && t.columns === 16 ? 16 : 8
  const operands = new Uint8Array(BLOCKS * 32 * BYTES_IN)
  const view = new DataView(operands.buffer)
  const orders: number[][] = []
  for (let block = 0; block < BLOCKS; block++) {
    const order = Array.from({ length: LINES }, (_, k) => k)
    for (let k = LINES - 1; k > 0; k--) {
      const other = random.below(k + 1)
      ;[order[k], order[other]] = [order[other] ?? 0, order[k] ?? 0]
    }
    orders.push(order)
    for (let lane = 0; lane < 32; lane++) {
      const at = (block * 32 + lane) * BYTES_IN
      for (let k = 0; k < 32; k += 4) view.setUint32(at + k, random.word(), true)
      view.setUint32(at + 32, 16 * (order[lane] ?? 0), true)
    }
  }
  const line = (block: number, n: number): Uint8Array => operands.subarray((block * 32 + (orders[block]?.[n] ?? 0)) * BYTES_IN).subarray(0, 16)
  const register = (block: number, lane: number, k: number): number => view.getUint32((block * 32 + lane) * BYTES_IN + 16 + 4 * k, true)
  return {
    covers: [i.spelling], threads: BLOCKS * 32, operands, outside: `.shared .align 16 .b8 ${name}[512];\n`, inside: '.reg .b32 %a<4>;\n',
    body: `mov.u64 %d1, ${name}; mad.wide.u32 %d2, %r31, 16, %d1; ld.global.v2.b64 {%d3,%d4}, [%d30]; st.shared.v2.b64 [%d2], {%d3,%d4}; ld.global.v4.b32 {%a0,%a1,%a2,%a3}, [%d30+16];
ld.global.u32 %r1, [%d30+32]; cvt.u64.u32 %d5, %r1; add.u64 %d5, %d5, %d1; ${generic ? 'cvta.shared.u64 %d5, %d5;' : ''} bar.warp.sync -1;
${i.spelling} ${load ? `${list}, [%d5]` : `[%d5], ${list}`};\nbar.warp.sync -1; ld.shared.v2.b64 {%d3,%d4}, [%d2]; st.global.v4.b32 [%d31], {%a0,%a1,%a2,%a3}; st.global.v2.b64 [%d31+16], {%d3,%d4};`,
    check: (results) => {
      const out = new DataView(results.buffer, results.byteOffset)
      for (let block = 0; block < BLOCKS; block++) {
        const expected = Array.from({ length: LINES }, (_, n) => operands.slice((block * 32 + n) * BYTES_IN, (block * 32 + n) * BYTES_IN + 16))
        for (let lane = 0; lane < 32; lane++)
          for (let k = 0; k < t.count; k++)
            for (let r = 0; r < perTile; r++) {
              const each = 32 / t.bits
              let want = 0
              for (let j = 0; j < each; j++) {
                const [y, x] = place(t, lane, r, j)
                const [from, at] = t.transposed ? [x, y] : [y, x]
                if (load) want += element(line(block, lines * k + from), t, at) * 2 ** (t.bits * j)
                else {
                  const value = Math.floor(register(block, lane, k) / 2 ** (t.bits * j)) % 2 ** t.bits
                  const to = expected[orders[block]?.[lines * k + from] ?? 0] as Uint8Array
                  if (t.bits === 16) [to[2 * at], to[2 * at + 1]] = [value & 255, value >> 8]
                  else to[at] = value
                }
              }
              const n = perTile * k + r
              const got = out.getUint32((block * 32 + lane) * BYTES_OUT + 4 * n, true)
              if (load && got !== want) return `${i.spelling}${generic ? ' by a generic address' : ''}: lane ${lane}, register ${n}: ${got.toString(16)}, not ${want.toString(16)}`
            }
        for (const [n, bytes] of expected.entries())
          for (let k = 0; k < 16; k++) {
            const got = results[(block * 32 + n) * BYTES_OUT + 16 + k]
            if (got !== bytes[k]) return `${i.spelling}${generic ? ' by a generic address' : ''}: line ${n}, byte ${k} in memory: ${got?.toString(16)}, not ${bytes[k]?.toString(16)}`
          }
      }
      return undefined
    },
  }
}

function moved(row: Row, choice: string[], random: Random): KernelCase {
  const i = instruction(row, choice)
  const operands = new Uint8Array(BLOCKS * 32 * BYTES_IN)
  const view = new DataView(operands.buffer)
  for (let at = 0; at < operands.length; at += 4) view.setUint32(at, random.word(), true)
  const half = (block: number, y: number, x: number): number => view.getUint16((block * 32 + 4 * y + (x >> 1)) * BYTES_IN + 2 * (x & 1), true)
  return {
    covers: [i.spelling], threads: BLOCKS * 32, operands,
    body: `ld.global.b32 %r1, [%d30]; ${i.spelling} %r2, %r1; st.global.b32 [%d31], %r2;`,
    check: (results) => {
      const out = new DataView(results.buffer, results.byteOffset)
      for (let thread = 0; thread < BLOCKS * 32; thread++) {
        const [block, lane] = [thread >> 5, thread & 31]
        const [y, x] = [lane >> 2, 2 * (lane & 3)]
        const want = half(block, x, y) + half(block, x + 1, y) * 65536
        const got = out.getUint32(thread * BYTES_OUT, true)
        if (got !== want) return `${i.spelling}: lane ${lane}: ${got.toString(16)}, not ${want.toString(16)}`
      }
      return undefined
    },
  }
}

/** The cases of a row of tiles. */
export function tileCases(row: Row, random: Random): KernelCase[] {
  return [...choices(row)].flatMap((choice, n) => {
    if (row.name === 'movmatrix') return [moved(row, choice, random)]
    // Without a space's name the address is generic.
    return [one(row, choice, !choice.some((word) => word.startsWith('shared')), n, random)]
  })
}
