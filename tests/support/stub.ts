// The software GPU as the tests need it: built from its sources as they are now, plain or with a sanitizer, and C
// programs linked to it. Results are kept in build/test and made again when a source is newer.
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { cFiles, compile, includeFolders, makeFolder, root, run, type RunResult, type Sanitizer } from './cc.ts'

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

/** The PTX engine as objects, compiled again one by one where its sources changed: its arithmetic is large. */
function engineObjects(folder: string, sanitizer: Sanitizer): string[] {
  const engine = join(root, 'stub-driver/ptx')
  const shared = Math.max(
    ...readdirSync(engine)
      .filter((file) => /\.(h|def)$/.test(file))
      .map((file) => statSync(join(engine, file)).mtimeMs),
  )
  const out = makeFolder(join(folder, 'ptx'))
  return cFiles(engine).map((source) => {
    const object = join(out, `${basename(source, '.c')}.o`)
    if (existsSync(object) && statSync(object).mtimeMs > Math.max(shared, statSync(source).mtimeMs)) return object
    // Another test process may compile the same: each writes its own file and moves it into place.
    const mine = `${object}.${process.pid}`
    compile({ sources: [source], output: mine, sanitizer, flags: ['-c', '-fPIC', '-fvisibility=hidden'] })
    renameSync(mine, object)
    return object
  })
}

/** Runs `work` while no other process builds in the folder: building the same twice at once takes twice as long. */
function exclusively(folder: string, work: () => void): void {
  const lock = join(folder, 'building')
  const isAlive = (pid: number): boolean => {
    try {
      process.kill(pid, 0)
      return true
    } catch {
      return false
    }
  }
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' })
      break
    } catch {
      const owner = existsSync(lock) ? Number(readFileSync(lock, 'utf8')) : 0
      if (owner && !isAlive(owner)) rmSync(lock, { force: true }) // ended by a time limit in the middle of it
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
    }
  }
  try {
    work()
  } finally {
    rmSync(lock, { force: true })
  }
}

/** The folder that holds `libcuda.so.1`, the software GPU. */
export function stubFolder(sanitizer: Sanitizer = 'none'): string {
  const folder = makeFolder(join(root, 'build/test', sanitizer))
  const output = join(folder, 'libcuda.so.1')
  const sources = [join(root, 'stub-driver'), join(root, 'stub-driver/generated'), join(root, 'idm/graphs')]
  const folders = [...sources, join(root, 'stub-driver/ptx'), ...includeFolders]
  exclusively(folder, () => {
    if (isFresh(output, folders)) return
    compile({
      sources: [...sources.flatMap((source) => cFiles(source)), ...cFiles('idm')],
      output,
      sanitizer,
      shared: true,
      link: [...engineObjects(folder, sanitizer), '-Wl,-soname,libcuda.so.1', '-Wl,-Bsymbolic', `-Wl,--version-script=${join(root, 'stub-driver/generated/exports.map')}`, '-ldl', '-lrt', '-lm'],
    })
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
  if (!isFresh(output, [join(root, 'tests/stub/c'), ...includeFolders])) {
    // Moved into place when it is whole: another run of the tests may be about to start it.
    const mine = `${output}.${process.pid}`
    compile({ sources: [join(root, source)], output: mine, sanitizer, link: [`-L${folder}`, '-l:libcuda.so.1'] })
    renameSync(mine, output)
  }
  return (args = [], env = {}, timeout = 120_000) =>
    run(output, args, { LD_LIBRARY_PATH: folder, RINGFENCE_STUB_MEMORY: '1Gi', ...env }, timeout)
}
