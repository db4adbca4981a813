/**
 * What code itself says of its kernels' parameters, for drivers that have no question for it (cuFuncGetParamInfo came with 12.4): machine
 * code in a section .nv.info.<kernel> each, PTX in its declarations. Of a fat binary's variants the machine code that is nearest to the
 * device counts first, then what else names the kernel: parameters are the same in all.
 *
 * The bytes are a tenant's. Tables have been checked against the image's end (container.ts), nothing in them is believed beyond that,
 * and whatever comes out can hurt nobody else: a launch carries as many bytes as it says from a buffer that has room for the most there can
 * be. LZ4 is expanded here, since drivers that lack the question know no other compression.
 *
 * .nv.info: records of u8 format, u8 attribute, u16 value or, with format 4, bytes that follow. EIATTR_KPARAM_INFO (0x17): u32 index,
 * u16 ordinal, u16 offset, u32 with the size from bit 18 on; its second form (0x45), for sizes beyond: u32 size. Seen in what ptxas 12 and 13 make.
 */
import { entriesOf, KIND_PTX, sectionsOf } from './container.ts';
import { expandLz4 } from './lz4.ts';
import type { Image } from './images.ts';
import { withoutComments } from './measure.ts';
import { PARAM_BYTES_MAX } from './params.ts';

/** Offset and size of each parameter in turn, by kernel. */
export type Described = ReadonlyMap<string, Uint16Array>;

/** Bytes of PTX text that are looked through, and to which an entry is expanded. */
const TEXT_MAX = 16 << 20;
const CODE_MAX = 64 << 20;
/** To which all entries of an image are expanded together: the best for the device come first. */
const EXPANDED_MAX = 256 << 20;
const PARAMS_MAX = 8192;
const KERNELS_MAX = 65536;

/** What an image, which has been checked, says of its kernels. `capability`: of the device, major x 10 + minor. */
export function describe(image: Image, capability: number): Described {
  const known = new Map<string, Uint16Array>();
  const entries = entriesOf(image.bytes, image.size, image.parts);
  const machine = entries.filter((entry) => entry.kind !== KIND_PTX);
  // The driver takes the greatest that is not beyond the device; so what comes first here stays.
  machine.sort((a, b) => rank(b.capability, capability) - rank(a.capability, capability));
  let left = EXPANDED_MAX;
  for (const entry of [...machine, ...entries.filter((each) => each.kind === KIND_PTX)]) {
    let bytes: Buffer | null = image.bytes.subarray(entry.start, entry.end);
    if (entry.compressed) {
      const most = Math.min(entry.expanded, CODE_MAX);
      left -= most;
      bytes = entry.lz4 && left >= 0 ? expandLz4(bytes.subarray(0, entry.packed), most) : null;
    }
    if (bytes === null) continue;
    if (entry.kind === KIND_PTX) describeText(bytes.toString('latin1', 0, Math.min(bytes.length, TEXT_MAX)), known);
    else describeElf(bytes, known);
  }
  return known;
}

const rank = (of: number, device: number): number => (of <= device ? of : -of);

function note(known: Map<string, Uint16Array>, name: string, pairs: readonly number[]): void {
  if (known.size < KERNELS_MAX && !known.has(name)) known.set(name, Uint16Array.from(pairs));
}

// ---- machine code ----

const INFO = '.nv.info.';
const PAYLOAD = 4;
const KPARAM_INFO = 0x17;
const KPARAM_INFO_V2 = 0x45;

export function describeElf(b: Buffer, known: Map<string, Uint16Array>): void {
  // Sections lie beside one another; a table that names one place again and again is not looked at for longer than the code is.
  let left = b.length;
  for (const { name, at, bytes } of sectionsOf(b, INFO)) {
    if (at + bytes > b.length) continue;
    left -= bytes;
    if (left < 0) return;
    const pairs = infoParams(b.subarray(at, at + bytes));
    if (pairs !== null) note(known, name.slice(INFO.length), pairs);
  }
}

/** Offsets and sizes by ordinal; null: they have a gap, or are no parameters of a kernel. */
function infoParams(info: Buffer): number[] | null {
  const pairs: number[] = [];
  let seen = 0;
  for (let at = 0; at + 4 <= info.length; ) {
    const format = info[at];
    const attribute = info[at + 1];
    const bytes = format === PAYLOAD ? info.readUInt16LE(at + 2) : 0;
    const payload = at + 4;
    at = payload + bytes;
    if (at > info.length) return null;
    if (format !== PAYLOAD || bytes < 12 || (attribute !== KPARAM_INFO && attribute !== KPARAM_INFO_V2)) continue;
    const ordinal = info.readUInt16LE(payload + 4);
    const offset = info.readUInt16LE(payload + 6);
    const size = attribute === KPARAM_INFO ? info.readUInt32LE(payload + 8) >>> 18 : info.readUInt32LE(payload + 8);
    if (ordinal >= PARAMS_MAX || offset + size > PARAM_BYTES_MAX) return null;
    while (pairs.length < ordinal * 2 + 2) pairs.push(-1);
    if (pairs[ordinal * 2] < 0) seen++;
    pairs[ordinal * 2] = offset;
    pairs[ordinal * 2 + 1] = size;
  }
  return seen * 2 === pairs.length ? pairs : null;
}

// ---- PTX ----

const ENTRY = /\.entry\s+([A-Za-z0-9_$%]+)\s*(\()?/g;
/** Each part of a parameter's declaration is a word: what is between `.param` and its name. */
const TYPE_BYTES: Readonly<Record<string, number>> = {
  b8: 1, u8: 1, s8: 1, b16: 2, u16: 2, s16: 2, f16: 2, b32: 4, u32: 4, s32: 4, f32: 4, f16x2: 4, b64: 8, u64: 8, s64: 8, f64: 8, b128: 16,
  texref: 8, samplerref: 8, surfref: 8,
};

export function describeText(text: string, known: Map<string, Uint16Array>): void {
  const code = withoutComments(text);
  ENTRY.lastIndex = 0;
  for (let found = ENTRY.exec(code); found !== null; found = ENTRY.exec(code)) {
    const end = found[2] === undefined ? ENTRY.lastIndex : code.indexOf(')', ENTRY.lastIndex);
    if (end < 0) return;
    const pairs = found[2] === undefined ? [] : textParams(code.slice(ENTRY.lastIndex, end));
    if (pairs !== null) note(known, found[1], pairs);
    ENTRY.lastIndex = end;
  }
}

function textParams(list: string): number[] | null {
  const pairs: number[] = [];
  let at = 0;
  const declarations = list.split(',', PARAMS_MAX + 1);
  if (declarations.length > PARAMS_MAX) return null;
  for (const declaration of declarations) {
    const words = declaration.trim().split(/\s+/);
    if (words.length === 1 && words[0] === '') continue;
    if (words[0] !== '.param') return null;
    let align = 0;
    let bytes = 0;
    let count = 1;
    for (let i = 1; i < words.length; i++) {
      const word = words[i];
      // Behind .ptr, .align is what the pointer points to.
      if (word === '.align' && bytes === 0) align = Number(words[++i]);
      else if (word === '.align') i++;
      else if (/^\.v[24]$/.test(word)) count *= Number(word[2]);
      else if (word[0] === '.') bytes = bytes === 0 ? (TYPE_BYTES[word.slice(1)] ?? 0) : bytes;
    }
    const dimension = /\[\s*(\d+)\s*\]\s*$/.exec(declaration);
    if (bytes === 0) return null;
    const size = bytes * count * (dimension === null ? 1 : Number(dimension[1]));
    const alignment = Math.max(align, count === 1 ? bytes : bytes * count);
    if (!(alignment >= 1 && alignment <= 128 && (alignment & (alignment - 1)) === 0)) return null;
    at = Math.ceil(at / alignment) * alignment;
    if (!(size > 0 && at + size <= PARAM_BYTES_MAX)) return null;
    pairs.push(at, size);
    at += size;
  }
  return pairs;
}
