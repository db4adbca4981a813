// Tensor copies and reductions, and instructions that change tensor maps: every spelling, on tensors of every type at random, in a cluster
// of two blocks of a warp each. The first lane of a block gives the instruction (of a multicast, that of rank 0). The reference goes through
// a box element by element. A map's bytes are the engine's own (stub-driver/ptx/tensormap.h); the driver writes them.
import type { KernelCase } from './harness.ts'
import { reduced } from './async.ts'
import { choices, instruction, type Row } from './instruction.ts'
import { operand, type Random } from './operands.ts'

const LANES = 32
const CLUSTER = 2
/** A block's operands: the map, coordinates, offsets, the mask of a multicast, bytes that come; the tensor, what is stored from. */
const [COORDINATES, OFFSETS, MASK, EXPECTED, TENSOR_IN, SOURCE] = [128, 160, 176, 180, 192, 4288]
const [TENSOR_BYTES, BOX_BYTES] = [4096, 2048]
/** A block's results: the tensor, the box in shared memory, whether the barrier completed. */
const [BOX_OUT, WORD] = [4096, 6144]
export const BYTES_IN = 200
export const BYTES_OUT = 200
const BLOCK_IN = BYTES_IN * LANES
const BLOCK_OUT = BYTES_OUT * LANES

/** As maps number them. */
const TYPES = ['u8', 'u16', 'u32', 's32', 'u64', 's64', 'f16', 'f32', 'f64', 'bf16', 'f32'] as const
const FLUSHED = 10
const widthOf = (type: number): number => Number((TYPES[type] ?? 'u8').replace(/\D+/, '')) / 8
const OUTSIDE: Readonly<Record<string, bigint>> = { f16: 0x7ffen, bf16: 0x7ffen, f32: 0x7ffffffen, f64: 0x7ffffffffffffffen }

interface Map {
  type: number
  rank: number
  swizzle: number
  nanFill: boolean
  im2col: boolean
  size: number[]
  stride: number[]
  box: number[]
  step: number[]
  lower: number[]
  upper: number[]
  channels: number
  pixels: number
}

function bytesOf(m: Map): Uint8Array {
  const view = new DataView(new ArrayBuffer(128))
  view.setUint32(0, 0x314d5452, true)
  view.setUint8(4, m.type)
  view.setUint8(5, m.rank)
  view.setUint8(7, m.swizzle)
  view.setUint8(8, Number(m.nanFill))
  view.setUint8(9, Number(m.im2col))
  for (let k = 0; k < m.rank; k++) {
    view.setUint32(12 + 4 * k, (m.size[k] ?? 1) - 1, true)
    if (k) view.setBigUint64(40 + 8 * (k - 1), BigInt(m.stride[k] ?? 0), true)
    view.setUint16(72 + 2 * k, m.box[k] ?? 0, true)
    view.setUint8(82 + k, m.step[k] ?? 1)
  }
  for (let k = 0; k < 3; k++) {
    view.setInt16(88 + 2 * k, m.lower[k] ?? 0, true)
    view.setInt16(94 + 2 * k, m.upper[k] ?? 0, true)
  }
  view.setUint16(100, m.channels, true)
  view.setUint16(102, m.pixels, true)
  return new Uint8Array(view.buffer)
}

function mapFor(random: Random, rank: number, im2col: boolean, four: boolean, types: number[]): Map {
  const type = random.pick(types)
  const width = widthOf(type)
  const inner = 16 * (1 + random.below(4))
  const swizzles = [0, 3, ...(inner <= 64 ? [2] : []), ...(inner <= 32 ? [1] : [])]
  const size = Array.from({ length: rank }, (_, k) => (k === 0 ? 1 + random.below(64 / width) : 1 + random.below([0, 4, 3, 2, 2][k] ?? 2)))
  const stride = [width]
  for (let k = 1; k < rank; k++) stride.push(k === 1 ? Math.ceil(((size[0] ?? 1) * width) / 16) * 16 : (stride[k - 1] ?? 0) * (size[k - 1] ?? 1))
  return {
    type, rank, im2col, size, stride, swizzle: random.pick(swizzles), nanFill: (TYPES[type] ?? '').includes('f') && random.below(2) === 1,
    box: Array.from({ length: rank }, (_, k) => (k === 0 ? inner / width : four ? 1 : 1 + random.below(k === 1 ? 3 : 2))), step: Array.from({ length: rank }, (_, k) => (k === 0 || (im2col && k === rank - 1) ? 1 : 1 + random.below(2))),
    lower: [0, 1, 2].map(() => random.below(3) - 2), upper: [0, 1, 2].map(() => random.below(3) - 2), channels: inner / width, pixels: 1 + random.below(8),
  }
}

/** Where byte `at` of a box is in shared memory: its chunk of 16 bytes is exchanged by its line of 128. */
function place(swizzle: number, at: number): number {
  const line = at >> 7
  const lines = [1, 2, 4, 8][swizzle] ?? 1
  return line * 128 + (((at >> 4) & 7) ^ (line % lines)) * 16 + (at & 15)
}

/** The elements of a box in their order: each one's offset in the tensor, undefined outside. */
function elements(m: Map, at: number[], offsets: number[], four: boolean): (number | undefined)[] {
  const list: (number | undefined)[] = []
  const push = (x: number[]): void => {
    list.push(x.every((c, k) => c >= 0 && c < (m.size[k] ?? 1)) ? x.reduce((sum, c, k) => sum + c * (m.stride[k] ?? 0), 0) : undefined)
  }
  if (four) {
    for (let row = 0; row < 4; row++) for (let x = 0; x < (m.box[0] ?? 0); x++) push([(at[0] ?? 0) + x, at[1 + row] ?? 0])
    return list
  }
  if (m.im2col) {
    const pixel = at.slice(0, m.rank)
    for (let n = 0; n < m.pixels; n++) {
      for (let c = 0; c < m.channels; c++) push(pixel.map((x, k) => (k === 0 ? x + c : k < m.rank - 1 ? x + (offsets[k - 1] ?? 0) : x)))
      for (let k = 1; ; k++) {
        if (k === m.rank - 1) {
          pixel[k] = (pixel[k] ?? 0) + 1
          break
        }
        pixel[k] = (pixel[k] ?? 0) + (m.step[k] ?? 1)
        if ((pixel[k] ?? 0) <= (m.size[k] ?? 1) - 1 + (m.upper[k - 1] ?? 0)) break
        pixel[k] = m.lower[k - 1] ?? 0
      }
    }
    return list
  }
  const counts = Array.from({ length: m.rank }, (_, k) => (k ? Math.ceil((m.box[k] ?? 1) / (m.step[k] ?? 1)) : (m.box[0] ?? 1)))
  for (let n = 0; n < counts.reduce((a, b) => a * b); n++) {
    let rest = n
    push(counts.map((count, k) => {
      const index = rest % count
      rest = Math.floor(rest / count)
      return (at[k] ?? 0) + index * (m.step[k] ?? 1)
    }))
  }
  return list
}

const OPERATIONS = ['add', 'min', 'max', 'inc', 'dec', 'and', 'or', 'xor']
/** Types that a reduction can have. */
const typesFor = (op: string): number[] => (op === 'add' ? [2, 3, 4, 5, 6, 7, 8, 9] : op === 'min' || op === 'max' ? [2, 3, 4, 5, 6, 9] : op === 'inc' || op === 'dec' ? [2] : op ? [2, 3, 4, 5] : TYPES.map((_, n) => n))

function fill(random: Random, bytes: Uint8Array, type: number): void {
  const width = widthOf(type)
  for (let at = 0; at < bytes.length; at += width) {
    let value = operand(random, TYPES[type] ?? 'u8', undefined)
    for (let k = 0; k < width; k++, value >>= 8n) bytes[at + k] = Number(value & 255n)
  }
}

const little = (bytes: Uint8Array, at: number, count: number): bigint => {
  let x = 0n
  for (let k = count - 1; k >= 0; k--) x = (x << 8n) | BigInt(bytes[at + k] ?? 0)
  return x
}

const serial = { next: 0 }

function copies(row: Row, choice: string[], random: Random): KernelCase {
  const i = instruction(row, choice)
  const has = (word: string): boolean => i.words.has(word)
  const rank = Number(/\.(\d)d\b/.exec(i.spelling)?.[1] ?? 1)
  const [im2col, four, multicast, load, prefetch] = [has('im2col') || has('im2col_no_offs'), has('tile::gather4') || has('tile::scatter4'), has('multicast::cluster'), has('mbarrier::complete_tx::bytes'), has('prefetch')]
  const op = row.name === 'cp' && has('reduce') ? (OPERATIONS.find((word) => has(word)) ?? '') : ''
  const operands = new Uint8Array(CLUSTER * BLOCK_IN)
  const view = new DataView(operands.buffer)
  const blocks = Array.from({ length: CLUSTER }, (_, block) => {
    const m = mapFor(random, rank, im2col, four, typesFor(op))
    const base = block * BLOCK_IN
    const at = Array.from({ length: four ? 5 : rank }, (_k, k) => (im2col && k > 0 && k < rank - 1 ? (m.lower[k - 1] ?? 0) : random.below((m.size[four ? Math.min(k, 1) : k] ?? 1) + 3) - 2))
    const offsets = [0, 1, 2].map(() => (has('im2col') ? random.below(3) : 0))
    const mask = random.below(4)
    operands.set(bytesOf(m), base)
    at.forEach((x, k) => view.setInt32(base + COORDINATES + 4 * k, x, true))
    offsets.forEach((x, k) => view.setUint32(base + OFFSETS + 4 * k, x, true))
    view.setUint32(base + MASK, mask, true)
    fill(random, operands.subarray(base + TENSOR_IN, base + TENSOR_IN + TENSOR_BYTES), m.type)
    fill(random, operands.subarray(base + SOURCE, base + SOURCE + BOX_BYTES), m.type)
    return { m, list: elements(m, at, offsets, four), mask }
  })
  // Whose box comes to a block; undefined: none does.
  const giver = (block: number): number | undefined => (!multicast ? block : ((blocks[0]?.mask ?? 0) >> block) & 1 ? 0 : undefined)
  // Whose barrier is told of a block's box: with .cta_group::2 and a multicast, the one of the pair that has the parity of the barrier's block.
  const told = (block: number): number => (multicast && has('cta_group::2') ? block & ~1 : block)
  blocks.forEach((_, block) => {
    const from = giver(block)
    const b = from === undefined ? undefined : blocks[from]
    const bytes = b && load ? b.list.length * widthOf(b.m.type) : 0
    view.setUint32(told(block) * BLOCK_IN + EXPECTED, view.getUint32(told(block) * BLOCK_IN + EXPECTED, true) + bytes, true)
  })
  const name = `tensor${serial.next++}`
  const coordinates = Array.from({ length: four ? 5 : rank }, (_, k) => `%r${k}`)
  const map = `[%d28, {${coordinates.join(', ')}}]`
  const offsets = has('im2col') ? `, {${Array.from({ length: rank - 2 }, (_, k) => `%h${k}`).join(', ')}}` : ''
  const tail = `${multicast ? ', %h4' : ''}${has('L2::cache_hint') ? ', %d1' : ''}`
  const text = prefetch ? `${i.spelling} ${map}${offsets}${tail};` : load ? `${i.spelling} [%r10], ${map}, [%r11]${offsets}${tail};` : `${i.spelling} ${map}, [%r10]${tail};\ncp.async.bulk.commit_group; cp.async.bulk.wait_group 0;`
  return {
    covers: [i.spelling], threads: CLUSTER * LANES, operands, outside: `.shared .align 1024 .b8 ${name}_m[${BOX_BYTES}];\n.shared .align 8 .b64 ${name}_b;\n`,
    body: `mov.u32 %r10, ${name}_m; mov.u32 %r11, ${name}_b; mov.u32 %r12, %cluster_ctarank; mad.wide.u32 %d2, %r31, 8, %d28; mad.wide.u32 %d3, %r31, 8, %d29; mad.lo.u32 %r13, %r31, 8, %r10; mov.u64 %d1, 0;
${Array.from({ length: TENSOR_BYTES / 256 }, (_, k) => `ld.global.b64 %d4, [%d2+${TENSOR_IN + 256 * k}]; st.global.b64 [%d3+${256 * k}], %d4;`).join(' ')}
${Array.from({ length: BOX_BYTES / 256 }, (_, k) => `ld.global.b64 %d4, [%d2+${SOURCE + 256 * k}]; st.shared.b64 [%r13+${256 * k}], %d4;`).join(' ')}
${coordinates.map((r, k) => `ld.global.s32 ${r}, [%d28+${COORDINATES + 4 * k}];`).join(' ')} ${[0, 1, 2].map((k) => `ld.global.u16 %h${k}, [%d28+${OFFSETS + 4 * k}];`).join(' ')} ld.global.u16 %h4, [%d28+${MASK}]; ld.global.u32 %r14, [%d28+${EXPECTED}];
setp.ne.u32 %p1, %r31, 0; @%p1 bra WAIT;\nst.global.b64 [%d28+32], %d29; mbarrier.init.shared.b64 [%r11], 1; mbarrier.arrive.expect_tx.shared.b64 _, [%r11], %r14;\nWAIT: barrier.cluster.arrive; barrier.cluster.wait;
setp.ne.u32 %p2, %r12, 0; ${multicast ? 'or.pred %p1, %p1, %p2;' : ''} @%p1 bra DONE;\n${text}\nDONE: barrier.cluster.arrive; barrier.cluster.wait;
mbarrier.test_wait.parity.shared.b64 %p3, [%r11], 0; selp.u32 %r15, 1, 0, %p3; st.global.u32 [%d29+${WORD}], %r15;
${Array.from({ length: BOX_BYTES / 256 }, (_, k) => `ld.shared.b64 %d4, [%r13+${256 * k}]; st.global.b64 [%d3+${BOX_OUT + 256 * k}], %d4;`).join(' ')}`,
    check: (results) => {
      for (let block = 0; block < CLUSTER; block++) {
        const out = results.subarray(block * BLOCK_OUT, (block + 1) * BLOCK_OUT)
        const tensor = operands.slice(block * BLOCK_IN + TENSOR_IN, block * BLOCK_IN + TENSOR_IN + TENSOR_BYTES)
        const box = operands.slice(block * BLOCK_IN + SOURCE, block * BLOCK_IN + SOURCE + BOX_BYTES)
        const from = giver(block)
        const given = from === undefined || prefetch ? undefined : blocks[from]
        const m = given?.m ?? (blocks[block] as { m: Map }).m
        const width = widthOf(m.type)
        const source = operands.subarray((from ?? 0) * BLOCK_IN + TENSOR_IN)
        for (const [n, where] of (given?.list ?? []).entries()) {
          const bytes = Array.from({ length: width }, (_, k) => place(m.swizzle, n * width + k))
          if (load) {
            let value = where === undefined ? (m.nanFill ? (OUTSIDE[TYPES[m.type] ?? ''] ?? 0n) : 0n) : little(source, where, width)
            if (m.type === FLUSHED && where !== undefined && !(value & 0x7f800000n)) value &= 0x80000000n
            bytes.forEach((at, k) => (box[at] = Number((value >> BigInt(8 * k)) & 255n)))
            continue
          }
          if (where === undefined) continue
          let value = bytes.reduceRight((x, at) => (x << 8n) | BigInt(box[at] ?? 0), 0n)
          if (op) value = reduced(op, TYPES[m.type] ?? '', little(tensor, where, width), value)
          for (let k = 0; k < width; k++) tensor[where + k] = Number((value >> BigInt(8 * k)) & 255n)
        }
        const about = `${i.spelling}: block ${block}, ${JSON.stringify(m)}, coordinates ${coordinates.map((_, k) => view.getInt32((from ?? block) * BLOCK_IN + COORDINATES + 4 * k, true)).join(' ')}`
        for (const [what, want, at] of [['tensor', tensor, 0], ['box', box, BOX_OUT]] as const) {
          const other = want.findIndex((byte, k) => byte !== out[at + k])
          if (other >= 0) return `${about}: byte ${other} of the ${what} is ${out[at + other]}, not ${want[other]}`
        }
        if (out[WORD] !== 1) return `${about}: the barrier did not complete`
      }
      return undefined
    },
  }
}

/** A field's place in a map: offset, bytes, and a value for it: as an instruction has it, as the map does. */
function fieldOf(random: Random, field: string, dimension: number): [number, number, bigint, bigint] {
  const types = [0, 1, 2, 3, 4, 5, 6, 7, 10, 8, 9, 11, 12] // as the instruction counts them
  const draw = (n: number, from = 0): bigint => BigInt(from + random.below(n))
  const same = (offset: number, bytes: number, value: bigint, stored = value): [number, number, bigint, bigint] => [offset, bytes, value, stored]
  switch (field) {
    case 'global_address': { const x = random.bits(40) << 4n; return same(32, 8, x) }
    case 'rank': { const x = draw(5); return same(5, 1, x, x + 1n) }
    case 'box_dim': return same(72 + 2 * dimension, 2, draw(256, 1))
    case 'global_dim': { const x = 1n + random.bits(31); return same(12 + 4 * dimension, 4, x, x - 1n) }
    case 'global_stride': return same(40 + 8 * dimension, 8, random.bits(30) << 4n)
    case 'element_stride': return same(82 + dimension, 1, draw(8, 1))
    case 'elemtype': { const x = random.below(13); return same(4, 1, BigInt(x), BigInt(types[x] ?? 0)) }
    case 'interleave_layout': return same(6, 1, draw(3))
    case 'swizzle_mode': return same(7, 1, draw(4))
    case 'swizzle_atomicity': { const x = draw(4); return same(7, 1, x, 3n + x) }
    default: return same(8, 1, draw(2))
  }
}

/** A map is changed where the spelling says, or copied with a fence; then its bytes are looked at. */
function maps(row: Row, choice: string[], random: Random): KernelCase {
  const i = instruction(row, choice)
  const m = mapFor(random, 2, false, false, [2])
  m.swizzle = 3
  const operands = new Uint8Array(CLUSTER * BLOCK_IN)
  const want = bytesOf(m)
  for (let block = 0; block < CLUSTER; block++) operands.set(want, block * BLOCK_IN)
  const name = `map${serial.next++}`
  const near = i.words.has('shared::cta')
  const inShared = near || (!i.words.has('global') && random.below(2) === 1)
  const move = (from: string, to: string): string => Array.from({ length: 16 }, (_, k) => `ld.${from.startsWith('%r') ? 'shared' : 'global'}.b64 %d4, [${from}+${8 * k}]; st.${to.startsWith('%r') ? 'shared' : 'global'}.b64 [${to}+${8 * k}], %d4;`).join(' ')
  let text: string
  if (i.words.has('cp_fenceproxy')) text = `${move('%d28', '%r10')} bar.warp.sync -1; add.u64 %d6, %d28, 128; ${i.spelling} [%d6], [%r10], 128; ${move('%d6', '%d29')}`
  else {
    const field = i.spelling.split('.')[3] ?? ''
    const numbered = ['box_dim', 'global_dim', 'global_stride', 'element_stride'].includes(field)
    const dimension = numbered ? random.below(field === 'global_stride' ? 4 : 5) : 0
    const [offset, bytes, value, stored] = fieldOf(random, field, dimension)
    for (let k = 0; k < bytes; k++) want[offset + k] = Number((stored >> BigInt(8 * k)) & 255n)
    const constant = ['elemtype', 'interleave_layout', 'swizzle_mode', 'swizzle_atomicity', 'fill_mode'].includes(field)
    const register = i.words.has('b64') ? '%d7' : '%r9'
    const address = inShared ? (near ? '%r10' : '%d5') : '%d28'
    text = `${inShared ? move('%d28', '%r10') : ''} cvt.u64.u32 %d5, %r10; cvta.shared.u64 %d5, %d5; mov.b${i.words.has('b64') ? 64 : 32} ${register}, ${value}; ${i.spelling} [${address}], ${numbered ? `${dimension}, ` : ''}${constant ? value : register}; ${move(inShared ? '%r10' : '%d28', '%d29')}`
  }
  return {
    covers: [i.spelling], threads: CLUSTER * LANES, operands, outside: `.shared .align 128 .b8 ${name}_m[128];\n`,
    body: `mov.u32 %r10, ${name}_m; setp.ne.u32 %p1, %r31, 0;\n${i.words.has('cp_fenceproxy') ? '' : '@%p1 bra DONE;'}\n${text}\nDONE:`,
    check: (results) => {
      for (let block = 0; block < CLUSTER; block++) {
        const other = want.findIndex((byte, k) => byte !== results[block * BLOCK_OUT + k])
        if (other >= 0) return `${i.spelling}${inShared ? ' in shared memory' : ''}: byte ${other} of the map is ${results[block * BLOCK_OUT + other]}, not ${want[other]}`
      }
      return undefined
    },
  }
}

export const isTensor = (row: Row): boolean => row.kind === 'TENSOR' || row.kind === 'TENSORMAP'

export const tensorCases = (row: Row, random: Random): KernelCase[] => [...choices(row)].map((choice) => (row.kind === 'TENSOR' ? copies : maps)(row, choice, random))
