// Builds the PTX engine once per sanitizer for this process's tests, file by file and two at a time: the arithmetic is
// large, and a test that changes nothing in it should not compile it again. Objects are kept in build/tests/ptx.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, renameSync } from 'node:fs'
import { basename, join } from 'node:path'
import { cFiles, compile, makeFolder, root, type Sanitizer } from '../support/cc.ts'

const folder = join(root, 'stub-driver/ptx')

/** What an object depends on: its own text and every header and table of the engine. */
function fingerprint(source: string, sanitizer: Sanitizer): string {
  const hash = createHash('sha256').update(sanitizer)
  for (const file of readdirSync(folder).sort())
    if (/\.(h|def)$/.test(file)) hash.update(readFileSync(join(folder, file)))
  return hash.update(readFileSync(source)).digest('hex').slice(0, 16)
}

/** The engine's objects, compiled where they are not there yet. */
export function engineObjects(sanitizer: Sanitizer): string[] {
  const out = makeFolder(join(root, 'build/tests/ptx'))
  return cFiles('stub-driver/ptx').map((source) => {
    const object = join(out, `${basename(source, '.c')}-${sanitizer}-${fingerprint(source, sanitizer)}.o`)
    if (!existsSync(object)) {
      // Another test process may compile the same: each writes its own file and moves it into place.
      const mine = `${object}.${process.pid}`
      // The arithmetic's rows are checked for bounds and overflow; a test of every pointer for null and alignment on top
      // triples the compiler's time, which a busy machine turns into a timeout.
      const lighter = sanitizer === 'address' && basename(source).startsWith('ops_') ? ['-fno-sanitize=null,alignment,object-size,pointer-overflow'] : []
      compile({ sources: [source], output: mine, sanitizer, flags: ['-c', ...lighter] })
      renameSync(mine, object)
    }
    return object
  })
}

/** The same with exec.c and decode.c telling what runs (rows/coverage.c): PTX_COVERAGE names the file that it is added to. */
function coverageObjects(): string[] {
  const out = join(root, 'build/tests/ptx')
  const told = ['stub-driver/ptx/exec.c', 'stub-driver/ptx/decode.c', 'tests/ptx/rows/coverage.c'].map((file) => join(root, file))
  const own = told.map((source) => {
    const object = join(out, `${basename(source, '.c')}-coverage-${fingerprint(source, 'none')}.o`)
    if (!existsSync(object)) renameSync(compile({ sources: [source], output: `${object}.${process.pid}`, flags: ['-c', '-DPTX_COVERAGE'] }), object)
    return object
  })
  return [...engineObjects('none').filter((object) => !/\/(exec|decode)-none-[^/]*$/.test(object)), ...own]
}

/** A test program of tests/ptx with the engine linked in. */
export function engineProgram(name: string, output: string, sanitizer: Sanitizer, flags: string[] = [], coverage = false): string {
  return compile({
    sources: [`tests/ptx/${name}.c`],
    output,
    sanitizer,
    flags: [`-I${join(root, 'tests/ptx')}`, ...flags],
    // Named, because flags of the program's own may turn the sanitizer off for it and with it the library that the engine needs.
    link: [...(coverage ? coverageObjects() : engineObjects(sanitizer)), '-lm', '-lpthread', ...(sanitizer === 'address' ? ['-lubsan'] : [])],
  })
}
