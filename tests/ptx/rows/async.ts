// mbarrier, bulk copies and reductions, stores and reductions that complete on an mbarrier: every spelling, in a cluster of two blocks
// of a warp each. Every lane has an mbarrier and some memory of its own in its block; what can reach another block goes to the same
// lane's there. The reference is a model of the object, and loops over bytes.
import { add, compare, decode, encode, F32, isNaN, isZero, mask, signed, type Value } from './exact.ts'
import type { KernelCase } from './harness.ts'
import { flush } from './float.ts'
import { choices, formatOf, instruction, widthOf, type Instruction, type Row } from './instruction.ts'
import { operand, type Random } from './operands.ts'

const LANES = 32
export const CLUSTER = 2
const THREADS = CLUSTER * LANES
/** Words of a lane's operands, then what is copied, then what is there before. */
const [WORDS, FROM, BEFORE] = [0, 64, 128]
export const BYTES_IN = 256
/** Words that were observed, then memory afterwards. */
const AFTER = 64
export const BYTES_OUT = AFTER + 128
/** A lane's memory: what rank 0 writes, what rank 1 writes, what is copied from. */
const AREA = 192

/* ---- a kernel: %r20 the lane's mbarrier, %r22 its memory, %r21 and %r23 the other block's; %d20 to %d23 the same, generic */

function frame(name: string): { outside: string; head: string } {
  return {
    outside: `.shared .align 128 .b8 ${name}_m[${LANES * AREA}];\n.shared .align 8 .b64 ${name}_b[${LANES}];\n`,
    head: `mov.u32 %r20, ${name}_b; mad.lo.u32 %r20, %r31, 8, %r20; mov.u32 %r22, ${name}_m; mad.lo.u32 %r22, %r31, ${AREA}, %r22; mov.u32 %r19, %cluster_ctarank; xor.b32 %r18, %r19, 1;
mapa.shared::cluster.u32 %r21, %r20, %r18; mapa.shared::cluster.u32 %r23, %r22, %r18;
${[20, 22].map((r) => `cvt.u64.u32 %d${r}, %r${r}; cvta.shared.u64 %d${r}, %d${r}; mapa.u64 %d${r + 1}, %d${r}, %r18;`).join(' ')}
ld.global.v4.b32 {%r0,%r1,%r2,%r3}, [%d30]; ld.global.v4.b32 {%r4,%r5,%r6,%r7}, [%d30+16];`,
  }
}
const SYNC = 'barrier.cluster.arrive; barrier.cluster.wait;'
const serial = { next: 0 }

interface Thread {
  /** Operands as the kernel loads them into %r0 to %r7. */
  words: number[]
  from: Uint8Array
  before: Uint8Array
}

function operandsOf(threads: Thread[]): Uint8Array {
  const bytes = new Uint8Array(THREADS * BYTES_IN)
  const view = new DataView(bytes.buffer)
  threads.forEach((t, n) => {
    t.words.forEach((word, k) => view.setUint32(n * BYTES_IN + WORDS + 4 * k, word >>> 0, true))
    bytes.set(t.from, n * BYTES_IN + FROM)
    bytes.set(t.before, n * BYTES_IN + BEFORE)
  })
  return bytes
}

const partner = (n: number): number => (n + LANES) % THREADS
const rankOf = (n: number): number => Math.floor(n / LANES)
const bytesOf = (random: Random, count: number): Uint8Array => Uint8Array.from({ length: count }, () => random.below(256))

/** Compares words observed and memory afterwards with what a thread should have. */
function checker(i: Instruction, want: (n: number) => { words: (number | undefined)[]; memory?: (Uint8Array | undefined) }, about: (n: number) => string): (results: Uint8Array) => string | undefined {
  return (results) => {
    const view = new DataView(results.buffer, results.byteOffset)
    for (let n = 0; n < THREADS; n++) {
      const { words, memory } = want(n)
      for (const [k, word] of words.entries()) {
        const got = view.getUint32(n * BYTES_OUT + 4 * k, true)
        if (word !== undefined && got !== word >>> 0) return `${i.spelling}: thread ${n}, ${about(n)}: word ${k} is ${got}, not ${word >>> 0}`
      }
      for (const [k, byte] of (memory ?? new Uint8Array(0)).entries()) {
        const got = results[n * BYTES_OUT + AFTER + k]
        if (got !== byte) return `${i.spelling}: thread ${n}, ${about(n)}: byte ${k} is ${got}, not ${byte}`
      }
    }
    return undefined
  }
}

/* ---- mbarrier objects */

class Barrier {
  pending: number
  tx = 0
  phase = 0
  constructor(public expected: number) { this.pending = expected }
  settle(): void {
    if (this.pending || this.tx) return
    this.phase ^= 1
    this.pending = this.expected
  }
  arrive(count: number, drop = false): void {
    if (drop) this.expected -= count
    this.pending -= count
    this.settle()
  }
  complete(bytes: number): void {
    this.tx -= bytes
    this.settle()
  }
}

/** Where an instruction's object is: [own, other block's] registers for its space. */
function objects(i: Instruction, register: number): [string, string] {
  const near = [...i.words].some((word) => word.startsWith('shared'))
  return near ? [`[%r${register}]`, `[%r${register + 1}]`] : [`[%d${register}]`, `[%d${register + 1}]`]
}

const observe = (k: number, parity: number): string => `mbarrier.test_wait.parity.shared.b64 %p1, [%r20], ${parity}; selp.u32 %r28, 1, 0, %p1; st.global.u32 [%d31+${4 * k}], %r28;`

/** Words: 0 the count, 1 the operand, 2 bytes, 3 what arrives afterwards, 4 bytes that complete then, 5 arrivals of
 * the next phase, 6 bytes that were expected before. */
function barriers(row: Row, choice: string[], random: Random): KernelCase {
  const i = instruction(row, choice)
  const has = (word: string): boolean => i.words.has(word)
  const name = `mb${serial.next++}`
  const { outside, head } = frame(name)
  const [arrive, drop, expects] = [has('arrive') && row.name === 'mbarrier', has('arrive_drop'), has('expect_tx')]
  const [waits, copies, standalone] = [has('test_wait') || has('try_wait'), row.name === 'cp', !has('arrive') && !has('arrive_drop') && (expects || has('complete_tx'))]
  const remote = has('shared::cluster') || (!has('shared') && !has('shared::cta') && (arrive || drop || standalone) && random.below(2) === 1)
  const counted = (arrive || drop) && (expects || has('noComplete') || random.below(2) === 1)
  const sink = remote || random.below(4) === 0
  const [own, other] = objects(i, 20)
  const rest = drop || has('noComplete') || waits ? 1 : 0
  const threads = Array.from({ length: THREADS }, (): Thread => {
    const count = counted && !expects ? 1 + random.below(5) : 1
    const bytes = 8 * random.below(100)
    const after = rest + random.below(4)
    const arrivals = arrive || drop ? count : waits || (copies && has('noinc')) ? 1 : 0
    return { words: [Math.max(1, arrivals + after), expects || has('complete_tx') ? bytes : count, bytes, Math.max(after, arrivals ? 0 : 1), 0, 0], from: new Uint8Array(0), before: new Uint8Array(0) }
  })
  // What comes to a thread's object was given by its own thread, or by the other block's.
  const actor = (n: number): Thread => threads[remote ? partner(n) : n] as Thread
  threads.forEach((t, n) => {
    const given = actor(n)
    const arrivals = arrive || drop ? (expects ? 1 : (given.words[1] ?? 0)) : waits || (copies && has('noinc')) ? 1 : 0
    t.words[0] = Math.max(1, arrivals + (t.words[3] ?? 0))
    if (!arrivals) t.words[3] = t.words[0] ?? 1
  })
  const outcomes = threads.map((t, n) => {
    const words: (number | undefined)[] = []
    const b = new Barrier(t.words[0] ?? 1)
    const given = actor(n)
    const bytes = given.words[2] ?? 0
    const seen = (parity: number): number => Number(b.phase !== parity)
    t.words[6] = bytes
    if (has('complete_tx')) b.tx += bytes
    if (arrive || drop) {
      if (expects) b.tx += bytes
      b.arrive(expects ? 1 : (given.words[1] ?? 1), drop)
    } else if (waits || (copies && has('noinc'))) b.arrive(1)
    else if (standalone && expects) b.tx += bytes
    else if (has('complete_tx')) b.complete(bytes)
    words.push(seen(0), waits ? seen(0) : undefined)
    if (t.words[3]) b.arrive(t.words[3])
    words.push(seen(0), waits ? seen(0) : undefined)
    t.words[4] = b.tx
    if (b.tx) b.complete(b.tx)
    words.push(seen(0))
    t.words[5] = b.expected
    if (b.expected) b.arrive(b.expected)
    words.push(seen(1))
    words.push((arrive || drop) && !sink ? (t.words[0] ?? 0) : undefined)
    return words
  })
  const where = remote ? other : own
  const operandText = counted || standalone ? ', %r1' : ''
  const result = arrive || drop ? `${sink ? '_' : '%d1'}, ` : ''
  const wait = (k: number): string => `${i.spelling} %p2, ${own}, ${has('parity') ? '0' : '%d2'}${has('try_wait') && random.below(2) ? ', 100' : ''}; selp.u32 %r28, 1, 0, %p2; st.global.u32 [%d31+${4 * k}], %r28;`
  const operation = waits ? 'mbarrier.arrive.shared.b64 %d2, [%r20];'
    : copies || has('inval') ? `${i.spelling} ${own};${has('inval') ? ' mbarrier.init.shared.b64 [%r20], %r0;' : ''}`
      : has('init') ? `${i.spelling} ${own}, %r0;`
        : `${i.spelling} ${result}${where}${operandText};`
  return {
    covers: [i.spelling], threads: THREADS, operands: operandsOf(threads), outside,
    body: `${head}\nmbarrier.init.shared.b64 [%r20], %r0; mov.u64 %d1, 0;\n${has('complete_tx') ? 'mbarrier.expect_tx.relaxed.cta.shared.b64 [%r20], %r6;' : ''} ${SYNC}
${operation}\n${SYNC} ${observe(0, 0)} ${waits ? wait(1) : ''}
setp.ne.u32 %p3, %r3, 0; @%p3 mbarrier.arrive.shared.b64 _, [%r20], %r3; ${observe(2, 0)} ${waits ? wait(3) : ''}
setp.ne.u32 %p3, %r4, 0; @%p3 mbarrier.complete_tx.relaxed.cta.shared.b64 [%r20], %r4; ${observe(4, 0)}
setp.ne.u32 %p3, %r5, 0; @%p3 mbarrier.arrive.shared.b64 _, [%r20], %r5; ${observe(5, 1)}
mbarrier.pending_count.b64 %r27, %d1; st.global.u32 [%d31+24], %r27;\n${SYNC}`,
    check: checker(i, (n) => ({ words: outcomes[n] ?? [] }), (n) => `operands ${threads[n]?.words.join(' ')}, the other's ${threads[partner(n)]?.words.join(' ')}`),
  }
}

/* ---- memory */

const little = (bytes: Uint8Array, at: number, count: number): bigint => {
  let x = 0n
  for (let k = count - 1; k >= 0; k--) x = (x << 8n) | BigInt(bytes[at + k] ?? 0)
  return x
}
function store(bytes: Uint8Array, at: number, count: number, value: bigint): void {
  for (let k = 0; k < count; k++) bytes[at + k] = Number((value >> BigInt(8 * k)) & 255n)
}

const ORDERS = ['and', 'or', 'xor', 'add', 'inc', 'dec', 'min', 'max']

/** What a reduction leaves; f32 sums flush subnormals, as documented of bulk reductions. */
export function reduced(op: string, type: string, old: bigint, value: bigint): bigint {
  const bits = widthOf(type)
  const format = formatOf(type)
  switch (op) {
    case 'and': return old & value
    case 'or': return old | value
    case 'xor': return old ^ value
    case 'inc': return old >= value ? 0n : old + 1n
    case 'dec': return old === 0n || old > value ? value : old - 1n
    case 'add': {
      if (!format) return (old + value) & mask(bits)
      const cut = (x: bigint): bigint => (format === F32 ? flush(F32, x) : x)
      return cut(encode(format, add(decode(format, cut(old)), decode(format, cut(value)), 'rn')))
    }
    default: {
      let less: boolean
      if (format) {
        const [a, b]: [Value, Value] = [decode(format, old), decode(format, value)]
        if (isNaN(a) || isNaN(b)) return isNaN(a) ? (isNaN(b) ? format.nan : value) : old
        less = isZero(a) && isZero(b) ? a.neg && !b.neg : compare(a, b) < 0
      } else less = type[0] === 's' ? signed(old, bits) < signed(value, bits) : old < value
      return less === (op === 'min') ? old : old === value ? old : value
    }
  }
}

/** Operands of a type at random, `count` bytes of them. */
function elements(random: Random, type: string, count: number): Uint8Array {
  const bytes = new Uint8Array(count)
  const width = widthOf(type) / 8
  for (let at = 0, last: bigint | undefined; at < count; at += width) {
    last = operand(random, type, last)
    store(bytes, at, width, last)
  }
  return bytes
}

/** Words: 0 bytes that come to this lane's mbarrier, 1 the size, 2 the mask of blocks or of bytes. */
function bulks(row: Row, choice: string[], random: Random): KernelCase {
  const i = instruction(row, choice)
  const has = (word: string): boolean => i.words.has(word)
  const { outside, head } = frame(`bulk${serial.next++}`)
  const words = i.spelling.split('.')
  const reduce = words[1] === 'reduce'
  const [to = '', from = ''] = words.slice(words.indexOf('bulk') + 1)
  const [multicast, masked, completes] = [has('multicast::cluster'), has('cp_mask'), has('mbarrier::complete_tx::bytes')]
  const op = ORDERS.find((word) => has(word)) ?? ''
  const type = reduce ? (words.at(-1) ?? '') : 'b8'
  const threads = Array.from({ length: THREADS }, (): Thread => ({
    words: [0, 16 * random.below(5), masked ? random.below(65536) : 1 + random.below(3)],
    from: elements(random, type, 64), before: elements(random, type, 128),
  }))
  /** Whose copies come to a thread's memory: the thread's that gives them. */
  const givers = (n: number): number[] =>
    to === 'global' ? [n] : multicast ? [n, partner(n)].filter((giver) => ((threads[giver]?.words[2] ?? 0) >> rankOf(n)) & 1) : to === 'shared::cluster' ? [partner(n)] : [n]
  threads.forEach((t, n) => (t.words[0] = givers(n).reduce((sum, giver) => sum + (threads[giver]?.words[1] ?? 0), 0)))
  const target = to === 'global' ? `[%d29]` : multicast || to === 'shared::cta' ? '[%r24]' : '[%r25]'
  const barrier = !completes ? '' : multicast || to === 'shared::cta' ? ', [%r20]' : ', [%r21]'
  const source = from === 'global' ? `[%d30+${FROM}]` : '[%r22+128]'
  // A block writes what is its rank's, in its own memory and in the other's; to global memory, all.
  return {
    covers: [i.spelling], threads: THREADS, operands: operandsOf(threads), outside,
    body: `${head}\nadd.u64 %d29, %d31, ${AFTER}; shl.b32 %r26, %r19, 6; add.u32 %r24, %r22, %r26; add.u32 %r25, %r23, %r26; cvt.u16.u32 %h1, %r2; mov.u64 %d1, 0; mbarrier.init.shared.b64 [%r20], 1; mbarrier.arrive.expect_tx.shared.b64 _, [%r20], %r0;
${Array.from({ length: 16 }, (_, k) => `ld.global.b64 %d2, [%d30+${BEFORE + 8 * k}]; st.shared.b64 [%r22+${8 * k}], %d2; st.global.b64 [%d29+${8 * k}], %d2;`).join(' ')}
${Array.from({ length: 8 }, (_, k) => `ld.global.b64 %d2, [%d30+${FROM + 8 * k}]; st.shared.b64 [%r22+${128 + 8 * k}], %d2;`).join(' ')} ${SYNC}
${i.spelling} ${target}, ${source}, %r1${barrier}${multicast ? ', %h1' : ''}${has('L2::cache_hint') ? ', %d1' : ''}${masked ? ', %h1' : ''};
cp.async.bulk.commit_group; cp.async.bulk.wait_group 0; ${SYNC} ${observe(0, 0)}
${to === 'global' ? '' : Array.from({ length: 16 }, (_, k) => `ld.shared.b64 %d2, [%r22+${8 * k}]; st.global.b64 [%d29+${8 * k}], %d2;`).join(' ')}\n${SYNC}`,
    check: checker(i, (n) => {
      const memory = (threads[n] as Thread).before.slice()
      for (const giver of givers(n)) {
        const t = threads[giver] as Thread
        const base = to === 'global' ? 0 : 64 * rankOf(giver)
        const width = reduce ? widthOf(type) / 8 : 1
        for (let at = 0; at < (t.words[1] ?? 0); at += width) {
          if (masked && !(((t.words[2] ?? 0) >> (at % 16)) & 1)) continue
          const value = little(t.from, at, width)
          store(memory, base + at, width, reduce ? reduced(op, type, little(memory, base + at, width), value) : value)
        }
      }
      return { words: [completes || threads[n]?.words[0] === 0 ? 1 : 0], memory }
    }, (n) => `sizes ${threads[n]?.words.join(' ')}, the other's ${threads[partner(n)]?.words.join(' ')}`),
  }
}

/** st.async and red.async: to the other block's memory and mbarrier, or to global memory. */
function remotes(row: Row, choice: string[], random: Random): KernelCase {
  const i = instruction(row, choice)
  const has = (word: string): boolean => i.words.has(word)
  const { outside, head } = frame(`remote${serial.next++}`)
  const completes = has('mbarrier::complete_tx::bytes')
  const near = has('shared::cluster')
  const type = i.spelling.split('.').at(-1) ?? ''
  const width = widthOf(type) / 8
  const count = has('v4') ? 4 : has('v2') ? 2 : 1
  const op = row.name === 'red' ? (ORDERS.find((word) => has(word)) ?? '') : ''
  const threads = Array.from({ length: THREADS }, (): Thread => ({ words: [width * count], from: elements(random, type, 64), before: elements(random, type, 128) }))
  const register = (k: number): string => (width === 8 ? `%d${4 + k}` : `%r${8 + k}`)
  const values = Array.from({ length: count }, (_, k) => register(k))
  const target = completes ? (near ? '[%r23+16]' : '[%d23+16]') : '[%d29+16]'
  return {
    covers: [i.spelling], threads: THREADS, operands: operandsOf(threads), outside,
    body: `${head}\nadd.u64 %d29, %d31, ${AFTER}; mbarrier.init.shared.b64 [%r20], 1; mbarrier.arrive.expect_tx.shared.b64 _, [%r20], %r0;
${Array.from({ length: 16 }, (_, k) => `ld.global.b64 %d2, [%d30+${BEFORE + 8 * k}]; st.shared.b64 [%r22+${8 * k}], %d2; st.global.b64 [%d29+${8 * k}], %d2;`).join(' ')}
${values.map((r, k) => `ld.global.b${8 * width} ${r}, [%d30+${FROM + width * k}];`).join(' ')} ${SYNC}
${i.spelling} ${target}, ${count > 1 ? `{${values.join(',')}}` : values[0]}${completes ? (near ? ', [%r21]' : ', [%d21]') : ''};\n${SYNC} ${observe(0, 0)}
${completes ? Array.from({ length: 16 }, (_, k) => `ld.shared.b64 %d2, [%r22+${8 * k}]; st.global.b64 [%d29+${8 * k}], %d2;`).join(' ') : ''}\n${SYNC}`,
    check: checker(i, (n) => {
      const memory = (threads[n] as Thread).before.slice()
      const given = threads[completes ? partner(n) : n] as Thread
      for (let k = 0; k < count; k++) {
        const value = little(given.from, width * k, width)
        store(memory, 16 + width * k, width, op ? reduced(op, type, little(memory, 16 + width * k, width), value) : value)
      }
      return { words: [completes ? 1 : 0], memory }
    }, () => ''),
  }
}

/** st.bulk: a lane's memory becomes 0. */
function clears(row: Row, choice: string[], random: Random): KernelCase {
  const i = instruction(row, choice)
  const { outside, head } = frame(`clear${serial.next++}`)
  const threads = Array.from({ length: THREADS }, (): Thread => ({ words: [8 * random.below(9), 8 * random.below(8)], from: new Uint8Array(0), before: bytesOf(random, 128) }))
  const near = i.words.has('shared::cta')
  return {
    covers: [i.spelling], threads: THREADS, operands: operandsOf(threads), outside,
    body: `${head}\n${Array.from({ length: 16 }, (_, k) => `ld.global.b64 %d2, [%d30+${BEFORE + 8 * k}]; st.shared.b64 [%r22+${8 * k}], %d2;`).join(' ')} cvt.u64.u32 %d1, %r0; cvt.u64.u32 %d3, %r1; add.u64 %d4, %d22, %d3; add.u32 %r24, %r22, %r1;
${i.spelling} [${near ? '%r24' : '%d4'}], %d1, 0;\n${Array.from({ length: 16 }, (_, k) => `ld.shared.b64 %d2, [%r22+${8 * k}]; st.global.b64 [%d31+${AFTER + 8 * k}], %d2;`).join(' ')}`,
    check: checker(i, (n) => {
      const t = threads[n] as Thread
      const memory = t.before.slice()
      memory.fill(0, t.words[1], (t.words[1] ?? 0) + (t.words[0] ?? 0))
      return { words: [], memory }
    }, (n) => threads[n]?.words.join(' ') ?? ''),
  }
}

const makers: Readonly<Record<string, (row: Row, choice: string[], random: Random) => KernelCase>> = { MBARRIER: barriers, BULK: bulks, REMOTE: remotes, CLEAR: clears }

/** Whether a row's cases are made here. */
export const isAsync = (row: Row): boolean => row.kind in makers

export const asyncCases = (row: Row, random: Random): KernelCase[] => [...choices(row)].map((choice) => (makers[row.kind] as NonNullable<(typeof makers)[string]>)(row, choice, random))
