/**
 * Looks for walks that differ, for as long as it is told:
 *
 *   npx tsx tests/differential/main.ts SECONDS [--seed N] [--steps N] [--families LIST] [--pause MS] [--processes N] [--memory SIZE] [--show] [--no-shrink]
 *
 * Several processes are in the zone at the same time, each with a seed of its own. What differs is shrunk and printed with the command that
 * repeats it; `--show` prints the walk's log in both (with SECONDS 0: of that seed alone).
 */
import { parseArgs } from 'node:util'
import { Daemon } from '../support/daemon.ts'
import { alone, argumentsOf, compared, inZone, shrunk, walker, type Walk } from './walks.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string' }, steps: { type: 'string', default: '300' }, families: { type: 'string' }, pause: { type: 'string', default: '5' }, processes: { type: 'string', default: '2' },
    memory: { type: 'string', default: '1Gi' }, keep: { type: 'string' }, show: { type: 'boolean', default: false }, tries: { type: 'string', default: '1' }, 'no-shrink': { type: 'boolean', default: false },
  },
})
const seconds = Number(positionals[0] ?? 60)
const first = Number(values.seed ?? Math.floor(Math.random() * 1e9))
const daemon = await Daemon.start().catch(() => Daemon.start()) // a busy machine may be too slow once
daemon.zone('a', values.memory)
const known = new Set<string>()
let walks = 0, found = 0
const end = Date.now() + seconds * 1000
const walkOf = (seed: number): Walk => ({ seed, steps: Number(values.steps), pause: Number(values.pause), ...(values.families ? { families: values.families } : {}), ...(values.keep ? { keep: values.keep } : {}) })

async function show(walk: Walk): Promise<void> {
  const [a, z] = await Promise.all([alone(walk), inZone(daemon, 'a', walk)])
  for (let i = 0; i < Math.max(a.length, z.length); i++) console.log(a[i] === z[i] ? `  ${a[i]}` : `- ${a[i] ?? ''}\n+ ${z[i] ?? ''}`)
}

async function look(seed: number): Promise<void> {
  const d = await compared(daemon, 'a', walkOf(seed))
  walks++
  if (!d) return
  found++
  const key = `${d.what} ${d.alone.replace(/.* = /, '').replace(/\d+/g, 'N')} ${d.zone.replace(/.* = /, '').replace(/\d+/g, 'N')}`
  if (known.has(key)) return
  known.add(key)
  console.log(`\nseed ${seed}: ${d.alone}\n  but in a zone: ${d.zone}`)
  if (values['no-shrink']) return console.log(`  ${walker()} ${argumentsOf(d.walk).join(' ')}`)
  const small = await shrunk(daemon, 'a', d, Number(values.tries))
  console.log(`shrunk: ${walker()} ${argumentsOf(small.walk).join(' ')}`)
  await show(small.walk)
}

try {
  if (seconds === 0) await show(walkOf(first))
  else {
    let seed = first
    await Promise.all([...Array(Number(values.processes))].map(async () => {
      while (Date.now() < end) await look(seed++)
    }))
    console.log(`${walks} walks of ${values.steps} steps from seed ${first}: ${found} differ, in ${known.size} ways`)
  }
} finally {
  await daemon.remove()
}
