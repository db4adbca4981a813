// Walks (walk.h) made twice, on the software GPU alone and in a zone, and compared; what differs is made as short as it gets.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { compile, makeFolder, root, scratchFolder } from '../support/cc.ts'
import type { Daemon } from '../support/daemon.ts'
import { libraries } from '../support/programs.ts'

export interface Walk {
  seed: number
  steps: number
  /** Families or operations, comma-separated; all of them without. */
  families?: string
  /** Longest pause in ms. */
  pause?: number
  /** Steps that are made, comma-separated ranges; all of them without. */
  keep?: string
}

export interface Difference {
  walk: Walk
  /** The call, without its answer. */
  what: string
  alone: string
  zone: string
}

const scratch = scratchFolder('walks')
let runs = 0

/** The program, compiled once for its content. */
export function walker(): string {
  const folder = join(root, 'tests/differential')
  const sources = readdirSync(folder).filter((name) => name.endsWith('.c')).map((name) => join(folder, name))
  const hash = createHash('sha256')
  for (const file of [...sources, join(folder, 'walk.h'), join(root, 'idm/cuda_types.h'), join(root, 'idm/generated/cuda.h')]) hash.update(readFileSync(file))
  const output = join(makeFolder(join(root, 'build/tests')), `walk-${hash.digest('hex').slice(0, 12)}`)
  if (!existsSync(output)) {
    const mine = `${output}.${process.pid}`
    compile({ sources, output: mine, includes: [join(root, 'idm'), join(root, 'idm/generated')], link: [`-L${libraries.stub}`, '-lcuda', '-lpthread'] })
    renameSync(mine, output)
  }
  return output
}

export const argumentsOf = (w: Walk): string[] => [String(w.seed), String(w.steps), '--pause', String(w.pause ?? 20), ...(w.families ? ['--families', w.families] : []), ...(w.keep !== undefined ? ['--keep', w.keep] : [])]

/** What a walk has seen: its log, what its kernels printed, and how it ended. */
async function made(walk: Walk, env: Record<string, string>): Promise<string[]> {
  const log = join(scratch, `log-${runs++}`)
  const child = spawn(walker(), [...argumentsOf(walk), '--log', log], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = '', stderr = ''
  child.stdout.on('data', (d: Buffer) => (stdout += d.toString()))
  child.stderr.on('data', (d: Buffer) => (stderr += d.toString()))
  const timer = setTimeout(() => child.kill('SIGKILL'), 120_000)
  const status = await new Promise<string>((done) => child.on('close', (code, signal) => done(String(code ?? signal))))
  clearTimeout(timer)
  const lines = existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : []
  rmSync(log, { force: true })
  const said = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('ringfence'))
  return [...lines, `ended: ${status}`, ...stdout.trimEnd().split('\n').map((line) => `stdout: ${line}`), ...said.map((line) => `stderr: ${line}`)]
}

export const alone = (walk: Walk): Promise<string[]> => made(walk, { LD_LIBRARY_PATH: libraries.stub, RINGFENCE_STUB_MEMORY: '4Gi', RINGFENCE_STUB_NAME: 'GPU' })
export const inZone = (daemon: Daemon, zone: string, walk: Walk): Promise<string[]> => made(walk, daemon.env(zone))

export function difference(walk: Walk, a: string[], z: string[]): Difference | null {
  for (let i = 0; i < Math.max(a.length, z.length); i++) {
    if (a[i] === z[i]) continue
    const alone = a[i] ?? '(nothing)', zone = z[i] ?? '(nothing)'
    return { walk, what: alone.replace(/^\d+ +/, '').replace(/ = .*/, ''), alone, zone }
  }
  return null
}

export async function compared(daemon: Daemon, zone: string, walk: Walk): Promise<Difference | null> {
  const [a, z] = await Promise.all([alone(walk), inZone(daemon, zone, walk)])
  return difference(walk, a, z)
}

const ranges = (steps: number[]): string => {
  const out: string[] = []
  for (let i = 0; i < steps.length; ) {
    let j = i
    while (steps[j + 1] === (steps[j] as number) + 1) j++
    out.push(i === j ? `${steps[i]}` : `${steps[i]}-${steps[j]}`)
    i = j + 1
  }
  return out.join(',')
}

/** Leaves out steps for as long as what is left differs in the same call in the same way; each try is made `tries` times. */
export async function shrunk(daemon: Daemon, zone: string, found: Difference, tries = 1): Promise<Difference> {
  const last = Number(/^\d+/.exec(found.alone)?.[0] ?? /^\d+/.exec(found.zone)?.[0] ?? found.walk.steps)
  const answer = (line: string) => line.replace(/^\d+ +/, '').replace(/\d{2,}/g, 'N').replace(/[0-9a-f]{16}/g, 'H')
  let best = found
  let steps = [...Array(Math.min(found.walk.steps, last + 1)).keys()]
  const still = async (kept: number[]): Promise<boolean> => {
    for (let i = 0; i < tries; i++) {
      const d = await compared(daemon, zone, { ...found.walk, keep: ranges(kept) })
      if (!d || d.what !== found.what || answer(d.alone) !== answer(found.alone) || answer(d.zone) !== answer(found.zone)) continue
      best = d
      return true
    }
    return false
  }
  if (!(await still(steps))) return best
  for (let size = steps.length >> 1; size >= 1; size >>= 1) {
    for (let again = true; again; ) {
      again = false
      for (let at = 0; at < steps.length; ) {
        const fewer = [...steps.slice(0, at), ...steps.slice(at + size)]
        if (fewer.length < steps.length && fewer.length > 0 && (await still(fewer))) {
          steps = fewer
          if (size === 1) again = true
        } else at += size
      }
    }
  }
  return best
}
