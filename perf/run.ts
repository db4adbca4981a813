// Runs measurements: within each, the sides take turns, repetition after repetition, so that whatever else the machine does
// falls on all of them; the order turns round each time, so that none always follows the same neighbour.
import type { Daemon } from './daemon.ts'
import { busyPercent } from './environment.ts'
import { type Measurement, type Outcome, type Sample, type Scene, SIDES, type Side } from './model.ts'
import { measure } from './sides.ts'

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
      for (const side of order) (outcome.samples[side] ??= []).push(await once(outcome, measurement, side, scene))
    }
  } finally {
    await scene.close()
  }
  return outcome
}

/** One program and its references, in the zone that all share. */
function plain(measurement: Measurement, daemon: Daemon | null): Scene {
  const commands = { ringfence: measurement.subject, direct: measurement.subject, bare: measurement.reference, socket: measurement.socket }
  return {
    sides: SIDES.filter((side) => commands[side]),
    measure: (side) => measure(commands[side] as NonNullable<(typeof commands)[Side]>, side, daemon),
    close: () => Promise.resolve(),
  }
}

async function once(outcome: Outcome, measurement: Measurement, side: Side, scene: Scene): Promise<Sample | null> {
  try {
    return await scene.measure(side)
  } catch (error) {
    const failure = `${measurement.name}, ${side}: ${error instanceof Error ? error.message : String(error)}`
    if (!outcome.failures.includes(failure)) outcome.failures.push(failure)
    return null
  }
}
