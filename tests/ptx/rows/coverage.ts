// Which words of which rows were executed, and which must be.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { bitsOf, type Row } from './instruction.ts'

/** Row number -> for each group the words that were executed with it ('' for left out), and pairs of words. */
export type Executed = Map<number, { words: Set<string>[]; pairs: Set<string> }>

export function readExecuted(file: string): Executed {
  const executed: Executed = new Map()
  for (const line of new Set(readFileSync(file, 'utf8').trimEnd().split('\n'))) {
    const [row = '', ...groups] = line.split('\t')
    const words = groups.map((word) => (word.startsWith('.') ? word.slice(1) : word))
    const entry = executed.get(Number(row)) ?? { words: words.map(() => new Set<string>()), pairs: new Set<string>() }
    words.forEach((word, k) => entry.words[k]?.add(word))
    words.forEach((a, j) => words.forEach((b, k) => j < k && entry.pairs.add(`${j}=${a} ${k}=${b}`)))
    executed.set(Number(row), entry)
  }
  return executed
}

/** Test programs of tests/ptx that run kernels: every C file with a main of its own. */
export function programsIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.c') && /\bint main\(/.test(readFileSync(join(folder, file), 'utf8')))
    .map((file) => file.slice(0, -2))
    .sort()
}

/**
 * What no test executed: a row, or a word of one of its groups. Of loads, stores and atomics every type must have met every
 * space, and of atomics every operation.
 */
export function missing(rows: Row[], executed: Executed): string[] {
  const list: string[] = []
  for (const row of rows) {
    const entry = executed.get(row.index)
    if (!entry) {
      list.push(`${row.pattern}: never executed`)
      continue
    }
    const groups = row.parts.filter((part) => part.group)
    groups.forEach((part, k) => {
      for (const word of part.optional ? ['', ...part.words] : part.words)
        if (!entry.words[k]?.has(word)) list.push(`${row.pattern}: never ${word ? `with .${word}` : `without one of .${part.words.join(' .')}`}`)
    })
    if (!['LD', 'ST', 'ATOM'].includes(row.kind)) continue
    const type = groups.length - 1
    if (!groups[type]?.words.some((word) => word in bitsOf)) continue // one type only
    groups.forEach((part, k) => {
      if (k === type || !part.words.some((word) => ['global', 'add', 'min', 'and', 'inc'].includes(word))) return
      for (const word of part.words)
        for (const each of groups[type]?.words ?? [])
          if (!entry.pairs.has(`${k}=${word} ${type}=${each}`) && !word.startsWith('param')) list.push(`${row.pattern}: never .${word} with .${each}`)
    })
  }
  return list
}
