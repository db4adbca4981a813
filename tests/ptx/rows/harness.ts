// What the tests of rows share: the table, the seed of the random operands, how kernels go into modules.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { run } from '../../support/cc.ts'
import { seedOf } from '../../support/seed.ts'
import { engineProgram } from '../ptx.ts'
import { choices, instruction, parseTable, type Row } from './instruction.ts'

/** Printed with every failure; RINGFENCE_PTX_SEED repeats it. */
export const seed = seedOf('RINGFENCE_PTX_SEED', 'stub-driver/ptx', 'tests/ptx/rows')

export const HEAD = '.version 9.0\n.target sm_100\n.address_size 64\n'
/** For what later versions have no more. */
export const OLD_HEAD = '.version 6.3\n.target sm_70\n.address_size 64\n'

/** Kernels in a module. */
export const BATCH = 400

/** The engine's table, as it is compiled. */
export const tableOf = (folder: string): Row[] => parseTable(run(engineProgram('rows/table', join(folder, 'table'), 'none')).stdout)

/** A kernel of its own shape, with its operands and what must come of them. */
export interface KernelCase {
  /** The spellings that it executes and whose results it checks. */
  covers: string[]
  /** In a text for PTX 6.3. */
  old?: boolean
  /** Declarations before the kernel, with names of its own, and within it. */
  outside?: string
  inside?: string
  /** %d30 and %d31 are the addresses of the thread's operands and results, %d28 and %d29 those of its block. */
  body: string
  threads: number
  operands: Uint8Array
  check: (results: Uint8Array) => string | undefined
}

/** Blocks of `block` threads. */
export interface Launching {
  program: string
  folder: string
  block: number
  /** Blocks of a cluster, if there are any. */
  cluster?: number
  bytesIn: number
  bytesOut: number
}

/** Runs the cases, all with as many threads; one line for each that is wrong. */
export function runKernels(list: KernelCase[], l: Launching): string[] {
  const old = list.filter((c) => c.old)
  if (old.length && old.length < list.length) return [...runKernels(list.filter((c) => !c.old), l), ...runKernels(old, l)]
  const wrong: string[] = []
  for (let at = 0; at < list.length; at += BATCH) {
    const batch = list.slice(at, at + BATCH)
    const threads = batch[0]?.threads ?? 0
    const [ptx, input, output] = ['ptx', 'in', 'out'].map((name) => join(l.folder, `kernels.${name}`)) as [string, string, string]
    writeFileSync(ptx, (old.length ? OLD_HEAD : HEAD) + batch.map((c, n) => `${c.outside ?? ''}.visible .entry k${n}(.param .u64 in, .param .u64 out) {
.reg .pred %p<16>; .reg .b16 %h<16>; .reg .b32 %r<32>; .reg .b64 %d<32>;
${c.inside ?? ''}ld.param.u64 %d30, [in]; ld.param.u64 %d31, [out];
mov.u32 %r30, %ctaid.x; mov.u32 %r31, %ntid.x; mul.lo.u32 %r30, %r30, %r31; mov.u32 %r31, %tid.x;
mad.wide.u32 %d28, %r30, ${l.bytesIn}, %d30; mad.wide.u32 %d29, %r30, ${l.bytesOut}, %d31;
mad.wide.u32 %d30, %r31, ${l.bytesIn}, %d28; mad.wide.u32 %d31, %r31, ${l.bytesOut}, %d29;
${c.body}\nret;\n}\n`).join(''))
    writeFileSync(input, Buffer.concat(batch.map((c) => c.operands)))
    const result = run(l.program, [ptx, input, output, ...[batch.length, threads, l.bytesIn / 8, l.bytesOut / 8, l.block, l.cluster ?? 0].map(String)], {}, 300_000)
    assert.is(result.status, 0, `seed ${seed}: ${result.stderr}`)
    const bytes = readFileSync(output)
    const each = threads * l.bytesOut
    batch.forEach((c, n) => {
      const text = c.check(bytes.subarray(n * each, (n + 1) * each))
      if (text) wrong.push(text)
    })
  }
  return wrong
}

/** Spellings of the rows that no case executed. */
export function uncovered(rows: Row[], list: { covers: string[] }[]): string[] {
  const covered = new Set(list.flatMap((c) => c.covers))
  return rows.flatMap((row) => [...choices(row)].map((choice) => instruction(row, choice).spelling)).filter((spelling) => !covered.has(spelling))
}
