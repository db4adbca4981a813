// What a client of others' making proves in a zone. One file of clients/ is one client or suite; the record of what passes is
// record.json, and docs/CONFORMANCE.md is made of a run (`npm run conformance`).
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../support/cc.ts'

export interface Outcome {
  passed: number
  failed: number
  skipped: number
  /** Why what did not pass did not: a line each, for the page. */
  notes: string[]
}

export interface Client {
  /** Stable: the key of the record. */
  name: string
  /** What a Debian machine installs for it. */
  packages: string[]
  /** What else it needs (the CUDA toolkit), and cannot be installed; undefined: nothing. */
  needs?: string
  /** What it does, for the page. */
  what: string
  /** Version of what is installed; null: it is not, or what it needs is not there. */
  version(): string | null
  /** Runs it to its end. */
  run(zone: Zone): Outcome
  /** Too long for every CI run (minutes): run by `npm run conformance` alone. */
  long?: true
}

const cli = join(root, 'build/js/ringfence.js')

/** A zone of a private daemon on the software GPU, for each command anew. */
export class Zone {
  readonly folder: string

  constructor(name: string) {
    this.folder = join(root, 'build/conformance', name.replaceAll(/[^a-z0-9]+/gi, '-'))
    mkdirSync(this.folder, { recursive: true })
  }

  /** Runs a command in it; output of both streams together. */
  run(command: string[], options: { env?: Record<string, string>; seconds?: number; libraries?: string } = {}): { status: number | null; output: string } {
    const before = options.libraries === undefined ? {} : { LD_LIBRARY_PATH: options.libraries }
    const result = spawnSync(process.execPath, [cli, 'run', '--memory', '2Gi', '--', ...command], {
      cwd: this.folder, encoding: 'utf8', timeout: (options.seconds ?? 120) * 1000, maxBuffer: 256 << 20,
      env: { ...process.env, RINGFENCE_DRIVER: 'stub', ...before, ...options.env },
    })
    return { status: result.status, output: `${result.stdout}${result.stderr}` }
  }
}

/** Version of an installed Debian package; null when it is not installed. */
export function debian(name: string): string | null {
  const asked = spawnSync('dpkg-query', ['-W', '-f', '${Status} ${Version}', name], { encoding: 'utf8' })
  const found = /^install ok installed (\S+)$/.exec(asked.stdout?.trim() ?? '')
  return found ? found[1]! : null
}

/** One check of a client that has no tests of its own. */
export function checks(list: [name: string, holds: boolean, otherwise: string][]): Outcome {
  const bad = list.filter(([, holds]) => !holds)
  return { passed: list.length - bad.length, failed: bad.length, skipped: 0, notes: bad.map(([name, , otherwise]) => `${name}: ${otherwise.trim().slice(-300).replaceAll('\n', ' ')}`) }
}
