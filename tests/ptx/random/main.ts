// Looks for programs that the software GPU computes otherwise than the host, for as long as asked:
//   npx tsx tests/ptx/random/main.ts SECONDS [--seed N] [--compiler clang|nvcc] [--keep FOLDER]
// Each failing program is made smaller and kept with its PTX; ends with 1 where there was one.
import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder, scratchFolder } from '../../support/cc.ts'
import { clang, clangTargets, nvcc, nvccTargets, type Target } from './compilers.ts'
import { examine, makeSmaller, targetsOf } from './examine.ts'

const argument = (name: string): string | undefined => process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : undefined
const seconds = Number(process.argv[2] ?? 60)
const only = argument('--compiler')
const keep = makeFolder(argument('--keep') ?? join(scratchFolder('random'), 'kept'))
const targets: Target[] = [...(clang && only !== 'nvcc' ? clangTargets : []), ...(nvcc && only !== 'clang' ? nvccTargets : [])]
if (!targets.length) throw new Error('neither clang-14 nor nvcc is here')

const end = Date.now() + seconds * 1000
let seed = Number(argument('--seed') ?? Date.now() % 10_000_000)
let [programs, compiled, failures] = [0, 0, 0]
for (; Date.now() < end; seed++) {
  const some = targetsOf(seed, targets, 4)
  const result = examine(seed, some)
  programs++
  compiled += some.length
  if (!result.wrong) continue
  failures++
  console.log(`seed ${seed}: ${result.wrong}`)
  const { folder, program } = makeSmaller(seed, some)
  const name = `seed-${seed}`
  writeFileSync(join(keep, `${name}.cu`), program.text)
  for (const target of some) try { copyFileSync(join(folder, `${target.name.replaceAll(' ', '_')}.ptx`), join(keep, `${name}-${target.name.replaceAll(' ', '_')}.ptx`)) } catch { /* that compiler was not reached */ }
}
console.log(`${programs} programs, ${compiled} texts, ${failures} failures; next seed ${seed}`)
process.exitCode = failures ? 1 : 0
