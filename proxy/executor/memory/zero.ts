/**
 * Zeroing device memory: on a stream of the executor's own context, in order, never waited for.
 *
 * Nobody gets memory that this has not reported done: a stranger's bytes must not be seen even by a client whose stream
 * happens to run ahead of the memset.
 */
import { addressOf } from '../../driver/driver.ts';
import { CUresult } from '../../driver/errors.ts';
import { numberList, objectList } from '../list.ts';
import type { MemoryCore } from './types.ts';

const NON_BLOCKING = 1; // CU_STREAM_NON_BLOCKING: does not wait for anyone's legacy default stream
const DISABLE_TIMING = 2; // CU_EVENT_DISABLE_TIMING

export class Zeroer {
  private stream = 0;
  private readonly events = numberList();
  /** In the stream's order: events, and what to call. */
  private readonly marks = numberList();
  private readonly dones = objectList<(status: number) => void>();
  private polling = false;
  private readonly out = new BigUint64Array(1);
  private readonly outAt = addressOf(this.out);

  constructor(private readonly core: MemoryCore) {}

  /** Number of requests under way. */
  get busy(): number {
    return this.marks.length;
  }

  /** Zeroes `bytes` (a multiple of 4) bytes at `address`; `done` gets a CUresult, from polling. Answers a CUresult other than 0,
   *  and never calls `done`, when that cannot even begin. */
  start(address: number, bytes: number, done: (status: number) => void): number {
    const driver = this.core.driver;
    let status = this.enter();
    if (status === 0) status = driver.cuMemsetD32Async(address, 0, bytes / 4, this.stream);
    return status === 0 ? this.mark(this.stream, done) : status;
  }

  /** Calls `done` when `stream`, of the context that is current, has got to here. Answers as start does. */
  private mark(stream: number, done: (status: number) => void): number {
    let event = this.events.pop() ?? 0;
    if (event === 0) {
      const status = this.core.driver.cuEventCreate(this.outAt, DISABLE_TIMING);
      if (status !== 0) return status;
      event = Number(this.out[0]);
    }
    const status = this.core.driver.cuEventRecord(event, stream);
    if (status !== 0) {
      this.events.push(event);
      return status;
    }
    this.marks.push(event);
    this.dones.push(done);
    if (!this.polling) {
      this.polling = true;
      this.core.poll(this.check);
    }
    return 0;
  }

  private enter(): number {
    const context = this.core.internalContext();
    if (context === 0) return CUresult.DEVICE_UNAVAILABLE;
    this.core.enter(context);
    if (this.stream !== 0) return 0;
    const status = this.core.driver.cuStreamCreate(this.outAt, NON_BLOCKING);
    if (status === 0) this.stream = Number(this.out[0]);
    return status;
  }

  private readonly check = (): boolean => {
    if (this.marks.length > 0) this.enter();
    while (this.marks.length > 0) {
      const status = this.core.driver.cuEventQuery(this.marks[0]);
      if (status === CUresult.NOT_READY) return false;
      this.events.push(this.marks.shift()!);
      this.dones.shift()!(status);
      this.enter(); // it may have gone elsewhere
    }
    this.polling = false;
    return true;
  };
}
