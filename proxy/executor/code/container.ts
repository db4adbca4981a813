/**
 * What a client sent as code, checked as far as a driver believes it: the driver is given an address and no length, and reads as far
 * as the headers in the image say. So every length in them must lie inside of the bytes that are there, and nothing in them
 * may be a pointer. What the code itself says is the driver's to judge.
 *
 *   ELF       a cubin: tables and sections inside
 *   fat binary header and entries inside (nvcc's container; its wrapper, which holds pointers, is the client library's to unpack)
 *   linked    what the software GPU's cuLinkComplete gives out: magic, size
 *   text      PTX, up to a NUL that is there in any case
 *
 * Formats: DESIGN.md's FACTS (d); ELF: the System V ABI.
 */
import { CUresult } from '../../driver/errors.ts';

const ELF_MAGIC = 0x464c457f;
const FATBIN_MAGIC = 0xba55ed50;
const WRAPPER_MAGIC = 0x466243b1;
const LINKED_MAGIC = 0x314b4e494c465247n;

export const FATBIN_HEADER = 16;
/** Fat binaries in one wrapper begin at multiples of this. */
export const PART_ALIGN = 16;
const ENTRY_MIN = 64;
/** What an entry may become: LZ4 makes 255 bytes of one, and the memory for it is the driver domain's, not the zone's. */
const EXPANDED_MAX = 2 ** 28;
const NOBITS = 8;
/** Of a fat binary's entry: its kind, and the flags for LZ4 and Zstandard. */
const KIND_ELF = 2;
const COMPRESSED = 0xa000;
const LZ4 = 0x2000;

/** 64 bits as a double: at least 2^53 for what it cannot hold, which every comparison below refuses. */
export const u64 = (b: Buffer, at: number): number => b.readUInt32LE(at + 4) * 4294967296 + b.readUInt32LE(at);

/** CUDA_SUCCESS, or INVALID_IMAGE. `b`: the image's `size` bytes, and zeros behind them. `parts`: 0, or how many fat binaries lie in it. */
export function checkImage(b: Buffer, size: number, parts: number): number {
  if (parts !== 0) return partsOf(b, size, parts) === null ? CUresult.INVALID_IMAGE : CUresult.SUCCESS;
  const magic = b.readUInt32LE(0);
  if (magic === ELF_MAGIC) return elf(b, size) ? CUresult.SUCCESS : CUresult.INVALID_IMAGE;
  if (magic === FATBIN_MAGIC) return fatbin(b, 0, size) >= 0 ? CUresult.SUCCESS : CUresult.INVALID_IMAGE;
  if (magic === WRAPPER_MAGIC) return CUresult.INVALID_IMAGE;
  if (b.readBigUInt64LE(0) === LINKED_MAGIC) return size >= 24 && u64(b, 8) <= size ? CUresult.SUCCESS : CUresult.INVALID_IMAGE;
  for (let i = 0; i < 8 && i < size; i++) {
    const c = b[i];
    if (c === 0) break;
    if (c !== 9 && c !== 10 && c !== 13 && (c < 32 || c > 126)) return CUresult.INVALID_IMAGE;
  }
  return CUresult.SUCCESS;
}

/** CUjitInputType. */
const CUBIN = 0;
const PTX = 1;
const FATBINARY = 2;
const TYPES = 6;

/** As checkImage, for an input of a linker, whose size the driver is told: objects, libraries and NVVM are its own to judge. */
export function checkSized(b: Buffer, size: number, parts: number, type: number): number {
  if (type >= TYPES || (parts !== 0 && type !== FATBINARY)) return CUresult.INVALID_VALUE;
  if (type === FATBINARY || type === CUBIN) return checkImage(b, size, parts);
  if (type === PTX && (b.readUInt32LE(0) === WRAPPER_MAGIC || b.readUInt32LE(0) === ELF_MAGIC || b.readUInt32LE(0) === FATBIN_MAGIC)) return checkImage(b, size, 0);
  return CUresult.SUCCESS;
}

/** Where each fat binary of a wrapper begins; null: the bytes are not `parts` of them. */
export function partsOf(b: Buffer, size: number, parts: number): number[] | null {
  const starts: number[] = [];
  let at = 0;
  for (let i = 0; i < parts; i++) {
    const length = at < size ? fatbin(b, at, size - at) : -1;
    if (length < 0) return null;
    starts.push(at);
    at += Math.ceil(length / PART_ALIGN) * PART_ALIGN;
  }
  return starts;
}

/** Length of the fat binary at `start`, of which `room` bytes are there; -1: it is none, or it is damaged. */
function fatbin(b: Buffer, start: number, room: number): number {
  if (room < FATBIN_HEADER || b.readUInt32LE(start) !== FATBIN_MAGIC) return -1;
  const header = b.readUInt16LE(start + 6);
  const payload = u64(b, start + 8);
  if (header < FATBIN_HEADER || header + payload > room) return -1;
  let at = start + header;
  let left = payload;
  while (left >= ENTRY_MIN) {
    const entryHeader = b.readUInt32LE(at + 4);
    const entrySize = u64(b, at + 8);
    const compressed = b.readUInt32LE(at + 16);
    if (entryHeader < ENTRY_MIN || entryHeader + entrySize > left || compressed > entrySize || u64(b, at + 56) > EXPANDED_MAX) return -1;
    at += entryHeader + entrySize;
    left -= entryHeader + entrySize;
  }
  return header + payload;
}

export const KIND_PTX = 1;

export interface Entry {
  kind: number;
  compressed: boolean;
  /** Compressed with LZ4: `packed` bytes that become `expanded`, as the entry says (expanded: at most EXPANDED_MAX). */
  lz4: boolean;
  packed: number;
  expanded: number;
  /** The compute capability that it is for: major x 10 + minor; 0: it does not say. */
  capability: number;
  /** Where its bytes lie in the image. */
  start: number;
  end: number;
}

/** The variants of code in an image, which has been checked: a fat binary's entries, or the image itself. */
export function entriesOf(b: Buffer, size: number, parts: number): Entry[] {
  const magic = b.readUInt32LE(0);
  if (parts === 0 && magic !== FATBIN_MAGIC) return [{ kind: magic === ELF_MAGIC ? KIND_ELF : KIND_PTX, compressed: false, lz4: false, packed: 0, expanded: 0, capability: 0, start: 0, end: size }];
  const entries: Entry[] = [];
  for (const start of parts !== 0 ? partsOf(b, size, parts)! : [0]) {
    let at = start + b.readUInt16LE(start + 6);
    const end = at + u64(b, start + 8);
    while (end - at >= ENTRY_MIN) {
      const from = at + b.readUInt32LE(at + 4);
      const next = from + u64(b, at + 8);
      const flags = b.readUInt32LE(at + 40);
      entries.push({
        kind: b.readUInt16LE(at), compressed: (flags & COMPRESSED) !== 0, lz4: (flags & LZ4) !== 0, packed: b.readUInt32LE(at + 16), expanded: u64(b, at + 56),
        capability: b.readUInt32LE(at + 28), start: from, end: next,
      });
      at = next;
    }
  }
  return entries;
}

/** Bytes of an image (which has been checked) with its entries unpacked. */
export function unpackedBytes(b: Buffer, size: number, parts: number): number {
  return entriesOf(b, size, parts).reduce((sum, entry) => sum + (entry.compressed ? entry.expanded : 0), size);
}

/** Whether an image (which has been checked) has compressed code and no machine code beside it that is not. */
export function isOpaque(b: Buffer, size: number, parts: number): boolean {
  const entries = entriesOf(b, size, parts);
  return entries.some((entry) => entry.compressed) && !entries.some((entry) => entry.kind === KIND_ELF && !entry.compressed);
}

/** Bytes of a section's name that are looked at: names of kernels are as long as C++ makes them. */
const NAME_MAX = 32768;

/** A section of machine code by name; `at`, `bytes`: where it lies, as its table says, and nothing of that has been checked. */
export interface Section {
  name: string;
  at: number;
  bytes: number;
}

/**
 * The sections whose names begin with `prefix`, of what may be machine code. Names can lie wherever the table says, in one another too, so
 * none is looked through beyond NAME_MAX: else 65,535 of them without an end would keep the executor busy for minutes.
 */
export function* sectionsOf(b: Buffer, prefix: string): Generator<Section> {
  if (b.length < 64 || b.readUInt32LE(0) !== ELF_MAGIC) return;
  const start = u64(b, 40);
  const count = b.readUInt16LE(60);
  const table = start + b.readUInt16LE(62) * 64;
  if (b.readUInt16LE(58) !== 64 || start + count * 64 > b.length || table + 64 > b.length) return;
  const stringsAt = u64(b, table + 24);
  const stringsEnd = stringsAt + u64(b, table + 32);
  if (stringsEnd > b.length) return;
  for (let i = 0; i < count; i++) {
    const head = start + i * 64;
    const from = stringsAt + b.readUInt32LE(head);
    if (from + prefix.length > stringsEnd || b.toString('latin1', from, from + prefix.length) !== prefix) continue;
    const length = b.subarray(from, Math.min(stringsEnd, from + NAME_MAX)).indexOf(0);
    if (length >= 0) yield { name: b.toString('latin1', from, from + length), at: u64(b, head + 24), bytes: u64(b, head + 32) };
  }
}

function elf(b: Buffer, size: number): boolean {
  if (size < 64 || b[4] !== 2 || b[5] !== 1) return false;
  if (!table(size, u64(b, 32), b.readUInt16LE(54), b.readUInt16LE(56), 56, (at) => u64(b, at + 8) + u64(b, at + 32) <= size)) return false;
  const sections = b.readUInt16LE(60);
  if (sections !== 0 && b.readUInt16LE(62) >= sections) return false;
  return table(size, u64(b, 40), b.readUInt16LE(58), sections, 64, (at) => b.readUInt32LE(at + 4) === NOBITS || u64(b, at + 24) + u64(b, at + 32) <= size);
}

function table(size: number, start: number, entry: number, count: number, bytes: number, inside: (at: number) => boolean): boolean {
  if (count === 0) return true;
  if (entry !== bytes || start + count * bytes > size) return false;
  for (let i = 0; i < count; i++) if (!inside(start + i * bytes)) return false;
  return true;
}
