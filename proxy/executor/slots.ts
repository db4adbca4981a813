/**
 * Pinned memory of the executor's own for bytes that ride in records and replies. The driver may read or write it long after the
 * record's place in the ring is another's, and copies from unpinned memory could make the driver wait.
 *
 * Slots of 16 KiB (the largest payload), made by the 64 as they are needed, up to a bound. Registered in the executor's own
 * context, usable in all.
 */
import { addressOf, type Driver } from '../driver/driver.ts';
import { RECORD_MAX } from '../../idm/ring.ts';

export const SLOT_BYTES = RECORD_MAX;
const PER_BLOCK = 64;
const BLOCKS_MAX = 64;
const PAGE = 4096;
const REGISTER_PORTABLE = 1;

export class PinnedSlots {
  private readonly blocks: { bytes: Buffer; address: number }[] = [];
  private readonly free: number[] = [];

  /** `enter` makes the executor's own context current. */
  constructor(private readonly driver: Driver, private readonly enter: () => void) {}

  /** A slot's number, or -1: all are in use and there may be no more of them. */
  take(): number {
    if (this.free.length === 0 && !this.grow()) return -1;
    return this.free.pop()!;
  }

  release(slot: number): void {
    this.free.push(slot);
  }

  /** Native address of a slot. */
  address(slot: number): number {
    return this.blocks[(slot / PER_BLOCK) | 0].address + (slot % PER_BLOCK) * SLOT_BYTES;
  }

  /** `bytes` bytes of a slot from `at` on. */
  view(slot: number, at: number, bytes: number): Uint8Array {
    const from = (slot % PER_BLOCK) * SLOT_BYTES + at;
    return this.blocks[(slot / PER_BLOCK) | 0].bytes.subarray(from, from + bytes);
  }

  private grow(): boolean {
    if (this.blocks.length === BLOCKS_MAX) return false;
    const size = PER_BLOCK * SLOT_BYTES;
    const raw = Buffer.allocUnsafeSlow(size + PAGE);
    const skip = PAGE - (addressOf(raw) % PAGE);
    const bytes = raw.subarray(skip, skip + size);
    const address = addressOf(raw) + skip;
    this.enter();
    // Where the driver cannot pin, the memory still works: its copies are slower.
    this.driver.cuMemHostRegister_v2(address, size, REGISTER_PORTABLE);
    const first = this.blocks.length * PER_BLOCK;
    this.blocks.push({ bytes, address });
    for (let slot = first + PER_BLOCK - 1; slot >= first; slot--) this.free.push(slot);
    return true;
  }
}
