// The software GPU as the tests need it: built from its sources as they are now, plain or with a sanitizer, and C
// programs linked to it. Programs are kept in build/test and made again when a source is newer.
import { existsSync, readdirSync, renameSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { compile, includeFolders, makeFolder, root, run, type RunResult, type Sanitizer } from './cc.ts'
import { buildVariant, variantFolder } from './variant.ts'

function newest(folders: string[]): number {
  let time = 0
  for (const folder of folders)
    for (const file of readdirSync(folder))
      if (/\.(c|h|inc|def)$/.test(file)) time = Math.max(time, statSync(join(folder, file)).mtimeMs)
  return time
}

function isFresh(file: string, folders: string[]): boolean {
  return existsSync(file) && statSync(file).mtimeMs > newest(folders)
}

/** The folder that holds `libcuda.so.1`, the software GPU. */
export function stubFolder(sanitizer: Sanitizer = 'none'): string {
  buildVariant(sanitizer)
  return variantFolder(sanitizer, 'stub')
}

/** Compiles a program of tests/stub/c against the software GPU; returns a function that runs it. */
export function stubProgram(
  source: string,
  sanitizer: Sanitizer = 'none',
): (args?: string[], env?: Record<string, string>, timeout?: number) => RunResult {
  const folder = stubFolder(sanitizer)
  const output = join(makeFolder(join(root, 'build/test', sanitizer)), basename(source, '.c'))
  if (!isFresh(output, [join(root, source, '..'), ...includeFolders])) {
    // Moved into place when it is whole: another run of the tests may be about to start it.
    const mine = `${output}.${process.pid}`
    compile({ sources: [join(root, source)], output: mine, sanitizer, link: [`-L${folder}`, '-l:libcuda.so.1'] })
    renameSync(mine, output)
  }
  return (args = [], env = {}, timeout = 120_000) =>
    run(output, args, { LD_LIBRARY_PATH: folder, RINGFENCE_STUB_MEMORY: '1Gi', ...env }, timeout)
}
