/**
 * Pinned memory of the executor's own for bytes that ride in records and replies. The driver may read or write it long after the
 * record's place in the ring is another's, and copies from unpinned memory could make the driver wait.
 *
 * Two sizes: what fits a reply (1 KiB), and the largest payload (16 KiB). Made a block at a time as they are needed, registered in
 * the executor's own context, usable in all. A client may hold so many; who wants more waits for its own copies to end.
 */
import { RECORD_MAX } from '../../idm/ring.ts';
import { addressOf, type Driver } from '../driver/driver.ts';
import { errorName } from '../driver/errors.ts';
import { log } from './log.ts';

const SMALL_BYTES = 1024;
/** Up to here bytes are copied a word at a time: views of both sides cost more, and are objects for V8 to collect. */
const LOOP_BYTES = 512;
const BLOCK_BYTES = 1 << 20;
const PAGE = 4096;
const REGISTER_PORTABLE = 1;

let told = false;

/** Whether the driver has taken memory that copies work without, only slower: who wonders why finds it in the log, once. */
export function pinned(status: number): boolean {
  if (status === 0 || told) return status === 0;
  told = true;
  log.warn({ status: errorName(status) }, 'the driver does not pin the memory that clients\' bytes pass through: copies are slow, and host functions are refused; look at the limit of locked memory (ulimit -l, LimitMEMLOCK)');
  return false;
}

/** Bytes of slots that one client may hold. */
export const HELD_MAX = 4 << 20;

/** Copies `bytes` bytes from word `at` of `from` to word `to` of `target`; what the last word of `from` has beyond them stays there. */
function copyBytes(target: Int32Array, to: number, from: Int32Array, at: number, bytes: number): void {
  if (bytes > LOOP_BYTES) {
    new Uint8Array(target.buffer, target.byteOffset + to * 4, bytes).set(new Uint8Array(from.buffer, from.byteOffset + at * 4, bytes));
    return;
  }
  const words = bytes >> 2;
  for (let i = 0; i < words; i++) target[to + i] = from[at + i];
  if ((bytes & 3) !== 0) target[to + words] = from[at + words] & ((1 << ((bytes & 3) << 3)) - 1);
}

class Pool {
  private readonly blocks: { words: Int32Array; address: number }[] = [];
  private readonly free: number[] = [];
  private readonly perBlock: number;

  constructor(readonly slotBytes: number, private readonly driver: Driver, private readonly enter: () => void) {
    this.perBlock = BLOCK_BYTES / slotBytes;
  }

  take(): number {
    if (this.free.length === 0) this.grow();
    return this.free.pop()!;
  }

  give(index: number): void {
    this.free.push(index);
  }

  address(index: number): number {
    return this.blocks[(index / this.perBlock) | 0].address + (index % this.perBlock) * this.slotBytes;
  }

  put(index: number, from: Int32Array, at: number, bytes: number): void {
    copyBytes(this.blocks[(index / this.perBlock) | 0].words, (index % this.perBlock) * (this.slotBytes >> 2), from, at, bytes);
  }

  get(index: number, target: Int32Array, to: number, bytes: number): void {
    copyBytes(target, to, this.blocks[(index / this.perBlock) | 0].words, (index % this.perBlock) * (this.slotBytes >> 2), bytes);
  }

  private grow(): void {
    const raw = Buffer.allocUnsafeSlow(BLOCK_BYTES + PAGE);
    const skip = PAGE - (addressOf(raw) % PAGE);
    const address = addressOf(raw) + skip;
    this.enter();
    // Where the driver cannot pin, the memory still works: its copies are slower.
    pinned(this.driver.cuMemHostRegister_v2(address, BLOCK_BYTES, REGISTER_PORTABLE));
    const first = this.blocks.length * this.perBlock;
    this.blocks.push({ words: new Int32Array(raw.buffer, raw.byteOffset + skip, BLOCK_BYTES >> 2), address });
    for (let index = first + this.perBlock - 1; index >= first; index--) this.free.push(index);
  }
}

/** Slots are numbers: index in the pool, times two, plus 1 for the large ones. */
export class PinnedSlots {
  private readonly small: Pool;
  private readonly large: Pool;

  /** `enter` makes the executor's own context current. */
  constructor(driver: Driver, enter: () => void) {
    this.small = new Pool(SMALL_BYTES, driver, enter);
    this.large = new Pool(RECORD_MAX, driver, enter);
  }

  /** A slot for `bytes` (at most RECORD_MAX), or -1: `holder` has as much as it may. */
  take(bytes: number, holder: { slotBytesHeld: number }): number {
    const pool = bytes > SMALL_BYTES ? this.large : this.small;
    if (holder.slotBytesHeld + pool.slotBytes > HELD_MAX) return -1;
    holder.slotBytesHeld += pool.slotBytes;
    return pool.take() * 2 + (pool === this.large ? 1 : 0);
  }

  release(slot: number, holder: { slotBytesHeld: number }): void {
    const pool = this.pool(slot);
    holder.slotBytesHeld -= pool.slotBytes;
    pool.give(slot >> 1);
  }

  /** Native address of a slot. */
  address(slot: number): number {
    return this.pool(slot).address(slot >> 1);
  }

  /** Fills its first `bytes` from word `at` of `from`. */
  put(slot: number, from: Int32Array, at: number, bytes: number): void {
    this.pool(slot).put(slot >> 1, from, at, bytes);
  }

  /** Copies its first `bytes` to word `to` of `target`; nothing else of it. */
  get(slot: number, target: Int32Array, to: number, bytes: number): void {
    this.pool(slot).get(slot >> 1, target, to, bytes);
  }

  private pool(slot: number): Pool {
    return (slot & 1) === 0 ? this.small : this.large;
  }
}
