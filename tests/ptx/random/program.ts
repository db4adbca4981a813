// A random program: tables, functions that call each other, directly, through tables and themselves, and kernels whose lanes
// diverge, leave early, meet in collectives and exchange values through shared memory. One text for the host and the GPU; the
// same seed and features give the same text. `drop` leaves statements out by number, to make a failing program smaller.
import { Random } from '../rows/operands.ts'
import { bitsOf, Expressions, INTEGERS, STRUCTS, type Callable, type Features, type Names, type Table, type Type, type Variable } from './expressions.ts'

/** Where a statement stands. */
interface Place {
  names: Names
  mask: string | undefined // lanes of the warp that are here; undefined: not known, no collectives
  uniform: boolean // all threads of the block that live are here: barriers may be
  kernel: boolean
  loop: 'none' | 'free' // 'free': break and continue may stand anywhere
  depth: number // of nesting that is left
  weight: number // how often a statement here is executed, at worst or so
  deep: string | undefined // the parameter that counts recursion down
}

export interface Program { text: string; kernels: number; statements: number }

const MOST = 3000 // statements that one call in a program may come to

class Writer {
  private readonly random: Random
  private readonly make: Expressions
  private readonly lines: string[] = []
  private readonly callables: Callable[] = []
  private tables: Table[] = []
  private statement = 0
  private fresh = 0
  private slot = 0
  private targetsStand = false
  private targetCost = 0
  private cost = 0 // of the function that is being written, in statements that it executes
  constructor(seed: number, private readonly features: Features, private readonly drop: ReadonlySet<number>) {
    this.random = new Random(seed)
    this.make = new Expressions(this.random, features)
  }

  private name(prefix: string): string { return `${prefix}_${this.fresh++}` }
  private expression(type: Type, place: Place, depth = 3): string { return this.make.make(type, this.random.below(depth) + 1, place.names) }
  private bits(type: Type, text: string): string { return type.startsWith('f') ? `bits_${type}(${text})` : `(u64)(${text})` }

  private table(kind: 'GLOBAL' | 'CONSTANT', type: Type, size: number): void {
    const name = this.name('table')
    const values = Array.from({ length: size }, () => {
      const v = this.random.bits(bitsOf(type))
      return type.startsWith('f') ? `(${type})${Number(v & 0xffffn) / 16 - 2048}` : `(${type})0x${v.toString(16)}ull`
    })
    this.lines.push(`${kind} ${type} ${name}[${size}] = {${values.join(', ')}};`)
    this.tables.push({ name, type, size, writable: false })
  }

  /** Numbered, so that it can be left out. */
  private numbered(write: () => string): string {
    const n = this.statement++
    const text = write()
    return this.drop.has(n) ? '' : text
  }

  private block(place: Place, count: number): string {
    let text = ''
    for (let k = 0; k < count; k++) text += this.numbered(() => this.one(place))
    return text
  }

  private assign(place: Place): string {
    const v = this.random.pick(place.names.variables)
    return `${v.name} = ${this.expression(v.type, place, 4)};\n`
  }

  private call(place: Place): string {
    const able = this.callables.filter((c) => (!c.masked || place.mask) && (!c.deep || !place.deep) && place.weight * c.cost < MOST)
    if (!able.length) return this.assign(place)
    const c = this.random.pick(able)
    this.cost += place.weight * c.cost
    const v = this.random.pick(place.names.variables)
    return `${v.name} = ${this.make.convert(this.callText(c, place, `${this.random.below(4)}`), c.result, v.type)};\n`
  }

  private callText(c: Callable, place: Place, deep: string): string {
    const values = c.parameters.map((p) => {
      if (p in STRUCTS) {
        const own = place.names.structs.filter((s) => s.kind === p)
        return own.length ? this.random.pick(own).name : `make_${p}(${this.expression('u64', place, 2)})`
      }
      if (p === '*') return (place.names.tables.find((t) => t.writable && t.type === 'u32' && t.size >= 8) ?? { name: 'own' }).name
      return this.expression(p as Type, place, 2)
    })
    return `${c.name}(${[...(c.masked ? [place.mask] : []), ...(c.deep ? [deep] : []), ...values].join(', ')})`
  }

  private hash(place: Place): string {
    const v = this.random.pick(place.names.variables)
    if (place.kernel && place.depth >= 3 && this.slot < 22) return `out[${this.slot++}] = ${this.bits(v.type, v.name)};\n`
    return `h = mix(h, ${this.bits(v.type, v.name)});\n`
  }

  private inner(place: Place, change: Partial<Place> = {}): Place { return { ...place, uniform: false, depth: place.depth - 1, ...change } }

  private branch(place: Place): string {
    const c = this.name('c')
    const condition = this.make.condition(2, place.names)
    const size = 1 + this.random.below(3)
    const otherwise = this.random.below(2) === 0
    if (!place.mask) {
      const inside = this.inner(place)
      return `if (${condition}) {\n${this.block(inside, size)}}${otherwise ? ` else {\n${this.block(inside, size)}}` : ''}\n`
    }
    const m = this.name('m')
    const inside = this.inner(place, { mask: m })
    return `{ u32 ${c} = ${condition}, ${m} = ballot(${place.mask}, ${c});\nif (${c}) {\n${this.block(inside, size)}}${otherwise ? ` else {\n${m} = ${place.mask} & ~${m};\n${this.block(inside, size)}}` : ''} }\n`
  }

  private loop(place: Place): string {
    const [i, n] = [this.name('i'), this.name('n')]
    const count = this.random.below(3) ? `(u32)(${this.expression('u32', place, 2)}) & ${this.random.pick([3, 7])}` : `${this.random.below(6)}`
    const size = 1 + this.random.below(3)
    const readable = [...place.names.readable, { name: i, type: 'u32' as Type }]
    if (!place.mask) {
      const inside = this.inner(place, { names: { ...place.names, readable }, loop: 'free', weight: place.weight * 5 })
      switch (this.random.below(3)) {
        case 0: return `{ u32 ${n} = ${count}; for (u32 ${i} = 0; ${i} < ${n}; ${i}++) {\n${this.block(inside, size)}} }\n`
        case 1: return `{ u32 ${i} = ${count}; while (${i}-- > 0) {\n${this.block(inside, size)}} }\n`
        default: return `{ u32 ${i} = 0, ${n} = ${count}; do {\n${this.block(inside, size)}} while (${i}++ < ${n} && (${this.make.condition(1, place.names)})); }\n`
      }
    }
    const m = this.name('m')
    const inside = this.inner(place, { names: { ...place.names, readable }, mask: m, loop: 'none', weight: place.weight * 5 })
    const leave = this.random.below(2) ? `{ u32 b = ${this.make.condition(1, inside.names)}; ${m} = ballot(${m}, !b); if (b) break; }\n` : ''
    const skip = this.random.below(3) === 0
    const rest = this.name('m')
    const body = this.block(inside, size) + leave
    const tail = skip ? `{ u32 b = ${this.make.condition(1, inside.names)}; u32 ${rest} = ballot(${m}, !b); if (b) { ${i}++; continue; }\n${this.block({ ...inside, mask: rest }, 2)}}\n` : ''
    return `{ u32 ${i} = 0, ${n} = ${count}, ${m} = ${place.mask};\nfor (;;) {\n${m} = ballot(${m}, ${i} < ${n}); if (${i} >= ${n}) break;\n${body}${tail}${i}++; } }\n`
  }

  private choice(place: Place): string {
    const count = 2 + this.random.below(7)
    const sparse = this.random.below(4) === 0
    const s = this.name('s')
    const through = !place.mask && this.random.below(2) === 0
    const m = place.mask ? this.name('m') : undefined
    const inside = this.inner(place, { mask: m, loop: 'none' })
    const cases = Array.from({ length: count }, (_, k) => {
      const last = k === count - 1 && this.random.below(2) ? 'default' : `case ${sparse ? k * k * 37 : k}`
      return `${last}: {\n${this.block(inside, 1 + this.random.below(2))}} ${through && this.random.below(2) && k < count - 1 ? '' : 'break;'}\n`
    })
    const selector = `(u32)(${this.expression('u32', place, 2)}) % ${count + 1}`
    const masks = m ? `, ${m} = match_any(${place.mask}, ${s})` : ''
    return `{ u32 ${s} = ${selector}${masks};\nswitch (${sparse ? `${s} * ${s} * 37` : s}) {\n${cases.join('')}} }\n`
  }

  /** A state machine with gotos: flow that no structured statement gives, irreducible where the compiler leaves it so. */
  private machine(place: Place): string {
    const labels = Array.from({ length: 2 + this.random.below(4) }, () => this.name('L'))
    const [fuel, end] = [this.name('fuel'), this.name('L')]
    const inside = this.inner(place, { mask: undefined, loop: 'none', weight: place.weight * 5 })
    const to = (): string => this.random.pick([...labels, end])
    // A C++ goto may not pass an initialisation: the statements stand in blocks of their own.
    const states = labels.map((label) => {
      const jumps = this.random.below(2) ? `if (${this.make.condition(1, place.names)}) goto ${to()}; goto ${to()};` : `switch ((u32)${this.expression('u32', place, 2)} & 3) { case 0: goto ${to()}; case 1: goto ${to()}; case 2: goto ${to()}; default: goto ${to()}; }`
      return `${label}:\n${fuel}++; {\n${this.block(inside, 1)}}\nif (${fuel} > 9) goto ${end};\n${jumps}\n`
    })
    return `{ u32 ${fuel}; ${fuel} = 0; if (${this.make.condition(1, place.names)}) goto ${this.random.pick(labels)};\n${states.join('')}${end}:; }\n`
  }

  private collective(place: Place): string {
    const m = place.mask as string
    const v = this.random.pick(place.names.variables)
    const value = (type: Type = 'u32'): string => this.expression(type, place, 2)
    const set = (type: Type, text: string): string => `${v.name} = ${this.make.convert(text, type, v.type)};\n`
    switch (this.random.below([9, 9, 14, 15][this.features.level] as number)) {
      case 0: return set('u32', `ballot(${m}, ${this.make.condition(1, place.names)})`)
      case 1: return set('u32', `any(${m}, ${this.make.condition(1, place.names)})`)
      case 2: return set('u32', `all(${m}, ${this.make.condition(1, place.names)})`)
      case 3: return set('u32', `popc_u32(match_any(${m}, (u32)(${value()}) & 3)) + lane()`)
      case 4: return `warp_sync(${m});\n`
      // A lane that is not a member has nothing to give: its own value is taken then.
      case 5: return `{ u32 a = ${value()}, s = (u32)(${value()}) & 31, r = shuffle_idx(${m}, a, s); ${set('u32', `(${m} >> s & 1 ? r : a)`)}}\n`
      case 6: return `{ u32 a = ${value()}, s = ${this.random.below(32)}, r = shuffle_xor(${m}, a, s); ${set('u32', `(${m} >> (lane() ^ s) & 1 ? r : a)`)}}\n`
      case 7: return `{ u32 a = ${value()}, s = (u32)(${value()}) & 15, r = shuffle_up(${m}, a, s); ${set('u32', `(lane() < s || ${m} >> (lane() - s) & 1 ? r : a)`)}}\n`
      case 8: return `{ u32 a = ${value()}, s = ${this.random.below(32)}, r = shuffle_down(${m}, a, s); ${set('u32', `(lane() + s > 31 || ${m} >> (lane() + s) & 1 ? r : a)`)}}\n`
      case 9: return set('u32', `reduce_add(${m}, ${value()})`)
      case 10: return set('i32', `reduce_max(${m}, ${value('i32')})`)
      case 11: return set('u32', `reduce_xor(${m}, ${value()})`)
      // A product needs the whole warp; how many are here is the same for all of them.
      case 12:
      case 13: {
        const product = `matrix_${this.random.pick(['s8', 'b1', 'u8', 'f16', 'f64'])}(${value()}, ${value()}, ${value()})`
        return `if (${m} == ~0u) { warp_sync(${m}); ${set('u64', product)}}\n`
      }
      default: return set('u32', `popc_u32(ballot(${m}, elected(${m})))`)
    }
  }

  /** Through shared memory. All threads of the block that live are here. */
  private exchange(place: Place): string {
    const v = this.random.pick(place.names.variables)
    switch (this.random.below(this.features.level > 1 ? 9 : 5)) {
      case 0: return `sync();\nsum[tid() & 3] = 0; peak[0] = 0;\nsync();\natomic_add(&sum[(u32)(${this.expression('u32', place, 2)}) & 3], ${this.expression('u32', place, 2)}); atomic_max(&peak[0], ${this.expression('u64', place, 2)});\nsync();\n${v.name} = ${this.make.convert(`sum[tid() & 3] ^ (u32)peak[0]`, 'u32', v.type)};\n`
      case 1: return `${v.name} = ${this.make.convert(`sync_popc(${this.make.condition(1, place.names)})`, 'u32', v.type)};\n`
      case 2: return `sync();\n{ struct triple t = make_triple(${this.expression('u64', place, 2)}); deep[me] = t; }\nsync();\n${v.name} = ${this.make.convert(`deep[(me + ${this.random.below(64)}) % all_threads].${this.random.pick(['x', 'y', 'z'])}`, 'u32', v.type)};\n`
      case 5:
      case 6: return this.gates(place)
      case 7: return `sync();\nshared[me] = ${this.bits(v.type, v.name)};\nsync();\nif (${place.mask} == ~0u) { warp_sync(~0u); ${v.name} = ${this.make.convert(`matrix_load${this.random.pick(['', '_transposed'])}(&shared[((u32)(${this.expression('u32', place, 2)}) & 15) * 2])`, 'u64', v.type)}; }\nsync();\n`
      case 8: return `sync();\ncopy_async(&shared[me], &in[number * 8 + ${this.random.below(8)}], (u32)(${this.expression('u32', place, 2)}) & 7);\ncopies_done();\nsync();\n${v.name} = ${this.make.convert(`shared[(me + ${this.random.below(64)}) % all_threads]`, 'u64', v.type)};\n`
      default: return `sync();\nshared[me] = ${this.bits(v.type, v.name)};\nsync();\n${v.name} = ${this.make.convert(`shared[(me * ${1 + this.random.below(5)} + ${this.random.below(64)}) % all_threads]`, 'u64', v.type)};\n`
    }
  }

  /**
   * Values handed on phase by phase, as pipelines do: each thread writes, arrives at the gate `full`, does other things, waits (or does not), reads
   * what others wrote, and arrives at `empty`, which all wait for before they write again. Some drop out for good. All threads
   * of the block that live come here; the one with the highest number begins the gates and never drops out.
   */
  private gates(place: Place): string {
    const r = this.random
    // What another thread may be writing meanwhile is not read but behind a gate.
    place = { ...place, names: { ...place.names, tables: place.names.tables.filter((t) => t.name !== 'shared') } }
    const arrivals = r.pick([1, 1, 2, 3])
    const phases = 1 + r.below(4)
    const lead = this.name('lead')
    let text = `sync();\npeak[0] = 0;\nsync();\natomic_max(&peak[0], me + 1);\n{ u32 live = sync_popc(1), ${lead} = peak[0] == me + 1;\nif (${lead}) { gate_begin(full, live * ${arrivals}); gate_begin(empty, live); }\nsync();\n`
    let braces = ''
    let mask = place.mask as string
    for (let phase = 0; phase < phases; phase++) {
      const inside = this.inner(place, { mask, loop: 'none' })
      const v = r.pick(place.names.variables)
      const state = this.name('state')
      const byState = r.below(2) === 0
      const way = r.below(this.features.level > 2 ? 4 : 3)
      if (phase > 0) text += `gate_wait_parity(empty, ${(phase - 1) & 1});\n`
      if (arrivals > 1) text += r.below(2) ? `gate_arrive_early(full, ${arrivals - 1});\n` : 'gate_arrive(full);\n'.repeat(arrivals - 1)
      text += `u64 ${state} = 0; (void)${state};\n`
      let waits = byState ? `gate_wait(full, ${state});` : `gate_wait_parity(full, ${phase & 1});`
      let dropped = ''
      if (way === 3) {
        const bytes = 16 * (1 + r.below(64))
        text += `if (${lead}) { gate_arrive_bytes(full, ${bytes}); copy_bulk(shared, &in[${2 * r.below(256)}], ${bytes}, full); } else ${state} = gate_arrive(full);\n`
        waits = `gate_wait_parity(full, ${phase & 1});`
      } else if (way === 2) {
        text += `copy_async(&shared[me], &in[number * 8 + ${r.below(8)}], ${r.below(9)});\ngate_arrive_copied(full);\n`
        waits = `gate_wait_parity(full, ${phase & 1});`
      } else {
        text += `shared[me] = ${this.bits(v.type, v.name)};\n`
        if (arrivals === 1 && r.below(3) === 0 && phase < phases - 1) {
          dropped = this.name('dropped')
          text += `u32 ${dropped} = !${lead} && (${this.make.condition(1, place.names)});\nif (${dropped}) { gate_drop(empty); gate_drop(full); } else ${state} = gate_arrive(full);\n`
        } else text += `${state} = gate_arrive(full);\n`
      }
      if (r.below(2)) text += this.block(inside, 1 + r.below(2))
      if (dropped) {
        const m = this.name('m')
        text += `u32 ${m} = ballot(${mask}, !${dropped});\nif (!${dropped}) {\n`
        mask = m
        braces += '}\n'
      }
      const read = `${waits} ${v.name} = ${this.make.convert(`shared[(me * ${1 + r.below(5)} + ${r.below(64)}) % all_threads]`, 'u64', v.type)};\n`
      text += r.below(3) ? read : `if (${this.make.condition(1, place.names)}) { ${read}}\n`
      if (r.below(3) === 0) text += this.block(this.inner(place, { mask, loop: 'none' }), 1)
      text += 'gate_arrive(empty);\n'
    }
    return `${text}${braces}sync();\nif (${lead}) { gate_end(full); gate_end(empty); } }\n`
  }

  private memory(place: Place): string {
    const r = this.random
    const writable = place.names.tables.filter((t) => t.writable)
    if (r.below(4) === 0 && place.names.structs.length) {
      const s = r.pick(place.names.structs)
      const [field, type] = r.pick(STRUCTS[s.kind] as [string, Type][])
      return r.below(4) ? `${s.name}.${field} = ${this.expression(type, place, 2)};\n` : `${s.name} = make_${s.kind}(${this.expression('u64', place, 2)});\n`
    }
    if (!writable.length) return this.assign(place)
    const t = r.pick(writable)
    if (r.below(4) === 0) {
      // A pointer that may lead to one space or another.
      const others = place.names.tables.filter((o) => o.type === t.type)
      const v = r.pick(place.names.variables)
      const a = r.pick(others)
      return `{ const ${t.type} *q = ${this.make.condition(1, place.names)} ? &${t.name}[${this.make.index(t.size, place.names)}] : &${a.name}[${this.make.index(a.size, place.names)}]; ${v.name} = ${this.make.convert('*q', t.type, v.type)}; }\n`
    }
    return `${t.name}[${this.make.index(t.size, place.names)}] = ${this.expression(t.type, place, 2)};\n`
  }

  private indirect(place: Place): string {
    if (place.deep || !this.targetsStand || place.weight * this.targetCost >= MOST) return this.assign(place)
    const v = this.random.pick(place.names.variables)
    const f = this.name('f')
    this.cost += place.weight * this.targetCost
    const selector = `(u32)(${this.expression('u32', place, 2)}) & 3`
    const text = `targets[${f}](${this.expression('u32', place, 2)}, ${this.expression('i64', place, 2)})`
    return `{ u32 ${f} = ${selector}; ${v.name} = ${this.make.convert(text, 'u64', v.type)}; }\n`
  }

  /** Threads come in any order: what is added to is never changed in another way, with which adding does not commute. */
  private sum(slot: number, place: Place): string {
    return `atomic_${slot < 16 ? 'add' : 'xor'}(&sums[${slot}], ${this.expression('u32', place, 2)});\n`
  }

  private one(place: Place): string {
    this.cost += place.weight
    const r = this.random
    const nested = place.depth > 0
    switch (r.below(20)) {
      case 0:
      case 1: return nested ? this.branch(place) : this.assign(place)
      case 2: return nested ? this.loop(place) : this.assign(place)
      case 3: return nested ? this.choice(place) : this.assign(place)
      case 4: return nested && r.below(2) === 0 ? this.machine(place) : this.hash(place)
      case 5:
      case 6: return this.call(place)
      case 7: return this.indirect(place)
      case 8:
      case 9: return place.mask ? this.collective(place) : this.assign(place)
      case 10: return place.uniform ? this.exchange(place) : this.hash(place)
      case 11:
      case 12: return this.memory(place)
      case 13: return place.loop === 'free' ? `if (${this.make.condition(1, place.names)}) ${r.pick(['break', 'continue'])};\n` : this.assign(place)
      case 14: return place.kernel && r.below(3) === 0 ? this.sum(r.below(32), place) : this.hash(place)
      case 15: return this.hash(place)
      default: return this.assign(place)
    }
  }

  private locals(count: number, place: Place): string {
    let text = ''
    for (let k = 0; k < count; k++) {
      const type = k === 0 ? 'u32' : this.make.type()
      const name = this.name('v')
      text += `${type} ${name} = ${this.expression(type, place, 2)};\n`
      place.names.variables.push({ name, type })
    }
    return text
  }

  private arrays(place: Place): string {
    let text = 'u32 own[8]; for (u32 i = 0; i < 8; i++) own[i] = i * 77;\n'
    place.names.tables.push({ name: 'own', type: 'u32', size: 8, writable: true })
    if (this.random.below(2)) {
      const type = this.make.type()
      const [name, size] = [this.name('array'), this.random.pick([2, 4, 16])]
      text += `${type} ${name}[${size}]; for (u32 i = 0; i < ${size}; i++) ${name}[i] = (${type})(i * 5);\n`
      place.names.tables.push({ name, type, size, writable: true })
    }
    if (this.random.below(2)) {
      const kind = this.random.pick(Object.keys(STRUCTS))
      const name = this.name('record')
      text += `struct ${kind} ${name} = make_${kind}(${this.expression('u64', place, 1)});\n`
      place.names.structs.push({ name, kind })
    }
    return text
  }

  private place(readable: Variable[], change: Partial<Place>): Place {
    return { names: { variables: [], readable, tables: [...this.tables], structs: [], words: ['lane()', 'tid()', 'ctaid()', 'ntid()'] }, mask: undefined, uniform: false, kernel: false, loop: 'none', depth: 2, weight: 1, deep: undefined, ...change }
  }

  private function(): void {
    this.cost = 10
    const r = this.random
    const name = this.name('function')
    const masked = this.features.level > 0 && r.below(2) === 0
    const deep = r.below(3) === 0
    const parameters = Array.from({ length: r.below(6) }, () => (r.below(5) === 0 ? r.pick(Object.keys(STRUCTS)) : r.below(7) === 0 ? '*' : this.make.type()))
    const result = this.make.type()
    const readable: Variable[] = []
    const place = this.place(readable, { mask: masked ? 'mask' : undefined, deep: deep ? 'deep' : undefined })
    const list = parameters.map((p, k) => {
      if (p in STRUCTS) place.names.structs.push({ name: `p${k}`, kind: p })
      else if (p === '*') place.names.tables.push({ name: `p${k}`, type: 'u32', size: 8, writable: true })
      else readable.push({ name: `p${k}`, type: p as Type })
      return p in STRUCTS ? `struct ${p} p${k}` : p === '*' ? `u32 *p${k}` : `${p} p${k}`
    })
    const head = [...(masked ? ['u32 mask'] : []), ...(deep ? ['u32 deep'] : []), ...list].join(', ') || 'void'
    let text = `${r.below(4) ? 'FUNCTION' : deep ? 'FUNCTION' : 'INLINED'} ${result} ${name}(${head}) {\nu64 h = 1;\n${this.arrays(place)}${this.locals(4, place)}`
    text += this.block(place, 2 + r.below(4))
    const own: Callable = { name, result, parameters, masked, deep, cost: 0 }
    if (deep) {
      const again = this.callText(own, place, 'deep - 1')
      const [c, m] = [this.name('c'), this.name('m')]
      const fold = `h = mix(h, ${this.bits(result, again)});`
      text += masked
        ? `{ u32 ${c} = deep > 0 && (${this.make.condition(1, place.names)}), ${m} = ballot(mask, ${c}); if (${c}) { u32 mask = ${m}; (void)mask; ${fold} } }\n`
        : `if (deep > 0 && (${this.make.condition(1, place.names)})) { ${fold} ${r.below(2) ? fold : ''} }\n`
      text += this.block({ ...place, deep: 'deep' }, 1)
    }
    const v = place.names.variables[r.below(place.names.variables.length)] as Variable
    text += `h = mix(h, ${this.bits(v.type, v.name)});\nreturn ${this.make.convert('h', 'u64', result)};\n}\n`
    this.lines.push(text)
    this.callables.push({ ...own, cost: this.cost * (deep ? 15 : 1) })
  }

  private targets(): void {
    const names = Array.from({ length: 4 }, () => this.name('target'))
    for (const name of names) {
      this.cost = 10
      const place = this.place([{ name: 'a', type: 'u32' }, { name: 'b', type: 'i64' }], { depth: 1 })
      this.lines.push(`FUNCTION u64 ${name}(u32 a, i64 b) {\nu64 h = 2;\n${this.arrays(place)}${this.locals(3, place)}${this.block(place, 3)}return h + ${this.bits(place.names.variables[2]?.type ?? 'u32', place.names.variables[2]?.name ?? 'a')};\n}\n`)
      this.targetCost = Math.max(this.targetCost, this.cost)
    }
    this.lines.push(`typedef u64 (*target_function)(u32, i64);\nGLOBAL target_function targets[4] = {${names.join(', ')}};\n`)
    this.targetsStand = true
  }

  private kernel(index: number): void {
    const r = this.random
    this.slot = 0
    const modern = this.features.level > 0
    const input = ['u64', 'u32', 'i16', 'u8', 'f64'].map((type, k) => ({ name: `in${k}`, type: type as Type })).filter((v) => this.features.floats || v.type !== 'f64')
    const place = this.place(input, { mask: modern ? 'mask' : undefined, uniform: true, kernel: true, depth: 3 })
    let text = `KERNEL(k${index})(const u64 *in, u64 *result, u32 *sums, u32 n) {
SHARED u64 shared[256] __attribute__((aligned(16))); SHARED u32 sum[4]; SHARED u64 peak[1]; SHARED struct triple deep[256];${this.features.level > 1 ? ' SHARED gate full[1], empty[1];' : ''}
u32 all_threads = ntid() * ntid_y(), me = tid_y() * ntid() + tid(), number = ctaid() * all_threads + me;
u64 *out = result + number * STORE; u64 h = n; (void)sums;
shared[me] = me; deep[me] = make_triple(me); if (me < 4) sum[me] = 0; if (me == 0) peak[0] = 0;
${modern ? 'u32 left = all_threads - (me & ~31u), mask = left >= 32 ? ~0u : (1u << left) - 1;\n' : ''}sync();\n`
    for (const [k, v] of input.entries()) text += `${v.type} ${v.name} = ${v.type === 'f64' ? `float_f64(in[number * 8 + ${k}])` : `(${v.type})in[number * 8 + ${k}]`};\n`
    // Of shared memory, what is read stays as it is between the barriers of exchange().
    place.names.tables.push({ name: 'shared', type: 'u64', size: 1, writable: false })
    text += this.arrays(place) + this.locals(7, place)
    const count = 6 + r.below(8)
    const exit = r.below(2) ? r.below(count) : -1
    for (let k = 0; k < count; k++) {
      text += this.numbered(() => this.one(place))
      if (k === exit)
        text += this.numbered(() => {
          const condition = this.make.condition(1, place.names)
          const way = r.pick(['return', 'EXIT'])
          return `{ u32 c = ${condition}; ${modern ? 'u32 staying = ballot(mask, !c); ' : ''}if (c) { out[22] = h; ${way}; } ${modern ? 'mask = staying; ' : ''}}\n`
        })
    }
    text += place.names.variables.map((v) => `h = mix(h, ${this.bits(v.type, v.name)});\n`).join('')
    this.lines.push(`${text}out[23] = h;\n}\n`)
  }

  program(): Program {
    const { level } = this.features
    this.lines.push(`#define MODERN ${Number(level > 0)}\n#define AMPERE ${Number(level > 1)}\n#define HOPPER ${Number(level > 2)}\n#if defined(__CUDA__) || defined(__CUDACC__)\n#include "gpu.h"\n#else\n#include "host.h"\n#endif
FN struct pair make_pair(u64 v) { struct pair r; r.a = (i8)v; r.b = (i64)(v * 3); r.c = (u16)(v >> 9); r.d = (f32)(v & 1023); return r; }
FN struct triple make_triple(u64 v) { struct triple r; r.x = (u32)v; r.y = (u32)(v >> 32); r.z = (u32)(v * 5); return r; }
FN struct wide make_wide(u64 v) { struct wide r; r.p = (f64)v; r.q = (f64)(i64)~v; r.r = (u8)(v >> 3); return r; }
FN struct bits make_bits(u64 v) { struct bits r; r.a = (u32)v & 31; r.b = (i32)(v & 1023); r.c = (u32)(v >> 40) & 0xffff; r.d = v >> 31; r.e = (i64)(v & 0x7ffff); return r; }\n`)
    for (const kind of ['GLOBAL', 'CONSTANT'] as const) for (let k = 0; k < 2; k++) this.table(kind, this.make.type(), this.random.pick([4, 8, 32]))
    this.table('CONSTANT', 'u32', 8)
    for (let k = this.random.below(3); k > 0; k--) this.function()
    this.targets() // what stands before it is called through it too
    for (let k = 2 + this.random.below(3); k > 0; k--) this.function()
    const kernels = 2
    for (let k = 0; k < kernels; k++) this.kernel(k)
    const names = Array.from({ length: kernels }, (_, k) => `k${k}`)
    this.lines.push(`#if !defined(__CUDA__) && !defined(__CUDACC__)\n__attribute__((visibility("default"))) void host_run(u32 kernel, u32 blocks, u32 x, u32 y, u32 seed, const u64 *in, u64 *out, u32 *sums, u32 n) {
static const kernel_function list[] = {${names.join(', ')}};\nrun_kernel(list[kernel], blocks, x, y, seed, in, out, sums, n);\n}\n#endif\n`)
    return { text: this.lines.join('\n'), kernels, statements: this.statement }
  }
}

export function makeProgram(seed: number, features: Features, drop: ReadonlySet<number> = new Set()): Program {
  return new Writer(seed, features, drop).program()
}

export const integerTypes = INTEGERS
