/**
 * Work given to the driver: batches are opened during a turn, closed by one event each at its end, and polled until done.
 * See pending.ts for the shape. Also the executor's list of things to poll (`poll`) for the zone's memory.
 */
import { performance } from 'node:perf_hooks';
import type { Driver } from '../driver/driver.ts';
import { CUresult } from '../driver/errors.ts';
import type { Client } from './client.ts';
import type { Context, Stream } from './context.ts';
import { objectList, Stack } from './list.ts';
import { Batch, Queue, Step, StepKind } from './pending.ts';
import type { PinnedSlots } from './slots.ts';

const EVENT_DISABLE_TIMING = 2;
const SPARE_EVENTS_MAX = 64;
/** How far a lower rate of copying moves the one that is known: little, for one copy whose end was seen late must not delay those that follow. */
const RATE_WEIGHT = 0.05;

/** See mayBeDone: one question in vain is as much as so many that were not, of at most so many; and of how many, less one, it is tried. */
const DONE_MISS = 4;
const DONE_CREDIT_MAX = 16;
const DONE_PROBE = 63;

/** What finishing a step needs of the executor. */
export interface WorkHost {
  readonly driver: Driver;
  readonly scratch: number;
  enter(native: number): void;
  /** A number of the scratch. */
  scratch64(): number;
  answer(client: Client, context: Context | null, slot: number, ticket: number, status: number, bytes: number, creates: boolean): void;
  readonly slots: PinnedSlots;
}

export class Work {
  private readonly opened = new Stack<Stream>();
  private readonly queues = new Stack<Queue>();
  private polls = objectList<() => boolean>();
  private readonly spareBatches = new Stack<Batch>();
  private readonly spareSteps = new Stack<Step>();
  /** Bytes a millisecond of large copies to the device and from it, as lately seen; 0: not seen yet. */
  private readonly rates = new Float64Array(2);

  private doneCredit = DONE_CREDIT_MAX;
  private doneAsked = 0;

  constructor(private readonly host: WorkHost) {}

  /** Whether anything is under way that only polling can end. */
  get pending(): boolean {
    return this.queues.length !== 0 || this.polls.length !== 0;
  }

  /** When the only thing under way, a large copy, will probably be done (ms, performance.now); 0: nobody knows. */
  due(): number {
    if (this.queues.length !== 1 || this.polls.length !== 0) return 0;
    const batch = this.queues.at(0).first!;
    const rate = this.rates[batch.toDevice ? 1 : 0];
    return batch.bytes === 0 || rate === 0 ? 0 : batch.began + batch.bytes / rate;
  }

  private learn(batch: Batch): void {
    const at = batch.toDevice ? 1 : 0;
    const rate = batch.bytes / Math.max(0.001, performance.now() - batch.began);
    // A copy that is due too early costs a few looks, one that is due too late is answered late. The first one ever touches its pages.
    this.rates[at] = rate > this.rates[at] ? rate : this.rates[at] + (rate - this.rates[at]) * RATE_WEIGHT;
    batch.bytes = 0;
  }

  /** Whether it pays to ask at once if what a stream has just been given is done: it does for a driver that does small copies within
   *  the call, and is a call too many for others, who are tried now and then. */
  mayBeDone(): boolean {
    return this.doneCredit > 0 || (++this.doneAsked & DONE_PROBE) === 0;
  }

  wasDone(done: boolean): void {
    this.doneCredit = done ? Math.min(DONE_CREDIT_MAX, this.doneCredit + 1) : Math.max(0, this.doneCredit - DONE_MISS);
  }

  /** The batch of this turn for a stream: what is added is done when everything given to the stream in this turn is. */
  open(stream: Stream): Batch {
    let batch = stream.queue.open;
    if (batch === null) {
      batch = this.batch(stream.context);
      stream.queue.open = batch;
      this.opened.push(stream);
    }
    return batch;
  }

  step(kind: StepKind, client: Client | null, context: Context | null, a: number, b: number): Step {
    const step = this.spareSteps.pop() ?? new Step();
    step.kind = kind;
    step.client = client;
    step.context = context;
    step.a = a;
    step.b = b;
    return step;
  }

  /** Adds something to call when the stream gets to here. */
  call(stream: Stream, run: (status: number) => void): void {
    const step = this.step(StepKind.call, null, null, 0, 0);
    step.run = run;
    // A destroyed stream takes nothing more: its last batch is what there is to wait for.
    if (!stream.destroyed) this.open(stream).add(step);
    else if (stream.queue.last !== null) stream.queue.last.add(step);
    else this.poll(() => {
      run(0);
      return true;
    });
  }

  /** Calls `run` when the client's own event has completed. The event must not be destroyed before. */
  onEvent(context: Context, event: number, run: (status: number) => void): void {
    const batch = this.batch(context);
    batch.owned = false;
    batch.event = event;
    const step = this.step(StepKind.call, null, null, 0, 0);
    step.run = run;
    batch.add(step);
    context.eventWaits++;
    const queue = new Queue();
    queue.push(batch);
    this.watch(queue);
  }

  /** Calls `check` each turn until it says true. */
  poll(check: () => boolean): void {
    this.polls.push(check);
  }

  /** End of a turn: records one event behind what each stream was given. */
  close(): void {
    if (this.opened.length === 0) return;
    for (let i = 0; i < this.opened.length; i++) {
      const stream = this.opened.at(i);
      const queue = stream.queue;
      const batch = queue.open!;
      queue.open = null;
      batch.stream = stream;
      batch.given = stream.given;
      stream.marked = stream.given;
      // The legacy stream is the current context's, and other clients' calls have been served since.
      this.host.enter(stream.context.native);
      let status = this.takeEvent(batch);
      if (status === 0) status = this.host.driver.cuEventRecord(batch.event!, stream.native);
      if (status !== 0) this.withoutEvent(stream, batch, status);
      else {
        if (batch.bytes !== 0) batch.began = performance.now();
        // Behind other work its own time is not to be told.
        if (queue.first !== null) batch.bytes = 0;
        queue.push(batch);
        if (queue.at < 0) this.watch(queue);
      }
    }
    this.opened.clear();
  }

  /** No event could be had: what the batch stands for may be under way all the same, so it is finished when the stream is idle. */
  private withoutEvent(stream: Stream, batch: Batch, status: number): void {
    const { driver } = this.host;
    if (batch.event !== null) driver.cuEventDestroy_v2(batch.event);
    batch.event = null;
    stream.context.eventWaits++;
    this.poll(() => {
      this.host.enter(stream.context.native);
      if (driver.cuStreamQuery(stream.native) === CUresult.NOT_READY) return false;
      stream.context.eventWaits--;
      this.finish(batch, status);
      return true;
    });
  }

  /** Closes one stream's batch now: before work that must not be waited for together with what came before. */
  closeStream(stream: Stream): void {
    if (stream.queue.open === null) return;
    const others: Stream[] = [];
    for (let i = 0; i < this.opened.length; i++) if (this.opened.at(i) !== stream) others.push(this.opened.at(i));
    this.opened.clear();
    this.opened.push(stream);
    this.close();
    for (const other of others) this.opened.push(other);
  }

  /** Finishes what has completed. Returns how many batches and polls ended. */
  pollAll(): number {
    let ended = 0;
    const queues = this.queues;
    for (let i = queues.length - 1; i >= 0; i--) {
      const queue = queues.at(i);
      for (let first = queue.first; first !== null; first = queue.first) {
        // In the event's own context: none at all may be current, or another client's, whose errors a driver then reports here.
        this.host.enter(first.context!.native);
        const status = this.host.driver.cuEventQuery(first.event!);
        if (status === CUresult.NOT_READY || (status !== 0 && this.goesOn(first))) break;
        queue.shift();
        this.finish(first, status);
        ended++;
      }
      if (queue.first === null) this.unwatch(queue);
    }
    if (this.polls.length !== 0) {
      const polls = this.polls;
      this.polls = objectList();
      for (const check of polls) {
        if (check()) ended++;
        else this.polls.push(check);
      }
    }
    return ended;
  }

  /** Whether a batch is under way all the same, though its event answered with an error: what it works on is not to be given away before. */
  private goesOn(batch: Batch): boolean {
    const { stream } = batch;
    return batch.owned && stream !== null && !stream.destroyed && this.host.driver.cuStreamQuery(stream.native) === CUresult.NOT_READY;
  }

  private batch(context: Context): Batch {
    const batch = this.spareBatches.pop() ?? new Batch();
    batch.context = context;
    batch.owned = true;
    batch.event = null;
    return batch;
  }

  private watch(queue: Queue): void {
    queue.at = this.queues.length;
    this.queues.push(queue);
  }

  private unwatch(queue: Queue): void {
    const last = this.queues.pop()!;
    if (last !== queue) {
      this.queues.set(queue.at, last);
      last.at = queue.at;
    }
    queue.at = -1;
  }

  private takeEvent(batch: Batch): number {
    const context = batch.context!;
    const spare = context.spareEvents.pop();
    if (spare !== undefined) {
      batch.event = spare;
      return 0;
    }
    const status = this.host.driver.cuEventCreate(this.host.scratch, EVENT_DISABLE_TIMING);
    if (status === 0) batch.event = this.host.scratch64();
    return status;
  }

  private finish(batch: Batch, status: number): void {
    const host = this.host;
    const context = batch.context!;
    if (!batch.owned) context.eventWaits--;
    else if (batch.event !== null && context.legacy !== null) {
      if (context.spareEvents.length < SPARE_EVENTS_MAX) context.spareEvents.push(batch.event);
      else host.driver.cuEventDestroy_v2(batch.event);
    }
    if (batch.bytes !== 0) this.learn(batch);
    if (batch.stream !== null) batch.stream.done = batch.given;
    batch.stream = null;
    let step = batch.first;
    batch.first = null;
    batch.last = null;
    batch.context = null;
    this.spareBatches.push(batch);
    while (step !== null) {
      const next = step.next;
      step.next = null;
      const client = step.client;
      switch (step.kind) {
        case StepKind.reply:
          client!.unanswered--;
          if (status === 0 && step.bytes !== 0) client!.replySlot(step.a, host.slots, step.from, step.bytes);
          host.answer(client!, step.context, step.a, step.b, status, status === 0 ? step.bytes : 0, false);
          step.bytes = 0;
          break;
        case StepKind.chunks:
          client!.freeChunks(step.a, step.b);
          if (status !== 0 && step.context!.posted === 0) step.context!.posted = status;
          break;
        case StepKind.slot:
          host.slots.release(step.a, client!);
          break;
        case StepKind.call: {
          const run = step.run!;
          step.run = null;
          run(status);
          break;
        }
      }
      step.client = null;
      step.context = null;
      this.spareSteps.push(step);
      step = next;
    }
  }
}
