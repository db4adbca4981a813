// The test programs of tests/programs, built once a run against our header and linked with -lcuda, as an application is.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { compile, makeFolder, root, type Sanitizer } from './cc.ts'

const folder = makeFolder(join(root, 'build/tests'))

/** Path of tests/programs/NAME.c compiled; cached by content. It finds libcuda.so.1 at run time (LD_LIBRARY_PATH). */
export function program(name: string, sanitizer: Sanitizer = 'none'): string {
  const source = join(root, 'tests/programs', `${name}.c`)
  const hash = createHash('sha256')
  for (const file of [source, join(root, 'tests/programs/check.h'), join(root, 'tests/programs/graphs_ptx.h'), join(root, 'idm/cuda_types.h'), join(root, 'idm/generated/cuda.h')]) hash.update(readFileSync(file))
  const output = join(folder, `${name}-${sanitizer}-${hash.digest('hex').slice(0, 12)}`)
  if (existsSync(output)) return output
  // Moved into place when it is whole: another file of tests, which runs beside this one, takes what is there.
  const mine = `${output}.${process.pid}`
  compile({ sources: [source], output: mine, sanitizer, includes: [join(root, 'idm'), join(root, 'idm/generated')], link: [`-L${join(root, 'build/stub')}`, '-lcuda', '-lm'] })
  renameSync(mine, output)
  return output
}

export const libraries = {
  /** The client library: what a tenant gets. */
  client: join(root, 'build/lib'),
  /** The software GPU called directly. */
  stub: join(root, 'build/stub'),
}
