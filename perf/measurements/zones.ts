// Many zones busy at once on this machine: more processes than cores by far, and nobody may starve, or be slow for it.
import { BusyClient, fairness, latency, type Round } from '../busy.ts'
import { Daemon } from '../daemon.ts'
import type { Curve, Measurement, Metric, Sample, Scene, Side } from '../model.ts'
import { direct } from '../sides.ts'
import { median } from '../statistics.ts'

const COUNTS = [1, 4, 16, 64]
const MOST = 64
const WARM_MS = 1200
/** The counts in the order in which they are busy within a repetition. The machine's speed changes from one second to the next, so the two that are
 *  compared take turns, in slices, and each is the other's neighbour. */
const SLICES = [1, 16, 4, 64, 64, 4, 4, 64]
const SLICE_MS = 600
const MEMORY = 16 * 2 ** 20
/** At once while they connect, each given an executor that has rehearsed. */
const TOGETHER = 4
/** What their rehearsals did not compile, 64 executors compile on two cores, each in the few milliseconds a second that it gets. */
const WARM_ROUNDS = 14

async function prepare(): Promise<Scene> {
  const names = Array.from({ length: MOST }, (_, i) => `z${i}`)
  const daemon = await Daemon.start({ zones: names, memory: MEMORY, pool: TOGETHER })
  const clients: Record<'ringfence' | 'direct', BusyClient[]> = { ringfence: [], direct: [] }
  const close = async (): Promise<void> => {
    await Promise.all([...clients.ringfence, ...clients.direct].map((client) => client.stop()))
    await daemon.stop()
  }
  try {
    for (let i = 0; i < MOST; i += TOGETHER) {
      await daemon.warm(TOGETHER)
      for (const name of names.slice(i, i + TOGETHER)) {
        clients.ringfence.push(new BusyClient(daemon.environment(name)))
        clients.direct.push(new BusyClient(direct(2 * MEMORY)))
      }
      await Promise.all([...clients.ringfence, ...clients.direct].slice(-2 * TOGETHER).map((client) => client.ready))
    }
    await Promise.all([...clients.ringfence, ...clients.direct].map((client) => client.ready))
    for (let round = 0; round < WARM_ROUNDS; round++) await Promise.all(clients.ringfence.map((client) => client.busy(WARM_MS)))
  } catch (error) {
    await close()
    throw error
  }
  const measure = async (side: Side): Promise<Sample> => {
    const slices: { count: number; rounds: Round[] }[] = []
    for (const count of SLICES) slices.push({ count, rounds: await Promise.all(clients[side as 'ringfence' | 'direct'].slice(0, count).map((client) => client.busy(SLICE_MS))) })
    const sample: Sample = {}
    for (const count of COUNTS) Object.assign(sample, figures(count, slices.filter((slice) => slice.count === count).map(({ rounds }) => rounds)))
    const rates = (count: number): number[] => slices.filter((slice) => slice.count === count).map(({ rounds }) => rate(rounds))
    const few = rates(4)
    sample['scaling'] = median(rates(64).map((many, i) => many / few[i]))
    return sample
  }
  return { sides: ['ringfence', 'direct'], measure, close }
}

/** Calls a second of all clients of a slice, while all of them were busy: not until the last one had its last answer, which among many takes a tenth of a slice. */
const rate = (rounds: Round[]): number => rounds.reduce((sum, { calls }) => sum + calls, 0) / (SLICE_MS / 1e3)

/** Of all slices with so many clients: what each did in each. */
function figures(count: number, slices: Round[][]): Sample {
  const rounds = slices.flat()
  const shares = slices[0].map((_, client) => slices.reduce((sum, slice) => sum + slice[client].calls, 0))
  return {
    [`rate_${count}`]: median(slices.map(rate)),
    [`p50_${count}`]: latency(rounds, 0.5),
    [`p99_${count}`]: latency(rounds, 0.99),
    [`longest_${count}`]: Math.max(...rounds.map(({ longest }) => longest)),
    [`fairness_${count}`]: fairness(shares),
  }
}

const FIGURES = [
  { name: 'rate', title: 'calls, all together', unit: '/s', better: 'higher' },
  { name: 'p50', title: 'latency, median', unit: 'ns', better: 'lower' },
  { name: 'p99', title: 'latency, 99 %', unit: 'ns', better: 'lower' },
  { name: 'longest', title: 'latency, longest', unit: 'ns', better: 'lower' },
  { name: 'fairness', title: 'fairness (Jain)', unit: 'count', better: 'higher' },
] as const

const rows: Metric[] = [
  { name: 'scaling', title: '64 against 4, calls together', unit: 'times', better: 'higher', bar: { value: 0.8 } },
  { name: 'fairness_64', title: '64, fairness (Jain)', unit: 'count', better: 'higher', bar: { value: 0.98 } },
  { name: 'longest_64', title: '64, longest call', unit: 'ns', better: 'lower', bar: { value: 100e6 } },
]

export const zones: Measurement = {
  name: 'zones',
  title: 'zones busy at once',
  what: '64 zones, one client each; of 1, 4, 16 and 64 of them the client does nothing but waited calls and small copies, after a while of the same that is not counted (the executors compile). Direct: as many processes with the software GPU.',
  subject: { program: 'programs/busy' },
  prepare,
  repetitions: 3,
  metrics: [...rows, ...FIGURES.flatMap(({ name, ...rest }) => COUNTS.map((x): Metric => ({ name: `${name}_${x}`, ...rest, at: { curve: name, x } })))],
  curves: FIGURES.map(({ name, title }): Curve => ({ name, title, over: 'zones' })),
}
