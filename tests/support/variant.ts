// The product as `scripts/build.mjs` makes it, brought up to date for the test that asks: its libraries and its objects are what the
// tests link with, so that nothing is compiled for them a second time. The variants: release, ASan with UBSan, TSan.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder, root, type Sanitizer } from './cc.ts'
import { isAlive } from './processes.ts'

const names: Record<Sanitizer, string> = { none: 'release', address: 'asan', thread: 'tsan' }
const folders: Record<Sanitizer, string> = { none: '', address: 'asan', thread: 'tsan' }

/** Runs `work` while no other process builds: building the same twice at once takes twice as long. */
function exclusively(work: () => void): void {
  const lock = join(makeFolder(join(root, 'build/tests')), 'building')
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

const made = new Set<Sanitizer>()

/** Builds what is stale of the C parts, once a process; throws with the compiler's words. */
export function buildVariant(sanitizer: Sanitizer): void {
  if (made.has(sanitizer)) return
  exclusively(() => {
    const done = spawnSync(process.execPath, [join(root, 'scripts/build.mjs'), '--only', 'c', '--variant', names[sanitizer], '--quiet'], { encoding: 'utf8' })
    if (done.status !== 0) throw new Error(done.stderr)
  })
  made.add(sanitizer)
}

/** Where a variant's libraries lie: the client's in `lib`, the software GPU in `stub`. */
export const variantFolder = (sanitizer: Sanitizer, part: 'lib' | 'stub'): string => join(root, 'build', folders[sanitizer], part)

/** The object that a source of the software GPU became. */
export const stubObject = (sanitizer: Sanitizer, source: string): string => join(root, 'build/obj', names[sanitizer], 'stub-driver', `${source.replaceAll('/', '.')}.o`)
