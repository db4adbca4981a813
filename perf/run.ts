// Runs measurements: within each, the sides take turns, repetition after repetition, so that whatever else the machine does
// falls on all of them; the order turns round each time, so that none always follows the same neighbour.
import { busyPercent } from './environment.ts'
import { type Measurement, type Outcome, type Sample, SIDES, type Side } from './model.ts'
import { measure, type Zone } from './sides.ts'

export async function runMeasurement(measurement: Measurement, repetitions: number, zone: Zone | null): Promise<Outcome> {
  const sides = SIDES.filter((side) => side !== 'bare' || measurement.reference)
  const outcome: Outcome = { measurement, samples: {}, failures: [], busy: await busyPercent() }
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const order = sides.map((_, i) => sides[(i + repetition) % sides.length])
    for (const side of order) (outcome.samples[side] ??= []).push(await once(outcome, measurement, side, zone))
  }
  return outcome
}

async function once(outcome: Outcome, measurement: Measurement, side: Side, zone: Zone | null): Promise<Sample | null> {
  const command = side === 'bare' ? measurement.reference : measurement.subject
  if (!command) return null
  try {
    return await measure(command, side, zone)
  } catch (error) {
    const failure = `${measurement.name}, ${side}: ${error instanceof Error ? error.message : String(error)}`
    if (!outcome.failures.includes(failure)) outcome.failures.push(failure)
    return null
  }
}
