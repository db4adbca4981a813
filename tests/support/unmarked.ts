// A driver that does not say it is the software GPU, as a card's would not: the software GPU without what it alone exports (proxy/driver/driver.ts).
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './cc.ts'

const NAMES = '\0ringfence_'

/** Makes it anew, and tells where it lies. */
export function unmarkedDriver(stub = join(root, 'build/stub/libcuda.so.1')): string {
  const folder = join(root, 'build/test/unmarked', String(process.pid))
  const library = readFileSync(stub)
  let at = library.indexOf(NAMES, 0, 'latin1')
  if (at < 0) throw new Error(`${stub} exports nothing that it alone has`)
  // In the table of dynamic names, and where debuggers look.
  for (; at >= 0; at = library.indexOf(NAMES, at, 'latin1')) library.write('\0R', at, 'latin1')
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'libcuda.so.1')
  writeFileSync(path, library)
  return path
}
