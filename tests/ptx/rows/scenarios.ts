// Instructions that do more than compute: memory, atomics, what lanes tell each other, barriers, addresses, control flow.
// A scenario is a kernel of 48 threads (a warp and half of one) with what each thread must have written. coverage.c says
// afterwards which spellings were executed.
import { F32, mask, signed } from './exact.ts'
import { flush } from './float.ts'
import { choices, instruction, isSigned, widthOf, type Instruction, type Row } from './instruction.ts'
import { edges, operand, Random } from './operands.ts'
import { lastType, referenceOf, types, type Want } from './reference.ts'

export const THREADS = 48
export const IN = 8
export const OUT = 10

export interface Scenario {
  name: string
  /** Declarations before the kernel, with names of its own. */
  outside?: string
  /** Declarations within it. */
  inside?: string
  body: string
  /** Types of the operands in the slots. */
  inputs: string[]
  /** The slots hold elements of this type, beside each other. */
  elements?: string | undefined
  /** What the threads of a block write, slot by slot; undefined: not looked at. */
  expect: (threads: bigint[][]) => (Want | undefined)[][]
}

/** Lane by lane. */
const each = (f: (x: bigint[], thread: number) => (Want | undefined)[]) => (threads: bigint[][]): (Want | undefined)[][] => threads.map((x, t) => f(x, t))
const warps = <T>(f: (lanes: bigint[][]) => T[]) => (threads: bigint[][]): T[] => [...f(threads.slice(0, 32)), ...f(threads.slice(32))]

const blob = (n: number): bigint => BigInt((7 * n + 129) & 255)
const bytesAt = (from: number, count: number): bigint => {
  let x = 0n
  for (let k = count - 1; k >= 0; k--) x = (x << 8n) | blob(from + k)
  return x
}
const classOf = (bits: number): string => (bits === 1 ? 'p' : bits <= 16 ? 'h' : bits === 32 ? 'r' : bits === 64 ? 'd' : 'q')
const WIDE = '.reg .b128 %q<8>;\n'

/** A thread's memory in each space: declarations, and the lines that put its address into %d20 (generic where no space is named). */
function place(space: string, name: string): { outside: string; inside: string; address: string; space: string; fixed: boolean } {
  const base = space.split('::')[0] ?? ''
  const local = 'mov.u32 %r28, %tid.x; mul.wide.u32 %d28, %r28, 32;'
  switch (base) {
    case 'shared': return { outside: `.shared .align 32 .b8 s_${name}[1536];\n`, inside: '', address: `mov.u64 %d20, s_${name}; ${local} add.u64 %d20, %d20, %d28;`, space: 'shared', fixed: false }
    case 'local': return { outside: '', inside: '.local .align 32 .b8 here[32];\n', address: 'mov.u64 %d20, here;', space: 'local', fixed: false }
    case 'const': return { outside: `.const .align 32 .b8 c_${name}[64] = {${Array.from({ length: 64 }, (_, k) => blob(k)).join(',')}};\n`, inside: '', address: `mov.u64 %d20, c_${name};`, space: 'const', fixed: true }
    case 'param': return { outside: '', inside: '', address: 'mov.u64 %d20, blob;', space: 'param', fixed: true }
    default: return { outside: `.global .align 32 .b8 g_${name}[4608];\n`, inside: '', address: `mov.u64 %d20, g_${name}; mov.u32 %r29, %ctaid.x; mul.lo.u32 %r29, %r29, 48; ${local.replace('%tid.x;', '%tid.x; add.u32 %r28, %r28, %r29;')} add.u64 %d20, %d20, %d28; ${base === '' ? 'cvta.global.u64 %d20, %d20;' : ''}`, space: base, fixed: false }
  }
}

/** A choice for each part: `fixed` by part, the others take their words in turn. */
function turn(row: Row, n: number, fixed: (words: string[], part: number) => string | undefined): string[] {
  return row.parts.map((part, p) => {
    const list = part.optional ? ['', ...part.words] : part.words
    return fixed(part.words, p) ?? list[(n + 3 * p) % list.length] ?? ''
  })
}
/** Makes scenarios round after round until every word of every part had its turn. */
function inTurns(row: Row, round: (list: Scenario[]) => void): Scenario[] {
  const longest = Math.max(...row.parts.map((part) => part.words.length + (part.optional ? 1 : 0)))
  const list: Scenario[] = []
  for (let before = -1; list.length < longest && list.length > before; ) {
    before = list.length
    round(list)
  }
  return list
}
const partWith = (row: Row, word: string): number => row.parts.findIndex((part) => part.words.includes(word))

function loads(row: Row): Scenario[] {
  const [typePart, spacePart, vectorPart] = [row.parts.length - 1, Math.max(partWith(row, 'global'), partWith(row, 'shared')), Math.max(partWith(row, 'v2'), partWith(row, 'v4'), partWith(row, 'v8'))]
  const spaces = row.parts[spacePart]?.optional === false ? row.parts[spacePart].words : ['', ...(row.parts[spacePart]?.words ?? [])]
  return inTurns(row, (list) => {
    for (const space of spaces)
      for (const type of row.parts[typePart]?.words ?? [])
        for (const vector of row.parts[vectorPart]?.optional === false ? row.parts[vectorPart].words : ['', ...(row.parts[vectorPart]?.words ?? [])]) {
          const count = vector ? Number(vector.slice(1)) : 1
          const bytes = widthOf(type) / 8
          if (count * bytes > 32 || space === 'param::func') continue // a function's parameters: programs and the calls below
          const n = list.length
          const i = instruction(row, turn(row, n, (_, p) => (p === typePart ? type : p === spacePart ? space : p === vectorPart ? vector : undefined)))
          const name = `ld${row.index}_${n}`
          const where = place(space, name)
          const widths = [16, 32, 64, 128].filter((bits) => (bits >= Math.max(16, bytes * 8) && bits <= 64 && /^[usb]\d/.test(type)) || bits === Math.max(16, bytes * 8))
          const bits = widths[n % widths.length] ?? 64
          const registers = Array.from({ length: count }, (_, k) => `%${classOf(bits)}${k}`)
          const hint = i.words.has('L2::cache_hint') ? ', %d27' : ''
          const wide = type === 'b128'
          const stores = where.fixed ? '' : [0, 1, 2, 3].map((k) => `ld.global.b64 %d26, [%d30+${8 * k}]; st${where.space ? `.${where.space}` : ''}.b64 [%d20+${8 * k}], %d26;`).join('\n')
          list.push({
            name: i.spelling, outside: where.outside, inside: where.inside + WIDE, inputs: ['b64', 'b64', 'b64', 'b64'],
            body: `${where.address}\n${stores}\nmov.u64 %d27, 0;\n${i.spelling} ${count > 1 ? `{${registers.join(',')}}` : registers[0]}, [%d20]${hint};\n${wide ? 'mov.b128 {%d1,%d2}, %q0; st.global.b64 [%d31], %d1; st.global.b64 [%d31+8], %d2;' : registers.map((r, k) => `st.global.b${bits} [%d31+${8 * k}], ${r};`).join('\n')}`,
            expect: each((x) => wide ? [0, 8].map((at) => (where.fixed ? bytesAt(at, 8) : x[at >> 3])) : registers.map((_, k) => {
              const at = k * bytes
              const raw = where.fixed ? bytesAt(at, bytes) : ((x[at >> 3] ?? 0n) >> BigInt(8 * (at & 7))) & mask(8 * bytes)
              return { about: `${type} ${raw.toString(16)}`, ok: (got) => (got & mask(bits)) === (isSigned(type) ? signed(raw, 8 * bytes) & mask(bits) : raw) }
            })),
          })
        }
  })
}

function stores(row: Row): Scenario[] {
  const [typePart, spacePart, vectorPart] = [row.parts.length - 1, Math.max(partWith(row, 'global'), partWith(row, 'shared')), Math.max(partWith(row, 'v2'), partWith(row, 'v4'), partWith(row, 'v8'))]
  return inTurns(row, (list) => {
    for (const space of row.parts[spacePart]?.optional === false ? row.parts[spacePart].words : ['', ...(row.parts[spacePart]?.words ?? [])])
      for (const type of row.parts[typePart]?.words ?? [])
        for (const vector of row.parts[vectorPart]?.optional === false ? row.parts[vectorPart].words : ['', ...(row.parts[vectorPart]?.words ?? [])]) {
          const count = vector ? Number(vector.slice(1)) : 1
          const bytes = widthOf(type) / 8
          if (count * bytes > 32 || space.startsWith('param')) continue
          const wide = type === 'b128'
          const n = list.length
          const i = instruction(row, turn(row, n, (_, p) => (p === typePart ? type : p === spacePart ? space : p === vectorPart ? vector : undefined)))
          const where = place(space, `st${row.index}_${n}`)
          const bits = Math.max(16, bytes * 8)
          const registers = Array.from({ length: count }, (_, k) => `%${classOf(bits)}${k}`)
          const at = where.space ? `.${where.space}` : ''
          list.push({
            name: i.spelling, outside: where.outside, inside: where.inside + WIDE, inputs: Array.from({ length: wide ? 2 : count }, () => (bits >= 64 ? 'b64' : bits === 32 ? 'b32' : 'b16')),
            body: `${where.address}\nmov.u64 %d27, 0;\n${[0, 1, 2, 3].map((k) => `st${at}.b64 [%d20+${8 * k}], %d27;`).join(' ')}\n${wide ? 'ld.global.b64 %d1, [%d30]; ld.global.b64 %d2, [%d30+8]; mov.b128 %q0, {%d1,%d2};' : registers.map((r, k) => `ld.global.b${bits} ${r}, [%d30+${8 * k}];`).join('\n')}
${i.spelling} [%d20], ${count > 1 ? `{${registers.join(',')}}` : registers[0]}${i.words.has('L2::cache_hint') ? ', %d27' : ''};\n${[0, 1, 2, 3].map((k) => `ld${at}.b64 %d26, [%d20+${8 * k}]; st.global.b64 [%d31+${8 * k}], %d26;`).join('\n')}`,
            expect: each((x) => {
              let all = wide ? ((x[1] ?? 0n) << 64n) | (x[0] ?? 0n) : 0n
              if (!wide) registers.forEach((_, k) => (all |= ((x[k] ?? 0n) & mask(8 * bytes)) << BigInt(8 * bytes * k)))
              return [0n, 64n, 128n, 192n].map((shift) => (all >> shift) & mask(64))
            }),
          })
        }
  })
}

/** What an atomic leaves behind; the arithmetic is that of the instruction of the same name. */
function atomicResult(i: Instruction, row: Row, old: bigint, b: bigint, c: bigint): Want {
  const type = lastType(i)
  const has = (word: string): boolean => i.words.has(word)
  const as = (name: string, t = type, x = old, y = b): Want => {
    const like = { ...i, name, spelling: `${name}.${t}`, words: new Set([t]), groups: [t], operands: [], row: { ...row, kind: 'ALU', section: '' } }
    return referenceOf(like)?.(like, [x, y])[0] ?? 0n
  }
  if (has('exch')) return b
  if (has('cas')) return old === b ? c : old
  if (has('inc')) return old >= b ? 0n : old + 1n
  if (has('dec')) return old === 0n || old > b ? b : old - 1n
  if (has('add') && type === 'f32' && ![...i.words].some((word) => word.startsWith('shared'))) {
    // In global memory it flushes subnormals, in shared memory it does not.
    return flush(F32, as('add', type, flush(F32, old), flush(F32, b)) as bigint)
  }
  for (const op of ['and', 'or', 'xor', 'add', 'min', 'max']) if (has(op)) return as(op)
  throw new Error(`no reference for ${i.spelling}`)
}

type Where = ReturnType<typeof place>

/** 128 bits at once: every second thread compares with what is there. */
function wideAtomic(i: Instruction, where: Where): Scenario {
  const at = where.space ? `.${where.space}` : ''
  const cas = i.words.has('cas')
  return {
    name: i.spelling, outside: where.outside, inside: where.inside + WIDE, inputs: ['b64', 'b64', 'b64', 'b64', 'b64', 'b64'],
    body: `${where.address}\nmov.u64 %d27, 0; ${[0, 1, 2, 3, 4, 5].map((k) => `ld.global.b64 %d${k}, [%d30+${8 * k}];`).join(' ')}
st${at}.b64 [%d20], %d0; st${at}.b64 [%d20+8], %d1; and.b64 %d6, %d4, 1; setp.eq.u64 %p1, %d6, 1; @%p1 mov.b64 %d2, %d0; @%p1 mov.b64 %d3, %d1; mov.b128 %q1, {%d2,%d3}; mov.b128 %q2, {%d4,%d5};
${i.spelling} %q3, [%d20], %q1${cas ? ', %q2' : ''}${i.words.has('L2::cache_hint') ? ', %d27' : ''};
ld${at}.b64 %d7, [%d20]; ld${at}.b64 %d8, [%d20+8]; st.global.b64 [%d31], %d7; st.global.b64 [%d31+8], %d8; mov.b128 {%d7,%d8}, %q3; st.global.b64 [%d31+16], %d7; st.global.b64 [%d31+24], %d8;`,
    expect: each(([a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n]) => {
      const same = (e & 1n) === 1n || (a === c && b === d)
      const [x, y] = cas ? (same ? [e, f] : [a, b]) : (e & 1n) === 1n ? [a, b] : [c, d]
      return [x, y, a, b]
    }),
  }
}

/** Elements of a vector, each by itself. */
function vectorAtomic(i: Instruction, row: Row, where: Where): Scenario {
  const [type, at] = [lastType(i), where.space ? `.${where.space}` : '']
  const [bits, count] = [widthOf(type), i.words.has('v8') ? 8 : i.words.has('v4') ? 4 : 2]
  const half = count * bits <= 64
  const list = (from: number): string => `{${Array.from({ length: count }, (_, k) => `%${bits === 16 ? 'h' : 'r'}${from + k}`).join(',')}}`
  const atom = i.name === 'atom'
  // Operands are elements beside each other: 16 bytes of what is there, 16 of what comes.
  const packed = Array.from({ length: 128 / bits }, () => type)
  return {
    name: i.spelling, outside: where.outside, inside: where.inside, inputs: ['b64', 'b64', 'b64', 'b64'], elements: packed[0],
    body: `${where.address}\nmov.u64 %d27, 0; ld.global.v2.b64 {%d1,%d2}, [%d30]; st${at}.v2.b64 [%d20], {%d1,%d2};
${Array.from({ length: count }, (_, k) => `ld.global.b${bits} %${bits === 16 ? 'h' : 'r'}${k}, [%d30+${16 + (k * bits) / 8}]; mov.b${bits} %${bits === 16 ? 'h' : 'r'}${8 + k}, 0;`).join(' ')}
${i.spelling} ${atom ? `${list(8)}, ` : ''}[%d20], ${list(0)}${i.words.has('L2::cache_hint') ? ', %d27' : ''};
ld${at}.v2.b64 {%d3,%d4}, [%d20]; st.global.b64 [%d31], %d3; st.global.b64 [%d31+8], %d4; ${atom ? Array.from({ length: count }, (_, k) => `st.global.b${bits} [%d31+${16 + (k * bits) / 8}], %${bits === 16 ? 'h' : 'r'}${8 + k};`).join(' ') : ''}`,
    expect: each((x) => {
      const [old, value] = [((x[1] ?? 0n) << 64n) | (x[0] ?? 0n), ((x[3] ?? 0n) << 64n) | (x[2] ?? 0n)]
      const part = (all: bigint, k: number): bigint => (all >> BigInt(k * bits)) & mask(bits)
      const left = Array.from({ length: count }, (_, k) => atomicResult(i, row, part(old, k), part(value, k), 0n))
      const word = (from: number): Want => ({
        about: left.map((want) => (typeof want === 'bigint' ? want.toString(16) : want.about)).join(' '),
        ok: (got) => Array.from({ length: 64 / bits }, (_, k) => k).every((k) => {
          const want = left[from + k]
          const element = part(got, k)
          return want === undefined ? element === part(old, from + k) : typeof want === 'bigint' ? element === want : want.ok(element)
        }),
      })
      const returned = old & mask(count * bits)
      return [word(0), word(64 / bits), ...(!atom || (half && count * bits < 64) ? [] : [returned & mask(64), ...(half ? [] : [returned >> 64n])])]
    }),
  }
}

function atomics(row: Row): Scenario[] {
  const spacePart = Math.max(partWith(row, 'global'), partWith(row, 'shared'))
  const opPart = row.parts.findIndex((part) => part.group && part.words.some((word) => ['add', 'and', 'min', 'inc'].includes(word)))
  const typePart = row.parts.length - 1
  return inTurns(row, (list) => {
    for (const space of row.parts[spacePart]?.optional === false ? row.parts[spacePart].words : ['', ...(row.parts[spacePart]?.words ?? [])])
      for (const type of row.parts[typePart]?.words ?? [])
        for (const op of row.parts[opPart]?.words ?? ['']) {
          const n = list.length
          const i = instruction(row, turn(row, n, (_, p) => (p === typePart ? type : p === opPart ? op : p === spacePart ? space : undefined)))
          const where = place(space, `at${row.index}_${n}`)
          if (lastType(i) === 'b128' || i.row.operands.includes('V')) {
            list.push(lastType(i) === 'b128' ? wideAtomic(i, where) : vectorAtomic(i, row, where))
            continue
          }
          const bits = widthOf(type)
          const at = where.space ? `.${where.space}` : ''
          const [c, atom] = [classOf(bits), row.name === 'atom']
          list.push({
            name: i.spelling, outside: where.outside, inside: where.inside, inputs: [type, type, type],
            body: `${where.address}\nmov.u64 %d27, 0;\n${[1, 2, 3].map((k) => `ld.global.b${bits} %${c}${k}, [%d30+${8 * (k - 1)}];`).join(' ')}\nst${at}.b${bits} [%d20], %${c}1;
${i.spelling} ${atom ? `%${c}4, ` : ''}[%d20], %${c}2${i.words.has('cas') ? `, %${c}3` : ''}${i.words.has('L2::cache_hint') ? ', %d27' : ''};
ld${at}.b${bits} %${c}5, [%d20];\nst.global.b${bits} [%d31], %${c}5;\n${atom ? `st.global.b${bits} [%d31+8], %${c}4;` : ''}`,
            expect: each(([old = 0n, b = 0n, e = 0n]) => {
              const left = atomicResult(i, row, old, b, e)
              const cut = (want: Want): Want => ({ about: typeof want === 'bigint' ? want.toString(16) : want.about, ok: (got) => (typeof want === 'bigint' ? (got & mask(bits)) === want : want.ok(got & mask(bits))) })
              return atom ? [cut(left), cut(old)] : [cut(left)]
            }),
          })
        }
  })
}

const inWarp = (lanes: bigint[][]): number => lanes.length
const groupMask = (lanes: bigint[][]): bigint => mask(inWarp(lanes))

function shuffles(row: Row): Scenario[] {
  return [...choices(row)].flatMap((choice) => [false, true].map((pair) => {
    const i = instruction(row, choice)
    const sync = i.words.has('sync')
    return {
      name: `${i.spelling}${pair ? ' with a predicate' : ''}`, inputs: ['b32', 'u32', 'u32'],
      body: `ld.global.b32 %r1, [%d30]; ld.global.b32 %r2, [%d30+8]; ld.global.b32 %r3, [%d30+16]; activemask.b32 %r4;
setp.eq.u32 %p1, 0, 1;\n${i.spelling} %r5${pair ? '|%p1' : ''}, %r1, %r2, %r3${sync ? ', %r4' : ''};\nst.global.b32 [%d31], %r5; selp.b64 %d1, 1, 0, %p1; st.global.b64 [%d31+8], %d1;`,
      expect: warps((lanes) => lanes.map((x, lane) => {
        const b = Number((x[1] ?? 0n) & 31n)
        const clamp = Number((x[2] ?? 0n) & 31n)
        const segment = Number(((x[2] ?? 0n) >> 8n) & 31n)
        const last = (lane & segment) | (clamp & ~segment & 31)
        const first = lane & segment
        const j = i.words.has('up') ? lane - b : i.words.has('down') ? lane + b : i.words.has('bfly') ? lane ^ b : first | (b & ~segment & 31)
        const inside = i.words.has('up') ? j >= last : j <= last
        const from = inside ? j : lane
        if (from >= lanes.length || from < 0) return [undefined, pair ? (inside ? 1n : 0n) : 0n] // a lane that is not there: not defined
        return [{ about: `lane ${from}`, ok: (got: bigint) => (got & mask(32)) === (lanes[from]?.[0] ?? 0n) }, pair ? (inside ? 1n : 0n) : 0n]
      })),
    }
  }))
}

function votes(row: Row): Scenario[] {
  return [...choices(row)].map((choice) => {
    const i = instruction(row, choice)
    const ballot = i.words.has('ballot')
    const sync = i.words.has('sync') ? ', %r4' : ''
    return {
      name: i.spelling, inputs: ['u32'], // in every third block all agree: see fill()
      body: `ld.global.b32 %r1, [%d30]; and.b32 %r1, %r1, 3; mov.u32 %r2, %ctaid.x; setp.ge.u32 %p1, %r1, %r2; activemask.b32 %r4;
${i.spelling} ${ballot ? '%r5' : '%p2'}, %p1${sync};\n${ballot ? 'cvt.u64.u32 %d1, %r5;' : 'selp.b64 %d1, 1, 0, %p2;'} st.global.b64 [%d31], %d1;\nmov.u32 %r6, %ctaid.x; st.global.u32 [%d31+8], %r6;`,
      expect: warps((lanes) => {
        const yes = (block: bigint): bigint => lanes.reduce((all, x, lane) => all | (((x[0] ?? 0n) & 3n) >= block ? 1n << BigInt(lane) : 0n), 0n)
        const results = [0n, 1n, 2n].map((block) => {
          const all = yes(block)
          if (ballot) return all
          if (i.words.has('all')) return all === groupMask(lanes) ? 1n : 0n
          if (i.words.has('any')) return all !== 0n ? 1n : 0n
          return all === 0n || all === groupMask(lanes) ? 1n : 0n
        })
        return lanes.map(() => [{ about: `one of ${results.join(' ')} by block`, ok: (got: bigint) => results.includes(got) }, undefined])
      }),
    }
  })
}

function matches(row: Row): Scenario[] {
  return [...choices(row)].flatMap((choice) => (row.pattern.includes('.all') ? [false, true] : [false]).map((pair) => {
    const i = instruction(row, choice)
    const bits = widthOf(lastType(i))
    const c = classOf(bits)
    return {
      name: i.spelling, inputs: ['u32'],
      body: `ld.global.b32 %r1, [%d30]; and.b32 %r1, %r1, 3; cvt.u64.u32 %d1, %r1; shl.b64 %d1, %d1, 32; activemask.b32 %r4; setp.eq.u32 %p1, 0, 1;\n${i.spelling} %r5${pair ? '|%p1' : ''}, %${c}1, %r4; cvt.u64.u32 %d2, %r5; st.global.b64 [%d31], %d2; selp.b64 %d2, 1, 0, %p1; st.global.b64 [%d31+8], %d2;`,
      expect: warps((lanes) => {
        const same = (x: bigint): bigint => lanes.reduce((all, y, lane) => all | (((y[0] ?? 0n) & 3n) === (x & 3n) ? 1n << BigInt(lane) : 0n), 0n)
        return lanes.map((x) => {
          const group = same(x[0] ?? 0n)
          if (i.words.has('any')) return [group, undefined]
          const all = group === groupMask(lanes)
          return [all ? group : 0n, pair ? (all ? 1n : 0n) : undefined]
        })
      }),
    }
  }))
}

function reductions(row: Row): Scenario[] {
  return [...choices(row)].filter((choice) => /^[bus]32$/.test(choice.at(-1) ?? '')).map((choice) => {
    const i = instruction(row, choice)
    const type = lastType(i)
    const op = i.groups.find((word) => ['add', 'min', 'max', 'and', 'or', 'xor'].includes(word)) ?? ''
    return {
      name: i.spelling, inputs: [type],
      body: `ld.global.b32 %r1, [%d30]; activemask.b32 %r4;\n${i.spelling} %r5, %r1, %r4; cvt.u64.u32 %d2, %r5; st.global.b64 [%d31], %d2;`,
      expect: warps((lanes) => {
        const v = (x: bigint): bigint => (isSigned(type) ? signed(x, 32) : x)
        const all = lanes.map((x) => v(x[0] ?? 0n)).reduce((a, b) => (op === 'add' ? a + b : op === 'min' ? (a < b ? a : b) : op === 'max' ? (a > b ? a : b) : op === 'and' ? a & b : op === 'or' ? a | b : a ^ b))
        return lanes.map(() => [all & mask(32)])
      }),
    }
  })
}

function elections(row: Row): Scenario[] {
  return [true, false].map((pair) => ({
    name: row.name, inputs: ['u32'],
    body: `activemask.b32 %r4; setp.eq.u32 %p1, 0, 1;\n${row.pattern} ${pair ? '%r5|%p1' : '_|%p1'}, %r4;\n${pair ? 'cvt.u64.u32 %d1, %r5;' : 'mov.u64 %d1, 0;'} st.global.b64 [%d31], %d1; selp.b64 %d2, 1, 0, %p1; st.global.b64 [%d31+8], %d2;`,
    expect: warps((lanes) => lanes.map((_, lane) => [0n, lane === 0 ? 1n : 0n])),
  }))
}

/** Barriers with a vote, over the whole block. */
function barrierVotes(row: Row): Scenario[] {
  return [...choices(row)].flatMap((choice) => ['0', '7, 64'].map((barrier) => {
    const i = instruction(row, choice)
    const count = i.words.has('popc')
    return {
      name: `${i.spelling} at ${barrier}`, inputs: ['u32'],
      body: `ld.global.b32 %r1, [%d30]; and.b32 %r1, %r1, 1; setp.eq.u32 %p1, %r1, 1;\n${i.spelling} ${count ? '%r5' : '%p2'}, ${barrier}, %p1;\n${count ? 'cvt.u64.u32 %d1, %r5;' : 'selp.b64 %d1, 1, 0, %p2;'} st.global.b64 [%d31], %d1;`,
      expect: (threads) => {
        const yes = threads.filter((x) => ((x[0] ?? 0n) & 1n) === 1n).length
        const result = count ? BigInt(yes) : i.words.has('and') ? (yes === THREADS ? 1n : 0n) : yes ? 1n : 0n
        return threads.map(() => [result])
      },
    }
  }))
}

/** What one thread writes before it, others read after it; .arrive and its .sync are parted by warp. */
function barriers(row: Row): Scenario[] {
  return [...choices(row)].flatMap((choice, n) => {
    const i = instruction(row, choice)
    const name = `bar${row.index}_${n}`
    const outside = `.shared .align 8 .b64 ${name}[48];\n`
    const store = `mov.u64 %d1, ${name}; mov.u32 %r1, %tid.x; mul.wide.u32 %d2, %r1, 8; add.u64 %d2, %d2, %d1; ld.global.b64 %d3, [%d30]; st.shared.b64 [%d2], %d3;`
    if (i.words.has('arrive') && row.kind === 'BAR') {
      const sync = i.spelling.replace('.arrive', '.sync')
      return [{
        name: i.spelling, outside, inputs: ['b64'],
        body: `${store}\nsetp.lt.u32 %p1, %r1, 32;\n@%p1 bra ARRIVE;\n${sync} 3, 64;\nld.shared.b64 %d4, [%d2+-256];\nst.global.b64 [%d31], %d4;\nbra DONE;\nARRIVE: ${i.spelling} 3, 64;\nst.global.b64 [%d31], %d3;\nDONE:`,
        expect: (threads: bigint[][]) => threads.map((x, t) => [t < 32 ? (x[0] ?? 0n) : (threads[t - 32]?.[0] ?? 0n)]),
      }]
    }
    const operands = row.operands === '' ? [''] : ['0', '5, 64']
    return operands.map((operand, k) => ({
      name: `${i.spelling} ${operand}`, outside: outside.replaceAll(name, `${name}_${k}`), inputs: ['b64'],
      body: `${store.replaceAll(name, `${name}_${k}`)}\n${i.words.has('cluster') ? 'barrier.cluster.arrive;\n' : ''}${i.spelling} ${operand};\nmov.u32 %r2, 47; sub.u32 %r2, %r2, %r1; mul.wide.u32 %d2, %r2, 8; add.u64 %d2, %d2, %d1; ld.shared.b64 %d4, [%d2]; st.global.b64 [%d31], %d4;`,
      expect: (threads: bigint[][]) => threads.map((_, t) => [threads[47 - t]?.[0] ?? 0n]),
    }))
  })
}

/** No effect that a result shows: executed between a load and a store. */
function nothing(row: Row): Scenario[] {
  return [...choices(row)].map((choice, n) => {
    const i = instruction(row, choice)
    const space = ['shared', 'local', 'const', 'param'].find((word) => i.words.has(word)) ?? (i.words.has('global') ? 'global' : '')
    const where = place(space, `no${row.index}_${n}`)
    const operands = i.operands.filter((o) => !o.optional).map((o) => (o.role === 'A' ? '[%d20]' : o.role === 'I' ? (['setmaxnreg', 'discard', 'applypriority', 'fence'].includes(i.name) ? '128' : '1') : `%${classOf(widthOf(o.type))}9`))
    return {
      name: i.spelling, outside: where.outside, inside: where.inside, inputs: ['b64'],
      body: `${where.address}\nld.global.b64 %d1, [%d30]; mov.u32 %r9, 128; mov.u64 %d9, 128;\n${i.name === 'bar' ? 'mov.u32 %r9, 0xffffffff;\n' : ''}${i.spelling} ${operands.join(', ')};\nst.global.b64 [%d31], %d1;`,
      expect: each((x) => [x[0]]),
    }
  })
}

function spacesOf(row: Row): Scenario[] {
  return [...choices(row)].map((choice, n) => {
    const i = instruction(row, choice)
    const names = ['global', 'shared', 'local', 'const', 'param']
    const wanted = (i.groups[0] ?? '').split('::')[0] ?? ''
    const places = names.map((space) => place(space, `is${row.index}_${n}`))
    return {
      name: i.spelling, outside: places.map((p) => p.outside).join(''), inside: places.map((p) => p.inside).join(''), inputs: ['b64'],
      body: places.map((p, k) => `${p.address} cvta.${p.space}.u64 %d20, %d20;\n${i.spelling} %p1, %d20; selp.b64 %d1, 1, 0, %p1; st.global.b64 [%d31+${8 * k}], %d1;`).join('\n'),
      // Constants lie in global memory here (docs/PTX.md).
      expect: each(() => names.map((space) => (space === wanted ? 1n : space === 'const' && wanted === 'global' ? undefined : 0n))),
    }
  })
}

function conversionsOfAddresses(row: Row): Scenario[] {
  return [...choices(row)].map((choice, n) => {
    const i = instruction(row, choice)
    const back = i.words.has('to')
    const word = (i.groups[0] ?? '').split('::')[0] ?? ''
    const where = place(word, `cv${row.index}_${n}`)
    const to = back ? i.spelling : i.spelling.replace('cvta.', 'cvta.to.')
    const from = back ? i.spelling.replace('cvta.to.', 'cvta.') : i.spelling
    return {
      name: i.spelling, outside: where.outside, inside: where.inside, inputs: ['b64'],
      body: `${where.address}\n${where.fixed ? '' : `ld.global.b64 %d1, [%d30]; st.${word}.b64 [%d20], %d1;`}\n${from} %d2, %d20; ld.b64 %d3, [%d2]; st.global.b64 [%d31], %d3;\n${to} %d4, %d2; ld.${word}.b64 %d5, [%d4]; st.global.b64 [%d31+8], %d5;`,
      expect: each(([x = 0n]) => [where.fixed ? bytesAt(0, 8) : x, where.fixed ? bytesAt(0, 8) : x]),
    }
  })
}

function asynchronousCopies(row: Row): Scenario[] {
  const list: Scenario[] = []
  for (const choice of choices(row)) {
    const i = instruction(row, choice)
    for (const size of i.words.has('cg') ? [16] : [4, 8, 16])
      for (const read of [undefined, 0, 3, size]) {
        const name = `cp${row.index}_${list.length}`
        const hint = i.words.has('L2::cache_hint') ? ', %d27' : ''
        list.push({
          name: `${i.spelling} of ${size}, ${read}`, outside: `.shared .align 16 .b8 ${name}[768];\n`, inputs: ['b64', 'b64'],
          body: `mov.u64 %d20, ${name}; mov.u32 %r1, %tid.x; mul.wide.u32 %d1, %r1, 16; add.u64 %d20, %d20, %d1; mov.u64 %d2, -1; st.shared.v2.b64 [%d20], {%d2,%d2}; mov.u64 %d27, 0;
${read === undefined ? '' : `mov.u32 %r2, ${read};`}\n${i.spelling} [%d20], [%d30], ${size}${read === undefined ? '' : ', %r2'}${hint};\ncp.async.commit_group;\ncp.async.wait_group 0;\nld.shared.v2.b64 {%d3,%d4}, [%d20]; st.global.b64 [%d31], %d3; st.global.b64 [%d31+8], %d4;`,
          expect: each(([a = 0n, b = 0n]) => {
            const from = (b << 64n) | a
            const copied = from & mask(8 * (read ?? size))
            const all = (mask(128) ^ mask(8 * size)) | copied
            return [all & mask(64), all >> 64n]
          }),
        })
      }
  }
  return list
}

/** Branches, tables, calls, returns and exits, each with lanes that go other ways. */
function controlFlow(row: Row): Scenario[] {
  const parameters: Scenario[] = []
  const list = [...choices(row)].map((choice, n): Scenario => {
    const i = instruction(row, choice)
    const name = `f${row.index}_${n}`
    const uniform = i.words.has('uni')
    const load = 'ld.global.u64 %d1, [%d30]; cvt.u32.u64 %r1, %d1; and.b32 %r2, %r1, 3;'
    const vary = uniform ? 'mov.u32 %r2, 2;' : ''
    const pick = (x: bigint): bigint => (uniform ? 2n : x & 3n)
    const bodies: Record<string, [string, string, (x: bigint) => bigint | undefined]> = {
      bra: ['', `${load} ${vary} mov.u64 %d2, 100; setp.gt.u32 %p1, %r2, 1;\n@%p1 ${i.spelling} OVER;\nadd.u64 %d2, %d2, 1;\nOVER: st.global.u64 [%d31], %d2;`, (x) => (pick(x) > 1n ? 100n : 101n)],
      brx: ['', `${load} ${vary}\nT: .branchtargets A, B, C, A;\n${i.spelling} %r2, T;\nA: mov.u64 %d2, 1; bra E;\nB: mov.u64 %d2, 2; bra E;\nC: mov.u64 %d2, 3;\nE: st.global.u64 [%d31], %d2;`, (x) => [1n, 2n, 3n, 1n][Number(pick(x))] ?? 0n],
      call: [
        `.func (.param .b64 r) ${name}_a (.param .b64 x) { .reg .b64 %d<3>; ld.param.u64 %d1, [x]; add.u64 %d1, %d1, 5; st.param.b64 [r], %d1; ret; }\n.func (.param .b64 r) ${name}_b (.param .b64 x) { .reg .b64 %d<3>; ld.param::func.u64 %d1, [x]; mul.lo.u64 %d1, %d1, 3; st.param::func.b64 [r], %d1; ret; }\n`,
        `${load} ${vary} setp.gt.u32 %p1, %r2, 1; mov.u64 %d3, ${name}_a; mov.u64 %d4, ${name}_b; selp.b64 %d5, %d3, %d4, %p1;
P: .callprototype (.param .b64 _) _ (.param .b64 _);
{ .param .b64 p; .param .b64 q; st.param.b64 [p], %d1; ${i.spelling} (q), ${name}_a, (p); ld.param.b64 %d6, [q]; }
{ .param .b64 p; .param .b64 q; st.param.b64 [p], %d6; ${i.spelling} (q), %d5, (p), P; ld.param.b64 %d6, [q]; }\nst.global.u64 [%d31], %d6;`,
        (x) => (pick(x) > 1n ? x + 10n : (x + 5n) * 3n) & mask(64),
      ],
      ret: [
        `.func (.param .b64 r) ${name}_a (.param .b64 x) { .reg .b64 %d<3>; .reg .pred %p<2>; ld.param.u64 %d1, [x]; st.param.b64 [r], %d1; and.b64 %d2, %d1, 2; setp.ne.u64 %p1, %d2, 0; ${uniform ? '' : '@%p1 '}${i.spelling}; add.u64 %d1, %d1, 9; st.param.b64 [r], %d1; ret; }\n`,
        `${load}\n{ .param .b64 p; .param .b64 q; st.param.b64 [p], %d1; call (q), ${name}_a, (p); ld.param.b64 %d6, [q]; }\nst.global.u64 [%d31], %d6;`,
        (x) => (uniform || x & 2n ? x : (x + 9n) & mask(64)),
      ],
      exit: ['', `${load} setp.eq.u32 %p1, %r2, 3; st.global.u64 [%d31], %d1;\n@%p1 exit;\nnot.b64 %d1, %d1; st.global.u64 [%d31], %d1;`, (x) => ((x & 3n) === 3n ? x : x ^ mask(64))],
    }
    if (i.name === 'call' && n === 0) {
      // Parameters of other widths: eight bytes that come back in reverse, a word that comes back inverted, 16 bytes whose halves change places.
      const bytes = [0, 1, 2, 3, 4, 5, 6, 7].map((k) => `%h${k}`)
      const [there, back] = [bytes.join(','), [...bytes].reverse().join(',')]
      parameters.push({
        name: `${i.spelling}: parameters`, inputs: ['b64'],
        outside: `.func (.param .align 8 .b8 r[8]) ${name}_v (.param .align 8 .b8 x[8]) { .reg .b16 %h<8>; ld.param::func.v8.b8 {${there}}, [x]; st.param::func.v8.b8 [r], {${back}}; ret; }
.func (.param .b32 r) ${name}_w (.param .b32 x) { .reg .b32 %r<2>; ld.param::func.b32 %r1, [x]; not.b32 %r1, %r1; st.param::func.b32 [r], %r1; ret; }
.func (.param .align 16 .b8 r[16]) ${name}_q (.param .align 16 .b8 x[16]) { .reg .b128 %q<2>; .reg .b64 %d<2>; ld.param::func.b128 %q0, [x]; mov.b128 {%d0,%d1}, %q0; mov.b128 %q1, {%d1,%d0}; st.param::func.b128 [r], %q1; ret; }\n`,
        inside: WIDE,
        body: `${bytes.map((h, k) => `ld.global.b8 ${h}, [%d30+${k}];`).join(' ')} ld.global.b32 %r1, [%d30]; ld.global.b64 %d1, [%d30];
{ .param .align 8 .b8 p[8]; .param .align 8 .b8 q[8]; st.param.v8.b8 [p], {${there}}; ${i.spelling} (q), ${name}_v, (p); ld.param.v8.b8 {${there}}, [q]; }
{ .param .b32 p; .param .b32 q; st.param.b32 [p], %r1; ${i.spelling} (q), ${name}_w, (p); ld.param.b32 %r2, [q]; }
mov.b128 %q0, {%d30,%d1};
{ .param .align 16 .b8 p[16]; .param .align 16 .b8 q[16]; st.param.b128 [p], %q0; ${i.spelling} (q), ${name}_q, (p); ld.param.b128 %q1, [q]; } mov.b128 {%d3,%d4}, %q1; sub.u64 %d4, %d4, %d30; st.global.b64 [%d31+16], %d3; st.global.b64 [%d31+24], %d4;
${bytes.map((h, k) => `st.global.b8 [%d31+${k}], ${h};`).join(' ')} cvt.u64.u32 %d2, %r2; st.global.b64 [%d31+8], %d2;`,
        expect: each(([x = 0n]) => [bytes.reduce((all, _, k) => (all << 8n) | ((x >> BigInt(8 * k)) & 255n), 0n), (x ^ mask(64)) & mask(32), x, 0n]),
      })
    }
    const [outside, body, result] = bodies[i.name] ?? ['', '', () => undefined]
    return { name: i.spelling, outside, body, inputs: ['b64'], expect: each(([x = 0n]) => [result(x)]) }
  })
  return [...list, ...parameters]
}

function unpacking(row: Row): Scenario[] {
  return [...choices(row)].flatMap((choice) => {
    const i = instruction(row, choice)
    const bits = widthOf(lastType(i))
    if (row.operands.startsWith('V')) {
      const count = i.words.has('v4') ? 4 : 2
      const list = (from: number): string[] => Array.from({ length: count }, (_, k) => `%${classOf(bits)}${from + k}`)
      return [{
        name: i.spelling, inputs: list(0).map(() => `b${bits}`),
        body: `${list(0).map((r, k) => `ld.global.b${bits} ${r}, [%d30+${8 * k}];`).join(' ')}\n${i.spelling} {${list(4).join(',')}}, {${list(0).join(',')}};\n${list(4).map((r, k) => `st.global.b${bits} [%d31+${8 * k}], ${r};`).join(' ')}`,
        expect: each((x) => x.map((want) => ({ about: want.toString(16), ok: (got: bigint) => (got & mask(bits)) === want }))),
      }]
    }
    if (types(i).length !== 1 || /^[usf]/.test(lastType(i))) return []
    return [2, 4].filter((n) => bits / n >= 8 && bits / n <= 32).map((n): Scenario => {
      const part = bits / n
      const registers = Array.from({ length: n }, (_, k) => `%${part === 32 ? 'r' : part === 16 ? 'h' : 'b'}${k}`)
      return {
        name: `${i.spelling} of ${n}`, inside: '.reg .b8 %b<4>;\n', inputs: [`b${bits}`],
        body: `ld.global.b${bits} %${classOf(bits)}8, [%d30];\n${i.spelling} {${registers.join(',')}}, %${classOf(bits)}8;\n${i.spelling} %${classOf(bits)}9, {${[...registers].reverse().join(',')}};\nst.global.b${bits} [%d31], %${classOf(bits)}9;`,
        expect: each(([x = 0n]) => {
          let y = 0n
          for (let k = 0; k < n; k++) y |= ((x >> BigInt(part * k)) & mask(part)) << BigInt(part * (n - 1 - k))
          return [{ about: y.toString(16), ok: (got) => (got & mask(bits)) === y }]
        }),
      }
    })
  })
}

const makers: Readonly<Record<string, (row: Row) => Scenario[]>> = {
  LD: loads, ST: stores, ATOM: atomics, SHFL: shuffles, VOTE: votes, MATCH: matches, REDUX: reductions, ELECT: elections, BARRED: barrierVotes, BAR: barriers, NOP: nothing, NOPA: nothing, WARPSYNC: nothing,
  ISSPACEP: spacesOf, CVTA: conversionsOfAddresses, CPASYNC: asynchronousCopies, BRA: controlFlow, BRX: controlFlow, CALL: controlFlow, RET: controlFlow, EXIT: controlFlow, MOV: unpacking,
}

/** Scenarios of a row, none where other programs test it. */
export const scenariosOf = (row: Row): Scenario[] => makers[row.kind]?.(row) ?? []

/** A kernel whose threads read `bytesIn` bytes of their own and write `bytesOut`. */
export function scenarioKernel(s: Scenario, name: string, bytesIn = 8 * IN, bytesOut = 8 * OUT): string {
  return `${s.outside ?? ''}.visible .entry ${name}(.param .u64 in, .param .u64 out, .param .align 32 .b8 blob[64]) {
.reg .pred %p<16>; .reg .b16 %h<16>; .reg .b32 %r<32>; .reg .b64 %d<32>;
${s.inside ?? ''}ld.param.u64 %d30, [in]; ld.param.u64 %d31, [out];
mov.u32 %r30, %ctaid.x; mov.u32 %r31, %tid.x; mad.lo.u32 %r30, %r30, 48, %r31;
mad.wide.u32 %d30, %r30, ${bytesIn}, %d30; mad.wide.u32 %d31, %r30, ${bytesOut}, %d31;
${s.body}
ret;
}
`
}

export function fillScenario(s: Scenario, random: Random, into: BigUint64Array): void {
  for (let t = 0; t * IN < into.length; t++)
    s.inputs.forEach((type, slot) => {
      const one = (each: string): bigint => (random.below(3) ? operand(random, each, undefined) : random.pick(edges(each)))
      const bits = s.elements ? widthOf(s.elements) : 64
      into[t * IN + slot] = s.elements ? Array.from({ length: 64 / bits }, (_, k) => one(s.elements ?? type) << BigInt(k * bits)).reduce((a, b) => a | b) : one(type)
    })
}

export function checkScenario(s: Scenario, operands: BigUint64Array, results: BigUint64Array): string | undefined {
  for (let block = 0; block * THREADS * IN < operands.length; block++) {
    const threads = Array.from({ length: THREADS }, (_, t) => s.inputs.map((type, slot) => (operands[(block * THREADS + t) * IN + slot] ?? 0n) & mask(widthOf(type))))
    const wants = s.expect(threads)
    for (const [t, list] of wants.entries())
      for (const [slot, want] of list.entries()) {
        const got = results[(block * THREADS + t) * OUT + slot] ?? 0n
        if (want === undefined || (typeof want === 'bigint' ? want === got : want.ok(got))) continue
        return `${s.name}: thread ${t} of block ${block}, operands ${(threads[t] ?? []).map((x) => `0x${x.toString(16)}`).join(', ')}, result ${slot}: 0x${got.toString(16)}, not ${typeof want === 'bigint' ? `0x${want.toString(16)}` : want.about}`
      }
  }
  return undefined
}
