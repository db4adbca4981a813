// The C programs of these tests, compiled once a process, release or sanitized.
import { join } from 'node:path'
import { compile, root, type Sanitizer, scratchFolder } from '../support/cc.ts'

let folder: string | undefined
const made = new Map<string, string>()

/** A program of tests/idm (by its name without .c, or a path), compiled. `flags` distinguish variants. */
export function program(name: string, sanitizer: Sanitizer = 'none', flags: string[] = []): string {
  folder ??= scratchFolder('idm')
  const key = [name, sanitizer, ...flags].join(' ')
  let path = made.get(key)
  if (!path) {
    path = join(folder, `program-${made.size}`)
    compile({ sources: [name.endsWith('.c') ? name : join(root, 'tests/idm', `${name}.c`)], output: path, sanitizer, flags, includes: [join(root, 'idm'), join(root, 'idm/generated')] })
    made.set(key, path)
  }
  return path
}
