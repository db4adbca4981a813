// The software GPU as the tests need it: built from its sources as they are now, plain or with a sanitizer, and C
// programs linked to it. Results are kept in build/test and made again when a source is newer.
import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { cFiles, compile, includeFolders, makeFolder, root, run, type RunResult, type Sanitizer } from './cc.ts'

function newest(folders: string[]): number {
  let time = 0
  for (const folder of folders)
    for (const file of readdirSync(folder))
      if (/\.(c|h|inc)$/.test(file)) time = Math.max(time, statSync(join(folder, file)).mtimeMs)
  return time
}

function isFresh(file: string, folders: string[]): boolean {
  return existsSync(file) && statSync(file).mtimeMs > newest(folders)
}

/** The folder that holds `libcuda.so.1`, the software GPU. */
export function stubFolder(sanitizer: Sanitizer = 'none'): string {
  const folder = makeFolder(join(root, 'build/test', sanitizer))
  const output = join(folder, 'libcuda.so.1')
  const sources = [join(root, 'stub-driver'), join(root, 'stub-driver/generated')]
  if (!isFresh(output, [...sources, ...includeFolders]))
    compile({
      sources: sources.flatMap((source) => cFiles(source)),
      output,
      sanitizer,
      shared: true,
      link: ['-Wl,-soname,libcuda.so.1', '-Wl,-Bsymbolic', '-ldl', '-lrt', '-lm'],
    })
  return folder
}

/** Compiles a program of tests/stub/c against the software GPU; returns a function that runs it. */
export function stubProgram(
  source: string,
  sanitizer: Sanitizer = 'none',
): (args?: string[], env?: Record<string, string>, timeout?: number) => RunResult {
  const folder = stubFolder(sanitizer)
  const output = join(folder, basename(source, '.c'))
  if (!isFresh(output, [join(root, 'tests/stub/c'), ...includeFolders]))
    compile({ sources: [join(root, source)], output, sanitizer, link: [`-L${folder}`, '-l:libcuda.so.1'] })
  return (args = [], env = {}, timeout = 120_000) =>
    run(output, args, { LD_LIBRARY_PATH: folder, RINGFENCE_STUB_MEMORY: '1Gi', ...env }, timeout)
}
