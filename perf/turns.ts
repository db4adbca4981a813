// The sides of a measurement at once, taking turns (programs/turns.h): each program lives through all of its slices, and only one of them measures at a
// time. What one side's slice saw of the machine the next side's sees too, a hundredth of a second later, so a ratio is taken slice by slice.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Sample, Side } from './model.ts'

/** The words that the programs share (three of four bytes). */
const SHARED = 12

/** Runs one program with this much more in its environment; when `stop` is aborted it is killed, and fails. */
export type Start = (side: Side, environment: Record<string, string>, stop: AbortSignal) => Promise<Sample[]>

/**
 * Runs `sides` together, `slices` slices each: the samples of each side, slice by slice. When one fails the others, which would wait for its turns, are ended and
 * its error is thrown.
 */
export async function inTurns(sides: Side[], slices: number, start: Start): Promise<Partial<Record<Side, Sample[]>>> {
  const folder = mkdtempSync(join(tmpdir(), 'ringfence-turns-'))
  const path = join(folder, 'turns')
  writeFileSync(path, Buffer.alloc(SHARED))
  const stop = new AbortController()
  try {
    const samples: Partial<Record<Side, Sample[]>> = {}
    const runs = sides.map(async (side, index) => {
      try {
        samples[side] = await start(side, { RINGFENCE_PERF_TURNS: `${path} ${sides.length} ${index} ${slices}` }, stop.signal)
        if (samples[side].length !== slices) throw new Error(`${samples[side].length} samples of ${slices} slices`)
      } catch (error) {
        const failure = stop.signal.aborted ? null : new Error(`${side}: ${error instanceof Error ? error.message : String(error)}`)
        stop.abort()
        if (failure) throw failure
      }
    })
    const failed = (await Promise.allSettled(runs)).find((run) => run.status === 'rejected')
    if (failed) throw failed.reason
    return samples
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
