/**
 * Turns: which executor may serve its zone, while more zones are busy than the machine has cores for.
 *
 * A waited call needs two processes, the client and its executor. Left to the kernel's scheduler, a crowd of them runs in whatever order,
 * nearly always one without the other: each call costs four changes of process, and every change finds the caches full of
 * somebody else's code. So the busy zones go one after the other: whoever has the turn spins, its client finds the other core free,
 * and for a slice of time the two go as fast as a lone zone does. All others sleep meanwhile. Whoever comes back queues behind the rest.
 *
 * The queue is a ticket lock in memory that the supervisor made and every executor has inherited, one for each pair of cores (a lane). Its
 * words are written by executors alone, never by tenants. A turn is leave to run and guards no data: two executors that both believe to have
 * it do no harm, and one that has been subverted can slow the others down, as it could by burning the cores. A turn that lasts longer than
 * LEASE_MS, because its holder died or is in a slow call of the driver's, is passed over by whoever waits.
 */
import { availableParallelism } from 'node:os';
import { performance } from 'node:perf_hooks';
import { addressOf } from '../driver/driver.ts';
import { TURNS_BYTES } from '../supervisor/messages.ts';
import { allowedCores, currentCore, futexSleep, futexWake, mapShared, runOn } from './system.ts';
import { LONG_AGO } from './times.ts';

/** How long a round of all who queue shall last, with what turns cost beside their slices: the worst of 64 zones waits a tenth to a fifth longer, and less
 *  than 100 ms. The least and most for a slice; the most is well below the lease, for nobody shall help himself to a turn that goes on. */
export const ROUND_MS = 70;
const SLICE_MIN_MS = 0.3;
const SLICE_MAX_MS = 2;
/** What a turn costs beside its slice, as long as we have not seen a whole round; and the most that one is taken for. */
const COST_MS = 0.3;
const COST_MAX_MS = 1;
/** After so long without a move the next in the queue helps himself, the one behind him after twice as long, and so on. */
export const LEASE_MS = 4;

/** One lane, in words: the next ticket; the ticket whose turn it is; the seats, on which tickets wait; and the tickets that left
 *  the queue, inverted. More tickets than seats: they wake one another for nothing, or who left is found out by the lease. */
const LANE = 256;
const NEXT = 0;
const SERVING = 16;
const SEATS = 32;
const GONE = 96;
const SEAT_MASK = 63;
const LANES_MAX = TURNS_BYTES / 4 / LANE;

export class Turns {
  /** Whether this executor has the turn. */
  mine = false;
  private lane = -1;
  private ticket = 0;
  private began = LONG_AGO;
  private batches = 0;
  private slice = SLICE_MIN_MS;
  /** When our last turn began, if we queued again at once at its end; 0: not. */
  private taken = 0;
  /** Rehearsed: a turn ends after its first batch, and a sleep at once. */
  private brief = false;
  /** While queueing: whose turn we saw last, and since when. */
  private seen = 0;
  private since = LONG_AGO;
  /** That the process may run on. */
  private readonly allowed = allowedCores();
  private readonly base: number;
  private readonly lanes: number;

  /** `words`: the page that all share, zeroes at first. */
  constructor(private readonly words: Int32Array, cores = availableParallelism()) {
    this.base = addressOf(words);
    this.lanes = Math.min(LANES_MAX, Math.max(1, cores >> 1));
  }

  /** `fd`: the page that came from the supervisor; NONE: there is none, and nobody to wait for. */
  static at(fd: number, cores?: number): Turns {
    return new Turns(new Int32Array(mapShared(fd, TURNS_BYTES)), cores);
  }

  /** Whether turns are over after a single batch, and sleeps as soon as they begin (rehearsal.ts). */
  rehearse(at: boolean): void {
    this.brief = at;
  }

  /**
   * Takes a place in the queue, unless we have one, and passes on the turn that we have: whoever is woken by that waits for one of the very
   * cores that we and our client leave by falling asleep, and neither is halted between.
   */
  queue(): void {
    const { words } = this;
    if (this.lane >= 0 && !this.mine) return;
    const passed = this.mine ? this.ticket : null;
    if (passed === null) {
      this.lane = this.shortest() * LANE;
      this.taken = 0;
    }
    const { lane } = this;
    this.mine = false;
    this.ticket = Atomics.add(words, lane + NEXT, 1);
    if (passed !== null && Atomics.load(words, lane + SERVING) === passed) this.pass(passed);
    this.seen = Atomics.load(words, lane + SERVING);
    this.since = performance.now();
  }

  /** Queues, and sleeps until it is our turn; at most `ms`, and then the place in the queue is kept: call again, or give(). */
  take(ms: number): boolean {
    this.queue();
    const { words, lane, ticket } = this;
    let now = performance.now();
    const seat = lane + SEATS + (ticket & SEAT_MASK);
    const end = now + ms;
    for (;;) {
      // Looked at before the turn: who passes it on changes the seat afterwards.
      const before = Atomics.load(words, seat);
      const serving = Atomics.load(words, lane + SERVING);
      const ahead = (ticket - serving) | 0;
      // Below 0: passed over, while we were elsewhere. Ours all the same.
      if (ahead <= 0) break;
      if (serving !== this.seen) {
        this.seen = serving;
        this.since = now;
      }
      // Whoever is nearer would have moved sooner, so all before us are gone.
      const left = this.since + LEASE_MS * Math.min(ahead, SEAT_MASK) - now;
      if (left <= 0) {
        Atomics.compareExchange(words, lane + SERVING, serving, ticket);
        continue;
      }
      if (now >= end) return false;
      futexSleep(this.base + seat * 4, this.brief ? ~before : before, Math.min(left, end - now));
      now = performance.now();
    }
    this.mine = true;
    this.began = now;
    this.batches = this.brief ? 2 : 0;
    this.slice = this.share(now, Math.max(1, (Atomics.load(words, lane + NEXT) - ticket) | 0));
    this.taken = now;
    return true;
  }

  /** The slice that makes the next round of `queue` turns as long as it shall be, when turns cost beside their slices what those of the last round did. */
  private share(now: number, queue: number): number {
    const cost = this.taken === 0 ? COST_MS : Math.min(COST_MAX_MS, Math.max(0, (now - this.taken) / queue - this.slice));
    return Math.max(SLICE_MIN_MS, Math.min(SLICE_MAX_MS, ROUND_MS / queue - cost));
  }

  /** Ends our turn, or leaves the queue. Nothing when we are in neither. */
  give(): void {
    if (this.lane < 0) return;
    const { words, lane, ticket } = this;
    if (!this.mine) Atomics.store(words, lane + GONE + (ticket & SEAT_MASK), ~ticket);
    this.mine = false;
    // Also when we only queued: the turn may have come just before whoever passed it on could read that we are gone.
    if (Atomics.load(words, lane + SERVING) === ticket) this.pass(ticket);
    this.lane = -1;
  }

  /** Our turn may be over, or begin, with any batch: isOver() is to be asked after each. */
  get begins(): boolean {
    return this.batches < 2 || this.brief;
  }

  /** After a batch: whether the turn is over. Time counts from the second one on: until then the client was asleep, waiting for the first. */
  isOver(now: number): boolean {
    if (this.batches < 2) {
      this.batches++;
      this.began = now;
      return false;
    }
    return this.brief || now - this.began > this.slice;
  }

  /** By how many ms our turn has been too long. */
  overBy(now: number): number {
    return now - this.began - this.slice;
  }

  /** From ticket `from` to the next one that waits, unless the turn has gone on from there already. */
  private pass(from: number): void {
    const { words, lane } = this;
    for (;;) {
      const next = (from + 1) | 0;
      if (Atomics.compareExchange(words, lane + SERVING, from, next) !== from || Atomics.load(words, lane + NEXT) === next) return;
      const seat = lane + SEATS + (next & SEAT_MASK);
      if (Atomics.load(words, lane + GONE + (next & SEAT_MASK)) !== ~next) {
        Atomics.add(words, seat, 1);
        return futexWake(this.base + seat * 4);
      }
      from = next;
    }
  }

  /** A client that sleeps on `core` is about to be woken: leaves it that core. The kernel wakes it where it slept, even behind us and beside
   *  an idle core (select_idle_cpu() looks for one only where there is much idleness). -1: not known. Whether we have moved. */
  makeRoom(core: number): boolean {
    if (core < 0 || this.allowed.length < 2 || core !== currentCore()) return false;
    runOn(this.allowed, core);
    // At once again: threads that the driver makes inherit this.
    runOn(this.allowed);
    return true;
  }

  private shortest(): number {
    const { words } = this;
    let best = 0;
    let least = Infinity;
    for (let lane = 0; lane < this.lanes; lane++) {
      const length = (Atomics.load(words, lane * LANE + NEXT) - Atomics.load(words, lane * LANE + SERVING)) | 0;
      if (length < least) {
        least = length;
        best = lane;
      }
    }
    return best;
  }
}
