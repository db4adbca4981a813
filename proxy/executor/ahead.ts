/**
 * Looking ahead: has memory bring what the records of a batch will be looked up in, before the first of them is served.
 *
 * With a hundred thousand handles or allocations each record's row lies in a line that no cache holds, and takes 150 ns to come; waited for
 * one after the other, as calls are served, that is half as much again as a posted call takes. Loads that depend on nothing come side by
 * side: a dozen take hardly longer than one. What is looked at decides nothing; the words of a record are a client's, and any value is masked
 * or compared with the window before it is an index.
 */
import { RecordWord, RECORD_HEADER, RECORD_MAX, BATCH_BYTES } from '../../idm/ring.ts';
import { GpuCopy, Message, MESSAGES } from '../generated/messages.ts';
import type { Executor } from './executor.ts';

/** Fewer live handles and allocations than this are in the caches anyway: their tables take a quarter of what a core has of its own. */
const MANY = 4096;
/** In shorter batches a client waits for what it gets, or is slower than we are. Records. */
const BATCH_MIN = 4;

/** By message: 1 + the word of the request's first handle that is not of a stream or context, which are few; negative: of its first address. */
const LOOKED_UP = Int8Array.from(MESSAGES, (message) => message.looksUp);
LOOKED_UP[Message.GPU_COPY] = -1 - GpuCopy.dst_base;
/** A record of so many words has every word that may be looked at. */
const LEAST = RecordWord.payload + 4;

export class Ahead {
  /** Low words of handles, found in the records first: the fewer instructions lie between two loads, the more of them are under way at once. */
  private readonly rows = new Int32Array(BATCH_BYTES / RECORD_HEADER);
  /** What was seen, for no load to be left out. */
  seen = 0;

  constructor(private readonly executor: Executor) {}

  /** `batch`: records back to back, unchecked, in the first `words` words of it. */
  look(batch: Int32Array, words: number): void {
    const { handles, memory } = this.executor;
    if (handles.live < MANY && memory.allocations < MANY) return;
    if (words < (BATCH_MIN * RECORD_HEADER) >> 2) return;
    const { rows } = this;
    let count = 0;
    let seen = 0;
    for (let at = 0; at + LEAST <= words && count < rows.length; ) {
      const length = batch[at + RecordWord.length];
      if (!(length >= 8 && length <= RECORD_MAX)) break;
      const word = LOOKED_UP[batch[at + RecordWord.callAndSlot] & 0xffff];
      if (word > 0) rows[count++] = batch[at + RecordWord.payload + word - 1];
      else if (word < 0) seen ^= memory.touch(batch[at + RecordWord.payload - 1 - word], batch[at + RecordWord.payload - word]);
      at += ((length + 7) >>> 3) << 1;
    }
    this.seen ^= seen ^ handles.touch(rows, count);
  }
}
