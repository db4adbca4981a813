// The test programs of tests/programs, built once a run against our header and linked with -lcuda, as an application is.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { compile, makeFolder, root, type Sanitizer } from './cc.ts'

const folder = makeFolder(join(root, 'build/tests'))

/** Path of tests/programs/NAME.c compiled; cached by content. It finds libcuda.so.1 at run time (LD_LIBRARY_PATH). */
export function program(name: string, sanitizer: Sanitizer = 'none'): string {
  const source = join(root, 'tests/programs', `${name}.c`)
  const hash = createHash('sha256')
  for (const file of [source, join(root, 'tests/programs/check.h'), join(root, 'tests/programs/graphs_ptx.h'), join(root, 'idm/cuda_types.h'), join(root, 'idm/generated/cuda.h')]) hash.update(readFileSync(file))
  const output = join(folder, `${name}-${sanitizer}-${hash.digest('hex').slice(0, 12)}`)
  if (!existsSync(output))
    compile({ sources: [source], output, sanitizer, includes: [join(root, 'idm'), join(root, 'idm/generated')], link: [`-L${join(root, 'build/stub')}`, '-lcuda', '-lm'] })
  return output
}

export const libraries = {
  /** The client library: what a tenant gets. */
  client: join(root, 'build/lib'),
  /** The software GPU called directly. */
  stub: join(root, 'build/stub'),
}
