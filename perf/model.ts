// The harness's words. A measurement is a C program that measures one thing; it runs on several sides in turn, and what
// counts is the ratio between two sides within one repetition, for the machine and its company change between runs.

/**
 * Where a program runs: inside a zone; on the software GPU itself; or a reference program that knows no CUDA: the machine's limit (bare), or
 * what an earlier limiter does, JSON over a UNIX socket (socket).
 */
export const SIDES = ['ringfence', 'direct', 'bare', 'socket'] as const
export type Side = (typeof SIDES)[number]

/** Sides that Ringfence is compared with. */
export type Other = Exclude<Side, 'ringfence'>
export const OTHERS: readonly Other[] = ['bare', 'direct', 'socket']

export type Unit = 'ns' | '/s' | 'GB/s' | 'MiB' | '%' | 'times' | 'count'

/** What issue 5 asks for: a ratio to another side, or an absolute value; at most or at least, as `better` says. */
export type Bar = { ratio: number; to: Other } | { value: number }

export interface Metric {
  /** As the program prints it; the reference prints the same name. */
  name: string
  title: string
  unit: Unit
  better: 'lower' | 'higher'
  bar?: Bar
  /** A point of one of the measurement's curves: printed as part of it, not as a row of its own. */
  at?: { curve: string; x: number }
}

/** A figure over a quantity: one line in the table (a sparkline), one chart in the document. */
export interface Curve {
  name: string
  title: string
  /** What x counts: `live allocations`, `bytes`. */
  over: string
}

export interface Command {
  /** Source below perf/, without `.c`: `programs/waited`, `references/pingpong`. */
  program: string
  arguments?: string[]
}

export interface Measurement {
  name: string
  title: string
  /** What is called, and why it stands for its class. One sentence. */
  what: string
  subject: Command
  /** The bare reference, where one exists. */
  reference?: Command
  /** The reference over a socket, where it is told. */
  socket?: Command
  /** For what takes more than one program: sets the scene once, and then measures a side at a time. `subject` is what it runs. */
  prepare?: () => Promise<Scene>
  /** How often the sides take turns within a repetition, all alive at once (turns.ts). The programs must know turns (programs/turns.h). */
  slices?: number
  /** Not more than so many, for what takes long. */
  repetitions?: number
  metrics: Metric[]
  curves?: Curve[]
}

export interface Scene {
  /** Sides that can be measured. */
  sides: Side[]
  measure: (side: Side) => Promise<Sample>
  close: () => Promise<void>
}

/** One run of one program, or one slice of it. */
export type Sample = Record<string, number>

/** What one measurement gave: per side the samples of all repetitions and slices, in order; null where that run failed. */
export interface Outcome {
  measurement: Measurement
  samples: Partial<Record<Side, (Sample | null)[]>>
  failures: string[]
  /** Percent of the machine's CPU that others used when it began. */
  busy: number
}
