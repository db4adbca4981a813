/**
 * What code will take beside its own bytes, as far as that can be known before it is loaded: of the card, its variables; of the driver
 * domain's memory, the instructions that the software GPU turns it into.
 *
 * The software GPU says it (`ringfence_image_memory`). No real driver does: there the machine code's own sections and the declarations
 * in PTX text are added up, of the variant that needs most. Compressed variants cannot be looked into here; nvcc puts
 * machine code beside them that is not.
 */
import type { Driver } from '../../driver/driver.ts';
import { OUT } from '../driver-thread-protocol.ts';
import type { Executor } from '../executor.ts';
import { entriesOf, KIND_PTX, sectionsOf } from './container.ts';
import type { Image } from './images.ts';
import { isLittle } from './loader.ts';

/** Bytes: of the card, in each context and once; of the zone's staging, `code` once for all modules of an image, and `instance` for each. */
export interface Measured {
  variables: number;
  managed: number;
  code: number;
  instance: number;
}

const NOTHING: Measured = { variables: 0, managed: 0, code: 0, instance: 0 };

/** Loading comes next, or `limitCode` again: the software GPU keeps what it has measured until then. */
export function measure(executor: Executor, image: Image, done: (measured: Measured) => void): void {
  const driver: Driver = executor.driver;
  if (!driver.software) return done({ ...NOTHING, variables: declared(image) });
  limitCode(executor);
  executor.loader.run('ringfence_image_memory', 0, [image.address, image.sizeForDriver, OUT], (status, variables, managed, code, instance) => {
    done(status === 0 ? { variables, managed, code, instance } : NOTHING); // if it failed, loading it says why
  }, isLittle(image.size));
}

/** The software GPU compiles no more than the zone has room for. Even with no room at all, some: the error is that of the quota. */
export function limitCode(executor: Executor): void {
  if (executor.driver.limitCode === null) return;
  let room = executor.limits.staging - executor.memory.usage().staging;
  for (const client of executor.clients) for (const image of client.code.images.values()) room += image.received === image.size ? image.size : 0; // they give way
  executor.driver.limitCode(Math.max(1, room));
}

/** Bytes of PTX text in which declarations are looked for. */
const TEXT_MAX = 16 << 20;

export function declared(image: Image): number {
  let most = 0;
  for (const entry of entriesOf(image.bytes, image.size, image.parts)) {
    if (entry.compressed) continue;
    const bytes = image.bytes.subarray(entry.start, entry.end);
    const sum = entry.kind === KIND_PTX ? declaredInText(bytes.toString('latin1', 0, Math.min(bytes.length, TEXT_MAX))) : declaredInElf(bytes);
    if (sum > most) most = sum;
  }
  return most;
}

const TYPE_BYTES: Readonly<Record<string, number>> = { 8: 1, 16: 2, 32: 4, 64: 8, 128: 16 };
/** A declaration from `.global` or `.const` to its initialiser or end. Instructions (`ld.global`) have no blank before the dot. */
const DECLARATION = /(?:^|[\s;}])\.(?:global|const)\s+([^;={]*)/g;

/** In an expression of two runs of blanks side by side, each way to part them would be tried. */
const DIMENSION = /\[\s*(?:(0[xX][0-9a-fA-F]+|\d+)U?\s*)?\]/g;

/** PTX with a blank for each comment. Not by one expression: a text full of beginnings without an end would keep it busy for hours. */
export function withoutComments(text: string): string {
  const pieces: string[] = [];
  let from = 0;
  for (;;) {
    const slash = text.indexOf('/', from);
    if (slash < 0) break;
    const next = text[slash + 1];
    if (next !== '/' && next !== '*') {
      pieces.push(text.slice(from, slash + 1));
      from = slash + 1;
      continue;
    }
    pieces.push(text.slice(from, slash), ' ');
    const end = next === '/' ? text.indexOf('\n', slash) : text.indexOf('*/', slash + 2);
    if (end < 0) return pieces.join('');
    from = next === '/' ? end : end + 2;
  }
  pieces.push(text.slice(from));
  return pieces.join('');
}

/** Bytes of the variables that PTX text declares. */
export function declaredInText(text: string): number {
  const code = withoutComments(text);
  let sum = 0;
  for (const [, declaration] of code.matchAll(DECLARATION)) {
    const type = /\.[busf](8|16|32|64|128)\b/.exec(declaration)?.[1];
    if (type === undefined) continue;
    const vector = /\.v([24])\b/.exec(declaration)?.[1];
    let count = vector === undefined ? 1 : Number(vector);
    for (const [, dimension] of declaration.matchAll(DIMENSION)) count *= dimension === undefined ? 1 : Number(dimension);
    sum += TYPE_BYTES[type] * count;
  }
  return sum;
}

/** Bytes of a cubin's sections of variables and constants. */
export function declaredInElf(b: Buffer): number {
  let sum = 0;
  for (const { name, bytes } of sectionsOf(b, '.nv.')) if (name === '.nv.global' || name === '.nv.global.init' || name === '.nv.constant3') sum += bytes;
  return sum;
}
