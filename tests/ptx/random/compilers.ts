// The compilers that generated programs go through: the host's, and those of the GPU that are here.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../support/cc.ts'

const folder = join(root, 'tests/ptx/random')
const findIn = (name: string): string | undefined => ['/usr/local/cuda/bin', '/usr/local/bin', '/usr/bin'].map((at) => join(at, name)).find(existsSync)
export const clang = findIn('clang-14')
export const nvcc = findIn('nvcc')

export interface Target {
  name: string
  compiler: 'clang' | 'nvcc'
  arch: number
  flags: string[]
  exact: boolean // floats are as the host's
}

const clangTarget = (arch: number, optimise: string, features = 'ptx63'): Target => ({ name: `clang sm_${arch} ${optimise}`, compiler: 'clang', arch, flags: [`--cuda-gpu-arch=sm_${arch}`, '-Xclang', '-target-feature', '-Xclang', `+${features}`, optimise], exact: true })
const nvccTarget = (arch: number, ...flags: string[]): Target => ({ name: `nvcc sm_${arch} ${flags.join(' ')}`, compiler: 'nvcc', arch, flags: [`-arch=sm_${arch}`, ...flags], exact: !flags.includes('--use_fast_math') })

export const clangTargets: Target[] = [
  ...[35, 50, 60].flatMap((arch) => ['-O0', '-O2'].map((o) => clangTarget(arch, o, 'ptx60'))),
  ...[70, 75].flatMap((arch) => ['-O0', '-O1', '-O2', '-O3'].map((o) => clangTarget(arch, o))),
  ...['-O0', '-O1', '-O2', '-O3', '-Os'].map((o) => clangTarget(80, o, 'ptx75')),
]
export const nvccTargets: Target[] = [
  ...[75, 80, 86, 89, 90, 100].flatMap((arch) => [nvccTarget(arch), nvccTarget(arch, '-G')]),
  nvccTarget(80, '-Xcicc', '-O0'), nvccTarget(90, '-rdc=true'), nvccTarget(80, '-Xcicc', '-O1'), nvccTarget(80, '--use_fast_math'), nvccTarget(100, '--use_fast_math'), nvccTarget(120),
]

/** What the compiler says when it refuses; undefined: the result is at `output`. */
function tried(program: string, args: string[]): string | undefined {
  const result = spawnSync(program, args, { encoding: 'utf8', timeout: 120_000, killSignal: 'SIGKILL', maxBuffer: 16 << 20 })
  return result.status === 0 ? undefined : `${program} ${args.join(' ')}: ${result.signal ?? ''}${result.stderr}${result.error?.message ?? ''}`
}

export function compileHost(source: string, output: string, optimise: string): string | undefined {
  return tried(process.env['CC'] ?? 'cc', ['-x', 'c', '-std=gnu11', '-w', '-fwrapv', '-fno-strict-aliasing', '-ffp-contract=off', '-fPIC', '-shared', `-I${folder}`, optimise, source, '-o', output, '-lm'])
}

/**
 * nvcc 13.0 without optimisation (-G, -Xcicc -O0) for sm_100 and later makes `bfe.s32 d, a, n, 8` of `(signed char)(a >> n)` with `a` unsigned. Where n
 * leaves fewer than 8 bits, the byte's sign is a zero in C, but the instruction's is bit 31 (PTX ISA, bfe; ptxas folds constants the same way). The text
 * says then what the program says, so that the rest of it is still compared.
 */
export function mendByteExtracts(ptx: string): string {
  return ptx.replace(/\bbfe\.s32(\s+%\w+, %\w+), (\d+), 8;/g, (whole: string, registers: string, n: string) => Number(n) > 24 ? `shr.u32${registers}, ${n};` : whole)
}

export function compileDevice(target: Target, source: string, output: string): string | undefined {
  if (target.compiler === 'nvcc') {
    const refused = tried(nvcc as string, ['-ptx', '-fmad=false', '-w', ...target.flags, `-I${folder}`, source, '-o', output])
    if (refused !== undefined) return refused
    writeFileSync(output, mendByteExtracts(readFileSync(output, 'utf8')))
    return undefined
  }
  return tried(clang as string, ['-x', 'cuda', '--cuda-device-only', '-nocudainc', '-nocudalib', '-w', '-ffp-contract=off', '-S', ...target.flags, `-I${folder}`, source, '-o', output])
}
