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
  /** In the stream's order: events (0: none could be had), and what to call. */
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
    if (status !== 0) return status;
    this.marks.push(this.mark());
    this.dones.push(done);
    if (!this.polling) {
      this.polling = true;
      this.core.poll(this.check);
    }
    return 0;
  }

  /** An event behind what the stream was given last. 0: none could be had; the zeroing is under way all the same, into memory that must not go elsewhere before it is
   *  done, and that it is the stream tells when it has nothing left to do. */
  private mark(): number {
    const { driver } = this.core;
    let event = this.events.pop() ?? 0;
    if (event === 0) {
      if (driver.cuEventCreate(this.outAt, DISABLE_TIMING) !== 0) return 0;
      event = Number(this.out[0]);
    }
    if (driver.cuEventRecord(event, this.stream) === 0) return event;
    this.events.push(event);
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
      const event = this.marks[0];
      let status = event === 0 ? CUresult.UNKNOWN : this.core.driver.cuEventQuery(event);
      // No event, or none that tells.
      if (status !== 0 && status !== CUresult.NOT_READY) status = this.core.driver.cuStreamQuery(this.stream);
      if (status === CUresult.NOT_READY) return false;
      this.marks.shift();
      if (event !== 0) this.events.push(event);
      this.dones.shift()!(status);
      this.enter(); // it may have gone elsewhere
    }
    this.polling = false;
    return true;
  };
}
