// Where random inputs begin: not at the hour, but at the text of what is tested. One tree has one outcome: what passes here passes in CI, and
// a change elsewhere is not refused for what somebody else's dice found. Another text of it, other inputs; the long runs (tests/ptx/random/main.ts,
// RINGFENCE_FUZZ_SECONDS) have their own.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './cc.ts'

/** From 0 to 999,999; `variable` of the environment repeats another. `folders`: of the checkout, whose sources it is made of. */
export function seedOf(variable: string, ...folders: string[]): number {
  const wanted = process.env[variable]
  if (wanted !== undefined && wanted !== '') return Number(wanted)
  const hash = createHash('sha256')
  for (const folder of folders)
    for (const file of (readdirSync(join(root, folder), { recursive: true }) as string[]).filter((name) => /\.(c|h|def|ts)$/.test(name)).sort()) hash.update(`${file}\0`).update(readFileSync(join(root, folder, file)))
  return hash.digest().readUInt32LE(0) % 1_000_000
}
