// Builds and runs the fuzz targets: clang's libFuzzer with ASan and UBSan. Objects are kept in build/fuzz, the working
// corpus (grown, not checked in) in build/fuzz/corpus; tests/ptx/corpus is where every run begins.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync } from 'node:fs'
import { basename, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { cFiles, includeFolders, makeFolder, root } from '../../support/cc.ts'

export const targets = ['ptx', 'link', 'fatbin'] as const
export type Target = (typeof targets)[number]

const here = import.meta.dirname
const out = join(root, 'build/fuzz')
export const corpus = (target: Target): string => join(root, 'tests/ptx/corpus', target)

/** clang with libFuzzer, or undefined: RINGFENCE_CLANG, else the newest of the usual names that can link a fuzzer. */
export function findClang(): string | undefined {
  const names = [process.env['RINGFENCE_CLANG'], 'clang-19', 'clang-16', 'clang-15', 'clang-14', 'clang'].filter((name) => name !== undefined)
  return names.find((name) => {
    const probe = spawnSync(name, ['-fsanitize=fuzzer,address', '-x', 'c', '-', '-o', '/dev/null'], {
      input: '#include <stddef.h>\nint LLVMFuzzerTestOneInput(const unsigned char *d, size_t n) { (void)d; return (int)(n & 0); }',
    })
    return probe.status === 0
  })
}

function headers(): string {
  const hash = createHash('sha256')
  for (const folder of [join(root, 'stub-driver/ptx'), join(root, 'stub-driver'), here])
    for (const file of readdirSync(folder).sort()) if (/\.(h|def)$/.test(file)) hash.update(readFileSync(join(folder, file)))
  return hash.digest('hex')
}

/** Compiles what has changed and links `target`. Throws with the compiler's words. */
export function buildTarget(target: Target, clang: string): string {
  makeFolder(out)
  const common = headers()
  const engine = target === 'fatbin' ? ['fatbin.c', 'decompress.c'].map((file) => join(root, 'stub-driver', file)) : cFiles('stub-driver/ptx')
  const own = target === 'fatbin' ? ['fatbin.c', 'watch.c'] : [`${target}.c`, 'exercise.c', 'mutate.c', 'watch.c']
  const call = (args: string[]): void => {
    const result = spawnSync(clang, args, { encoding: 'utf8', timeout: 300_000 })
    if (result.status !== 0) throw new Error(`${clang} failed:\n${result.stderr}`)
  }
  const objects = [...engine, ...own.map((file) => join(here, file))].map((source) => {
    const id = createHash('sha256').update(clang).update(common).update(source).update(readFileSync(source)).digest('hex').slice(0, 16)
    const object = join(out, `${basename(source, '.c')}-${id}.o`)
    if (existsSync(object)) return object
    // The arithmetic has no branches worth counting, and UBSan on every lane's loop would only slow the rest down.
    const sanitize = basename(source).startsWith('ops_') ? ['-fsanitize=address'] : ['-fsanitize=address,undefined,fuzzer-no-link', '-fno-sanitize-recover=all']
    const mine = `${object}.${process.pid}`
    call(['-std=c11', '-D_GNU_SOURCE', '-g', '-O1', '-fno-omit-frame-pointer', ...sanitize, ...includeFolders.map((folder) => `-I${folder}`), '-c', source, '-o', mine])
    renameSync(mine, object)
    return object
  })
  const program = join(out, target)
  call(['-fsanitize=address,undefined,fuzzer', ...objects, '-o', `${program}.${process.pid}`, '-lm', '-lpthread', '-ldl'])
  renameSync(`${program}.${process.pid}`, program)
  return program
}

export interface FuzzResult {
  target: Target
  status: number | null
  /** Inputs executed, and edges and features reached, by libFuzzer's own count; 0 where it did not get to say. */
  executions: number
  edges: number
  features: number
  output: string
}

/** Fuzzes for `seconds` of wall time in one process; from libFuzzer's own `seed`, or any. Findings are files below build/fuzz/findings/TARGET. */
export async function fuzz(target: Target, program: string, seconds: number, onText?: (text: string) => void, seed?: number): Promise<FuzzResult> {
  const working = join(out, 'corpus', target)
  const findings = join(out, 'findings', target)
  mkdirSync(working, { recursive: true })
  mkdirSync(findings, { recursive: true })
  const args = [
    working,
    corpus(target),
    ...(seed === undefined ? [] : [`-seed=${seed}`]),
    `-max_total_time=${seconds}`,
    '-timeout=120', // for what sleeps; watch.c sees what runs for too long
    '-rss_limit_mb=2048',
    '-malloc_limit_mb=1100', // a compressed entry may name up to 1 GiB
    '-max_len=16384',
    '-print_final_stats=1',
    '-use_value_profile=1',
    `-artifact_prefix=${findings}/`,
  ]
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const take = (data: Buffer): void => {
    const text = data.toString()
    output = (output + text).slice(-(1 << 20))
    onText?.(text)
  }
  child.stdout.on('data', take)
  child.stderr.on('data', take)
  // 'close', not 'exit': the report of a finding is the last thing in the pipe.
  const status = await new Promise<number | null>((done) => child.on('close', (code) => done(code)))
  const last = (pattern: RegExp): number => Number([...output.matchAll(pattern)].at(-1)?.[1] ?? 0)
  return {
    target,
    status,
    executions: last(/number_of_executed_units: (\d+)/g),
    edges: last(/cov: (\d+)/g),
    features: last(/ft: (\d+)/g),
    output,
  }
}

const STACK_LINES = 20
const TAIL_CHARACTERS = 2000

/**
 * What a log must say of a finding, most telling first, as a log may be cut: the sanitizer's lines and stack (without libFuzzer's
 * own frames), the input itself (gzip, base64), the file that holds it, the last of the output.
 */
export function findingText({ target, status, output }: FuzzResult): string {
  const lines = output.split('\n')
  const from = lines.findIndex((line) => /^==\d+==\s*(ERROR|WARNING)|: runtime error: /.test(line))
  const said = (from < 0 ? [] : lines.slice(from)).filter((line) => /==\d+==\s*ERROR|runtime error: |^SUMMARY: |^\s+#\d+ /.test(line))
  const summary = said.filter((line) => !/^\s+#/.test(line))
  const stack = said.filter((line) => /^\s+#/.test(line) && !/ fuzzer::| __(sanitizer|asan|libc_start)|_start_main| _start /.test(line)).slice(0, STACK_LINES)
  const path = /Test unit written to (\S+)/.exec(output)?.[1]
  const input = path !== undefined && existsSync(path) ? readFileSync(path) : undefined
  return [
    `${target}: status ${status ?? 'none (killed)'}`,
    ...summary,
    ...stack.map((line) => line.replace(/ 0x[0-9a-f]+ in /, ' ').replace(/ \(BuildId: [0-9a-f]+\)/, '').replace(`${root}/`, '')),
    ...(input === undefined ? ['no input was written'] : [`input of ${input.length} bytes, for "base64 -di | gunzip" (${path ?? ''}):`, ...(gzipSync(input, { level: 9 }).toString('base64').match(/.{1,120}/g) ?? [])]),
    'the last of the output:',
    output.slice(-TAIL_CHARACTERS),
  ].join('\n')
}
