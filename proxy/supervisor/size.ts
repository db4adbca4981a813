/**
 * Sizes as people write them, exact about 1024 and 1000: `Ki Mi Gi Ti` (`KiB` …) are powers of 1024, `K M G T` (`KB` …) powers
 * of 1000, a bare number (or `B`) is bytes. No fractions and no negative numbers: a quota is exact to the byte, so what is written must be too.
 */
import { RingfenceError } from '../errors.ts';

const UNITS: Readonly<Record<string, number>> = { '': 0, K: 1, M: 2, G: 3, T: 4 };

/** Bytes of `text`. Throws SIZE_INVALID for anything else than the forms above, and for more than 2^53 - 1 bytes. */
export function parseSize(text: string): number {
  const match = /^(\d+)(?:([KMGT])(i?)B?|B)?$/.exec(text);
  if (!match) throw new RingfenceError('SIZE_INVALID', { text, why: '' });
  const unit = match[2] ?? '';
  const base = match[3] ? 1024n : 1000n;
  const bytes = BigInt(match[1]!) * base ** BigInt(UNITS[unit]!);
  if (bytes > BigInt(Number.MAX_SAFE_INTEGER)) throw new RingfenceError('SIZE_INVALID', { text, why: ': it is more than 2^53 - 1 bytes' });
  return Number(bytes);
}

/** The shortest exact form: `16Gi`, `4G`, `1000001`; `parseSize(formatSize(n)) === n`. Of two as short, the power of 1024. */
export function formatSize(bytes: number): string {
  let best = String(bytes);
  for (const [base, mark] of [[1024, 'i'], [1000, '']] as const) {
    for (const unit of ['T', 'G', 'M', 'K']) {
      const one = base ** UNITS[unit]!;
      const text = `${bytes / one}${unit}${mark}`;
      if (bytes >= one && bytes % one === 0 && text.length < best.length) best = text;
    }
  }
  return best;
}

/** For tables: at most one decimal, powers of 1024, e.g. `1.5Gi`; `0`. Not exact and not for parsing. */
export function roundSize(bytes: number): string {
  const units = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi'];
  let value = bytes;
  let i = 0;
  while (value >= 1024 && i < units.length - 1) {
    value /= 1024;
    i++;
  }
  // 1023.96 Ki would print as 1024.0Ki: one unit up is what a reader expects.
  if (Number(value.toFixed(1)) >= 1024 && i < units.length - 1) {
    value /= 1024;
    i++;
  }
  return `${Number(value.toFixed(1))}${units[i]}`;
}
