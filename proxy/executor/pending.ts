/**
 * Work that the driver has been given and somebody waits for: the executor never waits itself, it polls.
 *
 * A Batch is one driver event and what is to be done when it has completed: answer a call, hand staging chunks back, call
 * something. A stream's batches complete in order, so only the first of each queue is ever asked for (`cuEventQuery`).
 * Batches and steps are pooled: nothing is allocated on the hot path once the pools have filled.
 */
import type { Client } from './client.ts';
import type { Context, Stream } from './context.ts';
import { LONG_AGO } from './times.ts';

export enum StepKind { reply, chunks, slot, call }

export class Step {
  next: Step | null = null;
  kind = StepKind.reply;
  client: Client | null = null;
  context: Context | null = null;
  /** reply: slot and ticket. chunks: first and count. slot: number of the pinned slot. */
  a = 0;
  b = 0;
  /** reply: the pinned slot in which the answer's bytes lie, and how many. */
  from = 0;
  bytes = 0;
  run: ((status: number) => void) | null = null;
}

export class Batch {
  next: Batch | null = null;
  context: Context | null = null;
  /** The driver's; null: none yet. Not 0, for V8 keeps a field that has only been a number as one, and makes an object of it each time it is asked for. */
  event: number | null = null;
  /** False: the client's own event, which stays the client's. */
  owned = true;
  /** The stream that it was recorded on, and how much that had been given by then. */
  stream: Stream | null = null;
  given = 0;
  /** Bytes of a large copy to or from the host, and when it was given to the driver (ms): how long it takes can be foretold. */
  bytes = 0;
  toDevice = false;
  began = LONG_AGO;
  first: Step | null = null;
  last: Step | null = null;

  add(step: Step): void {
    if (this.last === null) this.first = step;
    else this.last.next = step;
    this.last = step;
  }
}

export class Queue {
  first: Batch | null = null;
  last: Batch | null = null;
  /** Place in the executor's list of queues that have something; -1: not in it. */
  at = -1;
  /** The batch that this turn's work goes into; its event is recorded at the end of the turn. */
  open: Batch | null = null;

  push(batch: Batch): void {
    if (this.last === null) this.first = batch;
    else this.last.next = batch;
    this.last = batch;
  }

  shift(): Batch {
    const batch = this.first!;
    this.first = batch.next;
    if (this.first === null) this.last = null;
    batch.next = null;
    return batch;
  }
}
