// The harness's words. A measurement is a C program that measures one thing; it runs on several sides in turn, and what
// counts is the ratio between two sides within one repetition, for the machine and its company change between runs.

/** Where a program runs: inside a zone; on the software GPU itself; or a reference program that knows no CUDA. */
export const SIDES = ['ringfence', 'direct', 'bare'] as const
export type Side = (typeof SIDES)[number]

/** Sides that Ringfence is compared with. */
export type Other = Exclude<Side, 'ringfence'>

export type Unit = 'ns' | '/s' | 'GB/s'

/** What issue 5 asks for: a ratio to another side, or an absolute value; at most or at least, as `better` says. */
export type Bar = { ratio: number; to: Other } | { value: number }

export interface Metric {
  /** As the program prints it; the reference prints the same name. */
  name: string
  title: string
  unit: Unit
  better: 'lower' | 'higher'
  bar?: Bar
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
  metrics: Metric[]
}

/** One run of one program. */
export type Sample = Record<string, number>

/** What one measurement gave: per side the samples of all repetitions, in order; null where that run failed. */
export interface Outcome {
  measurement: Measurement
  samples: Partial<Record<Side, (Sample | null)[]>>
  failures: string[]
  /** Percent of the machine's CPU that others used when it began. */
  busy: number
}
