/**
 * What code will take of the card beside its own bytes, as far as that can be known before it is loaded: its variables.
 *
 * The software GPU says it (`ringfence_image_memory`). No real driver does: there the machine code's own sections and the declarations
 * in PTX text are added up, of the variant that needs most. Compressed variants cannot be looked into here; nvcc puts
 * machine code beside them that is not.
 */
import type { Driver } from '../../driver/driver.ts';
import type { Executor } from '../executor.ts';
import { entriesOf, KIND_PTX, sectionsOf } from './container.ts';
import type { Image } from './images.ts';
import { OUT } from './loader-protocol.ts';

/** `variables`: bytes in each context; `managed`: bytes once. */
export type Measured = (variables: number, managed: number) => void;

export function measure(executor: Executor, image: Image, done: Measured): void {
  const driver: Driver = executor.driver;
  if (!driver.software) return done(declared(image), 0);
  executor.loader.run('ringfence_image_memory', 0, image.size, [image.address, image.sizeForDriver, OUT, OUT - 1], (status, variables, managed) => {
    if (status === 0) done(variables, managed);
    else done(0, 0); // loading it says why
  });
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
