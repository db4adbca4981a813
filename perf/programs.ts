// Compiles the measuring programs and references, each when it is older than a source. They link against the software GPU
// only for its symbols: which libcuda.so.1 they load is decided when they run.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'

/** Of the source tree, or of a bundle (scripts/gpu-check), which has the programs and no compiler. */
export const root = process.env['RINGFENCE_PERF_ROOT'] ?? resolve(import.meta.dirname, '..')
export const output = join(root, 'build/perf')
const stub = join(root, 'build/stub')

const FLAGS = ['-std=c11', '-D_GNU_SOURCE', '-O2', '-g', '-Wall', '-Wextra', '-Werror', '-pthread']

/** The executable of `program` (see model.ts: Command), made if need be. Throws with the compiler's words. */
export function executable(program: string): string {
  const source = join(root, 'perf', `${program}.c`)
  const target = join(output, basename(program))
  if (!existsSync(source) && existsSync(target)) return target
  const cuda = program.startsWith('programs/')
  const inputs = [source, ...headers(join(root, 'perf/programs')), ...headers(join(root, 'idm')), ...headers(join(root, 'idm/generated'))]
  if (existsSync(target) && inputs.every((file) => statSync(file).mtimeMs <= statSync(target).mtimeMs)) return target
  if (cuda && !existsSync(join(stub, 'libcuda.so'))) throw new Error('no build/stub/libcuda.so: run `npm run build` first')
  mkdirSync(output, { recursive: true })
  const link = cuda ? ['-I', 'idm', '-I', 'idm/generated', '-L', stub, '-lcuda'] : []
  execFileSync(process.env['CC'] ?? 'cc', [...FLAGS, source, '-o', target, ...link, '-lm'], { cwd: root, stdio: ['ignore', 'inherit', 'pipe'], encoding: 'utf8' })
  return target
}

const headers = (folder: string): string[] => readdirSync(folder).filter((file) => file.endsWith('.h')).map((file) => join(folder, file))
