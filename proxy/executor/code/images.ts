/**
 * Images on their way and images that are kept: the bytes of code that clients have sent. They are private copies, so that nothing
 * changes under the driver while it reads. An image belongs to the client that sent it, who names it by a number of its own;
 * it is kept after it was loaded, so that the client need not send it again, until the zone's memory for such things is wanted.
 *
 * What is kept and what is on its way counts as the zone's staging.
 */
import { CUresult } from '../../driver/errors.ts';
import { addressOf } from '../../driver/driver.ts';
import { ImageData, ImageOpen, ImageOpenReply, JitLog, JitLogReply, ImageClose, Message, MESSAGES } from '../../generated/messages.ts';
import { PACKAGE_BYTES, SLOT_PAYLOAD } from '../../../idm/region.ts';
import type { Client } from '../client.ts';
import type { Executor } from '../executor.ts';
import type { HandlerTable } from '../handlers/table.ts';
import type { Invocation } from '../invocation.ts';
import { isLittle } from './loader.ts';
import type { Compiled } from './objects.ts';
import { checkImage, isOpaque, partsOf } from './container.ts';

/** Zeros behind an image: the NUL of a text, and what a reader of whole words may see. */
const PADDING = 16;
const IMAGE_MAX = 2 ** 31;
const PARTS_MAX = 1024;
/** Images of one client: each costs something beside its bytes. */
const IMAGES_MAX = 1024;
const DATA_BYTES = MESSAGES[Message.IMAGE_DATA].request;
const LOG_BYTES = MESSAGES[Message.JIT_LOG].reply;

const WRAPPER_MAGIC = 0x466243b1;
const WRAPPER_BYTES = 24;

/** What the compiler said of an image when it was last loaded. */
export class LoadReport {
  milliseconds = 0;
  info: Buffer = NOTHING;
  errors: Buffer = NOTHING;

  forget(): void {
    this.info = this.errors = NOTHING;
  }
}

const NOTHING = Buffer.alloc(0);

export class Image {
  received = 0;
  /** A piece did not fit: it cannot be loaded. */
  broken = false;
  /** CUresult of the check, once all is there; -1: not checked yet. */
  checked = -1;
  report = new LoadReport();
  /** What it was turned into when it was last loaded. */
  compiled: Compiled | null = null;
  /** Whether its code may print: looked at once (printed.ts). */
  prints: boolean | null = null;
  private wrapper: Buffer | null = null;

  constructor(readonly bytes: Buffer, readonly size: number, readonly parts: number) {}

  /** It has compressed entries and nothing else that says what is in them. */
  get opaque(): boolean {
    return isOpaque(this.bytes, this.size, this.parts);
  }

  /** Bytes at `address`. */
  get sizeForDriver(): number {
    return this.parts === 0 ? this.size : WRAPPER_BYTES;
  }

  /** What the driver is given: the image itself, or a wrapper around its fat binaries. All of it lives as long as the Image does. */
  get address(): number {
    if (this.parts === 0) return addressOf(this.bytes);
    if (this.wrapper === null) {
      const starts = partsOf(this.bytes, this.size, this.parts)!;
      const list = WRAPPER_BYTES;
      const w = Buffer.alloc(list + (starts.length + 1) * 8);
      const base = addressOf(this.bytes);
      w.writeUInt32LE(WRAPPER_MAGIC, 0);
      w.writeUInt32LE(2, 4);
      w.writeBigUInt64LE(BigInt(base), 8);
      starts.forEach((start, i) => w.writeBigUInt64LE(BigInt(base + start), list + i * 8));
      this.wrapper = Buffer.allocUnsafeSlow(w.length); // not of the pool: its address must stay
      w.copy(this.wrapper);
      this.wrapper.writeBigUInt64LE(BigInt(addressOf(this.wrapper) + list), 16);
    }
    return addressOf(this.wrapper);
  }
}

function open(v: Invocation): number {
  const bytes = v.u64(ImageOpen.bytes);
  const parts = v.u32(ImageOpen.parts);
  if (bytes === 0 || bytes > IMAGE_MAX || parts > PARTS_MAX) return CUresult.INVALID_VALUE;
  const { client, executor } = v;
  if (client.code.images.size >= IMAGES_MAX) forgetOldest(executor, client);
  while (!executor.memory.reserveStaging(bytes)) if (!forgetOldest(executor, client)) return CUresult.OUT_OF_MEMORY;
  let buffer: Buffer;
  try {
    buffer = Buffer.allocUnsafeSlow(bytes + PADDING);
  } catch {
    executor.memory.releaseStaging(bytes);
    return CUresult.OUT_OF_MEMORY;
  }
  executor.loader.expect(isLittle(bytes));
  buffer.fill(0, bytes);
  const id = client.code.nextImage++;
  client.code.images.set(id, new Image(buffer, bytes, parts));
  v.replyU64(ImageOpenReply.image, id);
  return CUresult.SUCCESS;
}

function data(v: Invocation): number {
  const chunk = v.u32(ImageData.chunk);
  const chunks = v.u32(ImageData.chunks);
  const { client } = v;
  const shape = client.region.shape;
  if (chunks > 1 || chunk + chunks > shape.stagingChunks) return CUresult.INVALID_VALUE;
  const bytes = v.u32(ImageData.bytes);
  const offset = v.u64(ImageData.offset);
  const image = client.code.images.get(v.u64(ImageData.image));
  let status: number = CUresult.INVALID_VALUE;
  if (image !== undefined) {
    const room = chunks === 0 ? v.bytes - DATA_BYTES : shape.stagingChunk;
    if (image.broken || offset !== image.received || bytes > room || offset + bytes > image.size) image.broken = true;
    else {
      if (chunks === 0) v.copyTo(image.bytes, offset, DATA_BYTES >> 2, bytes);
      else {
        const from = shape.staging - PACKAGE_BYTES + chunk * shape.stagingChunk;
        image.bytes.set(client.region.bytes.subarray(from, from + bytes), offset);
        v.bulky = true; // others' turn
      }
      image.received += bytes;
      status = CUresult.SUCCESS;
    }
  }
  if (chunks !== 0) client.freeChunks(chunk, chunks);
  return status;
}

function close(v: Invocation): number {
  const id = v.u64(ImageClose.image);
  if (!v.client.code.images.has(id)) return CUresult.INVALID_VALUE;
  forget(v.executor, v.client, id);
  return CUresult.SUCCESS;
}

function log(v: Invocation): number {
  const { code } = v.client;
  const id = v.u64(JitLog.image);
  const report = (code.images.get(id) ?? code.links.get(id))?.report;
  if (report === undefined) return CUresult.INVALID_VALUE;
  const text = v.u32(JitLog.which) === 0 ? report.info : report.errors;
  v.replyU32(JitLogReply.total, text.length);
  v.replyF32(JitLogReply.milliseconds, report.milliseconds);
  v.replyText(LOG_BYTES >> 2, text, v.u32(JitLog.from), SLOT_PAYLOAD - LOG_BYTES);
  return CUresult.SUCCESS;
}

function forget(executor: Executor, client: Client, id: number): void {
  const image = client.code.images.get(id)!;
  client.code.images.delete(id);
  executor.memory.releaseStaging(image.size);
}

/** Drops the complete image that `client` used longest ago, or, if it has none, another client's; never `wanted`. False: there is none. */
export function forgetOldest(executor: Executor, client: Client, wanted: Image | null = null): boolean {
  for (const each of [client, ...executor.clients]) {
    for (const [id, image] of each.code.images) {
      if (image.received !== image.size || image === wanted) continue;
      forget(executor, each, id);
      return true;
    }
  }
  return false;
}

/** Gives up all images of a client that is gone. */
export function forgetImages(executor: Executor, client: Client): void {
  for (const id of [...client.code.images.keys()]) forget(executor, client, id);
}

/** The complete image that is named at `off`, its headers looked at unless `check` is false, or a CUresult: NOT_FOUND for one that is not kept (any more). */
export function imageAt(v: Invocation, off: number, check = true): Image | number {
  const { images } = v.client.code;
  const id = v.u64(off);
  const image = images.get(id);
  if (image === undefined) return CUresult.NOT_FOUND;
  if (image.broken || image.received !== image.size) return CUresult.INVALID_VALUE;
  // The last in the list is the last one used.
  images.delete(id);
  images.set(id, image);
  if (!check) return image;
  if (image.checked < 0) image.checked = checkImage(image.bytes, image.size, image.parts);
  return image.checked === 0 ? image : image.checked;
}


export function registerImages(table: HandlerTable): void {
  table[Message.IMAGE_OPEN] = open;
  table[Message.IMAGE_DATA] = data;
  table[Message.IMAGE_CLOSE] = close;
  table[Message.JIT_LOG] = log;
}
