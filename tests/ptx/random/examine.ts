// One generated program: through the host's compiler and some of the GPU's, and run on both; and the search for a smaller
// program that fails in the same way.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder, root, run, scratchFolder } from '../../support/cc.ts'
import { Random } from '../rows/operands.ts'
import { engineProgram } from '../ptx.ts'
import { compileDevice, compileHost, type Target } from './compilers.ts'
import type { Features } from './expressions.ts'
import { makeProgram, type Program } from './program.ts'

const scratch = scratchFolder('ptx-random')
let runner: string | undefined

/** Some of the targets, and among them those that one text can go through. */
export function targetsOf(seed: number, all: Target[], count: number): Target[] {
  const random = new Random(seed * 3 + 1)
  return Array.from({ length: count }, () => random.pick(all)).filter((t, k, list) => list.indexOf(t) === k)
}

function featuresOf(targets: Target[]): Features {
  const arch = Math.min(...targets.map((t) => t.arch))
  return { level: arch >= 90 ? 3 : arch >= 80 ? 2 : arch >= 70 ? 1 : 0, floats: targets.every((t) => t.exact) }
}

export interface Verdict { wrong: string | undefined; kind: string; folder: string; program: Program }

/** `kind` is what a smaller program has to share with this one to be about the same. */
export function examine(seed: number, targets: Target[], drop: ReadonlySet<number> = new Set()): Verdict {
  const program = makeProgram(seed, featuresOf(targets), drop)
  const folder = makeFolder(join(scratch, 'work'))
  const source = join(folder, 'program.cu')
  writeFileSync(source, program.text)
  const verdict = (kind: string, wrong?: string): Verdict => ({ wrong, kind, folder, program })
  const host = join(folder, `host-${seed}.so`)
  const said = compileHost(source, host, (seed & 1) === 0 ? '-O0' : '-O2')
  if (said) return verdict('host', `the host's compiler: ${said}`)
  runner ??= process.env['RINGFENCE_RANDOM_RUNNER'] ?? engineProgram('random/run', join(scratch, 'run'), 'none') // the variable: one that is built already
  for (const target of targets) {
    const ptx = join(folder, `${target.name.replaceAll(' ', '_')}.ptx`)
    const refused = compileDevice(target, source, ptx)
    if (refused) {
      // clang-14's PTX back end fails on some programs; that is no matter of ours.
      if (/PLEASE submit a bug report|Cannot select|LLVM ERROR|SIGKILL|internal compiler error/.test(refused)) continue
      return verdict('compiler', refused)
    }
    const result = run(runner, [host, String(program.kernels), String(seed), ptx], {}, 120_000)
    if (result.status !== 0) return verdict(`${target.name} ${/: (\S+ \S+)/.exec(result.stderr)?.[1]?.startsWith('k') ? 'run' : 'load'}${result.signal ?? ''}`, `${target.name}: ${result.signal ?? ''} ${result.stderr.slice(0, 3000)}`)
  }
  return verdict('none')
}

/** Leaves out statements, more at a time first, for as long as the program fails in the same way. */
export function makeSmaller(seed: number, targets: Target[]): Verdict {
  const whole = examine(seed, targets)
  const drop = new Set<number>()
  const culprits = targets.filter((t) => whole.kind.startsWith(t.name))
  // The features follow from all targets; only those that fail are compiled for.
  const features = featuresOf(targets)
  const some = culprits.length ? culprits : targets
  if (JSON.stringify(featuresOf(some)) !== JSON.stringify(features)) return whole
  for (let size = Math.ceil(whole.program.statements / 4); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2))
    for (let at = 0; at < whole.program.statements; at += size) {
      const tried = new Set(drop)
      for (let k = at; k < at + size; k++) tried.add(k)
      if (tried.size > drop.size && examine(seed, some, tried).kind === whole.kind) for (const k of tried) drop.add(k)
    }
  return examine(seed, some, drop)
}

export const folderOfPrograms = join(root, 'tests/ptx/random')
