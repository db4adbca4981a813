/**
 * Pinned words that hold streams back while the client runs a host function: the stream waits until its word has reached a
 * number (`cuStreamWaitValue32`, GEQ). A word is used again with the next number, so that a stream that has not yet got to an
 * earlier wait passes it all the same.
 */
import { addressOf, type Driver } from '../driver/driver.ts';

const PAGE = 4096;
const WORDS = PAGE / 4;
const PAGES_MAX = 64;
const REGISTER_PORTABLE_MAPPED = 3;

export class HostFlags {
  private readonly pages: { words: Int32Array; device: number }[] = [];
  private readonly free: number[] = [];

  constructor(private readonly driver: Driver, private readonly scratch: Buffer, private readonly enter: () => void) {}

  /** A word's number, or -1: none left. */
  take(): number {
    if (this.free.length === 0 && !this.grow()) return -1;
    return this.free.pop()!;
  }

  /** Device address of a word. */
  device(flag: number): number {
    return this.pages[(flag / WORDS) | 0].device + (flag % WORDS) * 4;
  }

  /** The number that this use of the word waits for. */
  awaited(flag: number): number {
    return (Atomics.load(this.pages[(flag / WORDS) | 0].words, flag % WORDS) + 1) >>> 0;
  }

  /** Lets the stream go on; the word may be taken again. */
  release(flag: number): void {
    Atomics.add(this.pages[(flag / WORDS) | 0].words, flag % WORDS, 1);
    this.free.push(flag);
  }

  private grow(): boolean {
    if (this.pages.length === PAGES_MAX) return false;
    const raw = Buffer.allocUnsafeSlow(PAGE * 2).fill(0);
    const skip = PAGE - (addressOf(raw) % PAGE);
    const address = addressOf(raw) + skip;
    this.enter();
    if (this.driver.cuMemHostRegister_v2(address, PAGE, REGISTER_PORTABLE_MAPPED) !== 0) return false;
    if (this.driver.cuMemHostGetDevicePointer_v2(addressOf(this.scratch), address, 0) !== 0) {
      this.driver.cuMemHostUnregister(address);
      return false;
    }
    const first = this.pages.length * WORDS;
    this.pages.push({ words: new Int32Array(raw.buffer, raw.byteOffset + skip, WORDS), device: Number(this.scratch.readBigUInt64LE(0)) });
    for (let flag = first + WORDS - 1; flag >= first; flag--) this.free.push(flag);
    return true;
  }
}
