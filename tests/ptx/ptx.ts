// The PTX engine with a test program of its own around it, without the driver: the objects of the product's builds.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, renameSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { cFiles, compile, makeFolder, root, type Sanitizer } from '../support/cc.ts'
import { buildVariant, stubObject } from '../support/variant.ts'

const folder = join(root, 'stub-driver/ptx')

/** What an object depends on: its own text and every header and table of the engine. */
function fingerprint(source: string): string {
  const hash = createHash('sha256')
  for (const file of readdirSync(folder).sort())
    if (/\.(h|def)$/.test(file)) hash.update(readFileSync(join(folder, file)))
  return hash.update(readFileSync(source)).digest('hex').slice(0, 16)
}

/** The engine's objects, as the software GPU is linked from them. */
export function engineObjects(sanitizer: Sanitizer): string[] {
  buildVariant(sanitizer)
  return cFiles('stub-driver/ptx').map((source) => stubObject(sanitizer, relative(root, source)))
}

/** The same with exec.c and decode.c telling what runs (rows/coverage.c): PTX_COVERAGE names the file that it is added to. */
function coverageObjects(): string[] {
  const out = makeFolder(join(root, 'build/tests/ptx'))
  const told = ['stub-driver/ptx/exec.c', 'stub-driver/ptx/decode.c', 'tests/ptx/rows/coverage.c'].map((file) => join(root, file))
  const own = told.map((source) => {
    const object = join(out, `${basename(source, '.c')}-coverage-${fingerprint(source)}.o`)
    if (!existsSync(object)) renameSync(compile({ sources: [source], output: `${object}.${process.pid}`, flags: ['-c', '-DPTX_COVERAGE'] }), object)
    return object
  })
  return [...engineObjects('none').filter((object) => !/\.(exec|decode)\.c\.o$/.test(object)), ...own]
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
