/**
 * What the flags of several commands share: how their values are read and refused. A refusal names the flag and says what to give.
 */
import { InvalidArgumentError, Option } from 'commander';
import { RingfenceError } from '../errors.ts';
import { parseSize } from '../supervisor/size.ts';

/** commander prints "error: option '--memory <size>' argument 'x' is invalid." before the text given here. */
export function size(text: string): number {
  try {
    return parseSize(text);
  } catch (error) {
    if (error instanceof RingfenceError) throw new InvalidArgumentError(`It is ${error.message.replace(/^"[^]*" is /, '')}; ${error.fix}.`);
    throw error;
  }
}

/** A parser of whole numbers from `least` to `most`. */
export function whole(least: number, most: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
    if (!(value >= least && value <= most)) {
      throw new InvalidArgumentError(`Give a whole number ${most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`}.`);
    }
    return value;
  };
}

export function word(text: string): string {
  if (text === '') throw new InvalidArgumentError('Give at least one character.');
  return text;
}

/** `--run-dir`, on every command: which daemon is meant. */
export const runDirOption = (): Option => new Option('--run-dir <dir>', 'the daemon\'s run directory (default: $RINGFENCE_RUN_DIR, else the system\'s or the user\'s)').argParser(word);

/** The limits beside memory, as `zone create` and `zone set` take them. */
export const limitOptions = (): Option[] => [
  new Option('--clients <n>', 'processes at a time').argParser(whole(1)),
  new Option('--allocations <n>', 'live allocations of device memory').argParser(whole(1)),
  new Option('--handles <n>', 'live contexts, streams, events and other handles').argParser(whole(1)),
  new Option('--staging <size>', 'host memory for copies, pinned memory included').argParser(size),
];

export interface LimitFlags {
  clients?: number;
  allocations?: number;
  handles?: number;
  staging?: number;
}

/** The limits among a command's flags, the absent ones left out. */
export function pickLimits(flags: LimitFlags): LimitFlags {
  const names = ['clients', 'allocations', 'handles', 'staging'] as const;
  return Object.fromEntries(names.filter((name) => flags[name] !== undefined).map((name) => [name, flags[name]]));
}
