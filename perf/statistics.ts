// Medians and spread. Few repetitions and a noisy machine: order statistics only, no means, no deviations.

export interface Summary {
  median: number
  low: number // first quartile
  high: number // third quartile
  count: number
}

/** The q-quantile (0..1), linear between neighbours. `sorted` must be sorted and not empty. */
export function quantile(sorted: number[], q: number): number {
  const at = (sorted.length - 1) * q
  const below = Math.floor(at)
  const above = Math.min(below + 1, sorted.length - 1)
  return sorted[below] + (sorted[above] - sorted[below]) * (at - below)
}

/** Null for no samples. */
export function summarize(samples: number[]): Summary | null {
  if (samples.length === 0) return null
  const sorted = [...samples].sort((a, b) => a - b)
  return { median: quantile(sorted, 0.5), low: quantile(sorted, 0.25), high: quantile(sorted, 0.75), count: sorted.length }
}

/** Of at least one sample. */
export const median = (samples: number[]): number => quantile([...samples].sort((a, b) => a - b), 0.5)
