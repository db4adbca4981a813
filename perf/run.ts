// Runs measurements: within each, the sides take turns, repetition after repetition, so that whatever else the machine does
// falls on all of them; the order turns round each time, so that none always follows the same neighbour. Where a measurement has slices, all
// sides live at once and take turns within the repetition as well (turns.ts).
import type { Daemon } from './daemon.ts'
import { busyPercent } from './environment.ts'
import { type Command, type Measurement, type Outcome, type Sample, type Scene, SIDES, type Side } from './model.ts'
import { measure, measureSlices } from './sides.ts'
import { inTurns } from './turns.ts'

export async function runMeasurement(measurement: Measurement, repetitions: number, daemon: Daemon | null): Promise<Outcome> {
  const outcome: Outcome = { measurement, samples: {}, failures: [], busy: await busyPercent() }
  let scene: Scene
  try {
    scene = await (measurement.prepare?.() ?? plain(measurement, daemon))
  } catch (error) {
    outcome.failures.push(`${measurement.name}: ${error instanceof Error ? error.message : String(error)}`)
    return outcome
  }
  const { sides } = scene
  try {
    for (let repetition = 0; repetition < Math.min(repetitions, measurement.repetitions ?? repetitions); repetition++) {
      const order = sides.map((_, i) => sides[(i + repetition) % sides.length])
      if (measurement.slices) await together(outcome, measurement, measurement.slices, order, daemon)
      else for (const side of order) (outcome.samples[side] ??= []).push(await once(outcome, measurement, side, scene))
    }
  } finally {
    await scene.close()
  }
  return outcome
}

/** What each side of a measurement runs. */
const commandsOf = (measurement: Measurement): Record<Side, Command | undefined> => ({
  ringfence: measurement.subject,
  direct: measurement.subject,
  bare: measurement.reference,
  socket: measurement.socket,
})

/** One program and its references, in the zone that all share. */
function plain(measurement: Measurement, daemon: Daemon | null): Scene {
  const commands = commandsOf(measurement)
  return {
    sides: SIDES.filter((side) => commands[side]),
    measure: (side) => measure(commands[side] as Command, side, daemon),
    close: () => Promise.resolve(),
  }
}

/** One repetition with slices. A failed one counts for all sides: their samples stay in step. */
async function together(outcome: Outcome, measurement: Measurement, slices: number, order: Side[], daemon: Daemon | null): Promise<void> {
  const commands = commandsOf(measurement)
  let samples: Partial<Record<Side, Sample[]>> = {}
  try {
    samples = await inTurns(order, slices, (side, environment, stop) => measureSlices(commands[side] as Command, side, daemon, environment, stop))
  } catch (error) {
    failed(outcome, `${measurement.name}, ${error instanceof Error ? error.message : String(error)}`)
  }
  for (const side of order) (outcome.samples[side] ??= []).push(...(samples[side] ?? [null]))
}

async function once(outcome: Outcome, measurement: Measurement, side: Side, scene: Scene): Promise<Sample | null> {
  try {
    return await scene.measure(side)
  } catch (error) {
    failed(outcome, `${measurement.name}, ${side}: ${error instanceof Error ? error.message : String(error)}`)
    return null
  }
}

function failed(outcome: Outcome, failure: string): void {
  if (!outcome.failures.includes(failure)) outcome.failures.push(failure)
}
