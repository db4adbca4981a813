/**
 * The executor's loop: serve every client's ring, a bounded batch each, look after work under way, and sleep when there is
 * nothing to do.
 *
 * A turn runs in libuv's check phase (setImmediate) and goes round and round by itself, for at most TURN_MS, so that sockets,
 * timers and the supervisor's messages get theirs too. With nothing to do it spins: for about as long as it lately took until work
 * came; not at all after it was in vain a few times (the client thinks longer, or has no core to run on while we spin on its own),
 * but for a try now and then; and not while the machine is crowded (a clock that jumps between two looks at it: somebody else
 * had the core). In a crowd of busy zones it serves and spins in its turns only (turns.ts), so that two processes have two cores to
 * themselves. With nothing to do for so long, it announces its sleep on every ring, looks once more, and
 *
 *   - with work on the GPU: sleeps 20 to 500 us at a time, because nothing but asking tells when the GPU is done;
 *   - with none, but some lately: dozes. A doorbell finds the loop where it left off, in compiled code, and is answered after a
 *     third of the instructions that the way through libuv's and koffi's callbacks takes, most of them cold by then;
 *   - with none for DOZE_MS: returns to libuv, and the next doorbell byte on a client's socket starts the next turn.
 *
 * The first two sleep in ppoll on the clients' sockets and on libuv's own epoll descriptor: whatever else the process has to do
 * ends the sleep, and timers, which no descriptor tells of, get a turn of libuv every SLICE_MS at least.
 */
// Imported, not the global: that one is a lazy accessor, and looking it up costs more than reading the clock.
import { performance } from 'node:perf_hooks';
import { CALL_PADDING, RECORD_HEADER, RecordWord, RingViolation, SLOT_POSTED, FLAG_ACCEPT, FLAG_PER_THREAD } from '../../idm/ring.ts';
import { Region } from '../../idm/region.ts';
import { CUresult } from '../driver/errors.ts';
import { HandleType, MESSAGE_COUNT, MESSAGES } from '../generated/messages.ts';
import { Ahead } from './ahead.ts';
import type { Client } from './client.ts';
import type { Context } from './context.ts';
import type { Executor } from './executor.ts';
import type { HandlerTable } from './handlers/table.ts';
import { log } from './log.ts';
import { AGAIN, DEFERRED, Invocation, STALLED } from './invocation.ts';
import { currentCore, drainBells, futexWake, HUNG_UP, loopDescriptor, Naps, yieldCore } from './system.ts';
import { LONG_AGO } from './times.ts';
import type { Turns } from './turns.ts';

/** Records of one client in one go; and how long they may take, looked at every so many (a power of two). Handlers that may take long end
 *  the go by themselves (Invocation.bulky). */
const BATCH_RECORDS = 256;
const BATCH_MS = 2;
const BATCH_LOOK = 16;
export const TURN_MS = 2;
const WATCH_LOOKS = 16;
/** Records after which the clock is looked at. */
const LOOK_EVERY = 1024;
/** In our turn: rounds after which it is (a power of two), less one, and records. Each look is a number on V8's heap, whose collection every process of a crowd pays for. */
const TURN_LOOK_MASK = 3;
const TURN_LOOK_RECORDS = 32;
/** Spinning: when it does not pay; at least, when it does; at most; and while the GPU works. */
const SPIN_NONE_MS = 0.003;
const SPIN_MIN_MS = 0.02;
const SPIN_MAX_MS = 0.15;
const SPIN_PENDING_MS = 0.03;
/** Rung so soon after our last work, our own way back from sleep included, spinning for SPIN_MAX_MS would have met the call. */
const RUNG_SOON_MS = 0.2;
/** The same for a client that has not waited for what it asked: if we are on its core, it had that core before we did. */
const RUNG_ON_MS = 1;
/** Around the time at which a lone copy is due, it is looked for without a nap. */
const DUE_EARLY_MS = 0.03;
const DUE_LATE_MS = 0.3;
/** Spins in vain in a row, after which it is not done any more; and every how many sleeps it is tried all the same. */
const VAIN_MAX = 2;
const PROBE_EVERY = 16;
const JUMP_MS = 0.7;
/** Moving to a core that others use (which takes as long as the scheduler leaves it to them: a halted virtual CPU is there within 0.3 ms), or leaving them ours, is not tried again
 *  for so many times as long as it took. */
const MOVE_LONG_MS = 1;
const STAY_TIMES = 256;
/** A lost core is taken for crowded for so many times as long as it was lost, at most so many ms. */
const CROWDED_TIMES = 4;
const CROWDED_MAX_MS = 20;
const SLEEP_MIN_US = 20;
const SLEEP_MAX_US = 500;
const SLEEP_NEAR_US = 100;
/** In the last quarter and the last sixteenth of the way to when work is due naps are short: it may end sooner than what was before it. */
const NEAR = 1 / 4;
const NEAREST = 1 / 16;
/** Microseconds of sleep per millisecond of waiting; and until the time that the last waits took, at which many are over and few before. */
const SLEEP_SHARE = 15;
const SLEEP_SHARE_BEFORE = 30;
/** Without a turn of libuv at most. In a crowd each is hundreds of pages of cold code, and tells the supervisor that we are busy (crowd.ts forgets it after a second). */
const SLICE_MS = 25;
const CROWDED_SLICE_MS = 500;
/** In a crowd: a zone that asked for nothing for so long is served at once. */
const LIGHT_MS = 200;
/** In our turn: a client that slept, on a core that was halted, is back after so long. */
const TURN_SPIN_MS = 0.25;
/** At the end of our turn: for what is under way we stay longer, and a client that goes on has asked again. */
const TURN_PENDING_MS = 0.1;
const TURN_ASKS_MS = 0.005;
/** As VAIN_MAX and PROBE_EVERY, for turns: a client that was late a few times has lost its core to others, more likely than it thinks. */
const TURN_VAIN_MAX = 4;
const TURN_PROBE_EVERY = 4;
/** After so much silence the process sleeps in libuv, and wakes for nothing but events. */
export const DOZE_MS = 250;

const REQUEST_BYTES = Uint16Array.from(MESSAGES, (message) => message.request);
const WAITED = Uint8Array.from(MESSAGES, (message) => (message.cost === 'waited' ? 1 : 0));

export class Loop {
  private readonly invocation: Invocation;
  private readonly ahead: Ahead;
  private scheduled = false;
  /** In libuv's hands: only wake() starts the next turn. */
  private resting = true;
  private lastWork = LONG_AGO;
  private spin = SPIN_MIN_MS;
  private vain = 0;
  private crowdedUntil = LONG_AGO;
  /** No moving to another core before. */
  private staysUntil = LONG_AGO;
  /** No leaving our core to others before. */
  private holdsUntil = LONG_AGO;
  /** By the supervisor's word: more zones are busy than there are cores for. */
  private crowded = false;
  /** Our turn is over, and still in our hands until we queue for the next one. */
  private over = false;
  /** In a crowd: our clients know that others have the turn. */
  private away = false;
  /** Since our last work we have slept for what is under way; and how long that took, the last two times (ms). */
  private napped = false;
  private readonly waits = new Float64Array(2);
  /** In a crowd: when we last served, in our turn or out of it. */
  private served = LONG_AGO;
  /** The longest time without a turn of libuv; 0: never sleeps in any other way. */
  sliceMs = SLICE_MS;
  dozeMs = DOZE_MS;
  turnMs = TURN_MS;
  /** False for a client in this very thread, which writes nothing while we look. */
  spins = true;
  private readonly naps = new Naps();
  /** libuv's epoll descriptor; -1: not known, so it gets a turn after each sleep, and there is no dozing. */
  private libuv = -1;
  /** When libuv had its last turn, and of which work the end was the last that a sleep was counted for. */
  private turned = LONG_AGO;
  private restedAfter = LONG_AGO;
  /** Doorbells that woke us are still in their sockets: reading them can wait until the calls are answered. */
  private bells = false;
  private readonly turn = (): void => {
    this.scheduled = false;
    this.turned = performance.now();
    this.run();
  };

  /** `violated`: a client broke the protocol, and is to be ended. `roused`: there is work again after a rest. */
  constructor(
    private readonly executor: Executor,
    private readonly handlers: HandlerTable,
    private readonly turns: Turns,
    private readonly violated: (client: Client, why: string) => void,
    private readonly unreachable: (client: Client) => void,
    private readonly roused: () => void,
  ) {
    this.invocation = new Invocation(executor);
    this.ahead = new Ahead(executor);
  }

  /** Something may be there to do: a new client, a client's end. */
  wake(): void {
    this.rouse();
    this.schedule();
  }

  /** A doorbell: serves at once. */
  rang(): void {
    this.rouse();
    this.turned = performance.now();
    this.run();
  }

  setCrowded(crowded: boolean): void {
    this.crowded = crowded;
    // What spinning was good for so far says nothing about our turns, nor the other way round.
    this.vain = 0;
    // Nobody queues for the first thing that he asks for.
    this.served = LONG_AGO;
    if (crowded) return;
    this.giveTurn(true);
    this.setAway(false);
  }

  private rouse(): void {
    if (!this.resting) return;
    this.resting = false;
    this.lastWork = performance.now();
    this.allAwake();
    this.roused();
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(this.turn);
  }

  /** Looks for records that a dead thread left claimed; to be called now and then. */
  unblock(): void {
    const now = performance.now();
    for (const client of this.executor.clients) if (client.reader.unblock(now)) this.wake();
  }

  /** Nothing is under way, and no ring has a record that was claimed and never came. */
  isStill(): boolean {
    return this.resting && this.executor.clients.every((client) => !client.reader.blocked());
  }

  private run(): void {
    if (this.resting) return;
    const executor = this.executor;
    const { clients, work } = executor;
    let start = performance.now();
    let last = start;
    let quiet = 0;
    let rounds = 0;
    let worked = false;
    let since = 0;
    for (;;) {
      if (this.crowded && (!this.turns.mine || this.over)) {
        const asking = this.asking();
        if (asking !== null) {
          if (!this.mayServe(asking)) return this.schedule();
          start = last = performance.now();
        }
      }
      let did = 0;
      for (let i = clients.length - 1; i >= 0; i--) did += this.serve(clients[i]);
      work.close();
      if (work.pending) {
        const ended = work.pollAll();
        if (ended !== 0 && this.napped) this.learn();
        did += ended;
        // What finishing started belongs to this turn.
        work.close();
      }
      const woke = executor.wakeClients();
      if (this.hungUp()) return this.schedule();
      if (did !== 0) {
        if (this.napped && woke !== 0) this.letRun();
        this.napped = false;
        if (quiet !== 0) {
          // Work came while spinning: that pays, and about so much of it is enough.
          this.spin = worked ? SPIN_MIN_MS : Math.min(SPIN_MAX_MS, SPIN_MIN_MS + 2 * (last - this.lastWork));
          this.vain = 0;
          quiet = 0;
        }
        worked = true;
        since += did;
        if (this.turns.mine && ((rounds & TURN_LOOK_MASK) === TURN_LOOK_MASK || since >= TURN_LOOK_RECORDS || this.invocation.bulky || this.turns.begins)) {
          this.lastWork = performance.now();
          if (this.turns.isOver(this.lastWork) && (!work.pending || this.turns.overBy(this.lastWork) > TURN_PENDING_MS)) {
            this.over = this.asksAgain();
            if (!this.over) {
              this.turns.give();
              this.setAway(true);
            }
          }
        }
        if ((++rounds & 7) !== 0 && since < LOOK_EVERY) continue;
        since = 0;
        last = performance.now();
        // In a crowd when our turn is over (mayServe): before that our client would fall asleep meanwhile.
        if (last - start > this.turnMs && !this.turns.mine) return this.schedule();
        continue;
      }
      const mayStay = this.spins && (!this.crowded || this.turns.mine);
      if (!work.pending && mayStay && quiet !== 0) this.watch();
      if ((++quiet & 7) !== 0 && mayStay) continue;
      const now = performance.now();
      if (worked) {
        // It ended some looks ago: who asks again at once costs no look at the clock.
        worked = false;
        this.lastWork = now;
      } else if (now - last > JUMP_MS) this.crowdedUntil = now + Math.min(CROWDED_MAX_MS, (now - last) * CROWDED_TIMES);
      last = now;
      if (this.mayRest(now)) {
        if (!this.rest()) return;
        start = last = performance.now();
        continue;
      }
      if (now - start > this.turnMs && !this.turns.mine) return this.schedule();
    }
  }

  /** Looks at the rings alone for a while, which is all that a client can change: the shorter between two looks, the sooner it
   *  is answered. */
  private watch(): void {
    const { clients } = this.executor;
    for (let look = 0; look < WATCH_LOOKS; look++) {
      for (let i = 0; i < clients.length; i++) if (clients[i].stalled || clients[i].reader.peek()) return;
    }
  }

  /** The first client that waits for us to look at its ring. */
  private asking(): Client | null {
    const { clients } = this.executor;
    for (let i = 0; i < clients.length; i++) if (!clients[i].stalled && clients[i].reader.peek()) return clients[i];
    return null;
  }

  /** In a crowd, with something to serve: waits for our turn. False: libuv must have its turn first. */
  private mayServe(asking: Client): boolean {
    const now = performance.now();
    // Who asks for little need not queue behind those who never stop.
    if (!this.over && now - this.served > LIGHT_MS) {
      this.served = now;
      this.setAway(false);
      return true;
    }
    const left = CROWDED_SLICE_MS - (now - this.turned);
    if (left <= 0 || this.libuvAsks()) {
      this.giveTurn(this.over);
      this.setAway(true);
      return false;
    }
    this.over = false;
    this.turns.queue();
    // Not sooner: the core that our client leaves is halted, for some 60 us, unless the next executor waits for it already.
    this.setAway(true);
    if (!this.turns.take(left)) return false;
    this.turns.makeRoom(asking.reader.sleptOn());
    this.sayCore();
    this.setAway(false);
    // It gets going while we do, and finds its answer, or looks for it.
    asking.wakeEarly();
    this.served = performance.now();
    return true;
  }

  /** Whether libuv has anything to do but timers. */
  private libuvAsks(): boolean {
    if (this.hungUp()) return true;
    this.naps.clear();
    this.naps.watch(this.libuv);
    return this.naps.sleep(0) !== 0;
  }

  /** Tells clients whether it is any use to spin for an answer. */
  private setAway(away: boolean): void {
    if (this.away === away) return;
    this.away = away;
    const { clients } = this.executor;
    for (let i = 0; i < clients.length; i++) clients[i].reader.setAway(away);
  }

  /** Whether a client asks for more at once: then there will be no doorbell to be woken by while others have their turn. */
  private asksAgain(): boolean {
    const end = performance.now() + TURN_ASKS_MS;
    do {
      this.watch();
      if (this.asking() !== null) return true;
    } while (performance.now() < end);
    return false;
  }

  /** `at`: whether at all. Asked here, where rehearsals come by for other reasons too: code that was compiled before its one
   *  call was ever made would be thrown away by it. */
  private giveTurn(at: boolean): void {
    if (!at) return;
    this.over = false;
    this.turns.give();
  }

  private mayRest(now: number): boolean {
    if (!this.spins || (this.crowded && !this.turns.mine)) return true;
    const idle = now - this.lastWork;
    if (this.turns.mine && (this.vain < TURN_VAIN_MAX || this.vain % TURN_PROBE_EVERY === 0)) return idle > TURN_SPIN_MS;
    if (this.executor.work.pending && now >= this.crowdedUntil) {
      const late = now - this.executor.work.due();
      return idle > SPIN_PENDING_MS && (late < -DUE_EARLY_MS || late > DUE_LATE_MS);
    }
    return idle > (now < this.crowdedUntil ? SPIN_NONE_MS : this.spin);
  }

  /** Nothing to do: sleeps, in one of the three ways. True: awake again, go on; false: the turn is over. */
  private rest(): boolean {
    const { clients, work } = this.executor;
    const spun = !this.crowded || this.turns.mine;
    this.giveTurn(true);
    let stalled = false;
    let asked = false;
    // Backwards: an unreachable client leaves the list.
    for (let i = clients.length - 1; i >= 0; i--) {
      const client = clients[i];
      client.reader.announceSleep();
      stalled ||= client.stalled || client.hasNotices;
      if (client.hasNotices && !client.flushNotices()) this.unreachable(client);
    }
    for (let i = 0; i < clients.length; i++) {
      const client = clients[i];
      // While we were about to sleep. Rare, and so served by way of a sleep that ends at once: of its own it would have no compiled code.
      if (!client.stalled && client.reader.ready()) asked = true;
    }
    if (clients.length !== 0) this.libuv = loopDescriptor(clients[0].fd);
    const now = performance.now();
    const slice = this.crowded && this.sliceMs !== 0 ? CROWDED_SLICE_MS : this.sliceMs;
    const left = slice - (now - this.turned);
    if (work.pending || stalled || asked) {
      const most = asked ? 0 : SLEEP_MAX_US;
      this.napped = work.pending;
      return this.sleep(Math.min(most, Math.max(SLEEP_MIN_US, this.nap(now, stalled ? 0 : work.due())), this.sliceMs * 1000), left);
    }
    if (spun && this.restedAfter !== this.lastWork) {
      this.restedAfter = this.lastWork;
      this.vain++;
      this.spin = this.vain < VAIN_MAX ? this.spin : this.vain % PROBE_EVERY === 0 ? SPIN_MAX_MS : SPIN_NONE_MS;
    }
    if (clients.length !== 0 && this.libuv >= 0 && now - this.lastWork < this.dozeMs) return this.sleep(Math.max(0, left) * 1000, left);
    this.resting = true;
    return false;
  }

  /**
   * For how many microseconds to leave the GPU alone; `copied`: when a lone copy will be done (ms), 0: not known. Half the way to then, again and again,
   * less where it may have ended; and what it is late counts alone. Other work is expected to take what the shorter of the last two waits took, which
   * a program that does the same again and again makes true; but it may be something else, so that at most a share of how long there has been nothing
   * is slept: what takes 10 ms ends at most 2 % late, 3 % if those before took longer, and whoever waits long wakes us seldom.
   */
  private nap(now: number, copied: number): number {
    const usual = this.crowded ? 0 : Math.min(this.waits[0], this.waits[1]);
    const due = copied === 0 ? this.lastWork + usual : copied;
    if (now >= due) return (now - due) * SLEEP_SHARE;
    const left = (due - now) / (due - this.lastWork);
    const most = left < NEAREST ? SLEEP_MIN_US : left < NEAR ? SLEEP_NEAR_US : SLEEP_MAX_US;
    return Math.min((due - now) * 500, most, copied === 0 ? (now - this.lastWork) * SLEEP_SHARE_BEFORE : most);
  }

  /** What we slept for is done: how long it took. */
  private learn(): void {
    this.waits[0] = this.waits[1];
    this.waits[1] = performance.now() - this.lastWork;
  }

  /** Sleeps for so long, unless somebody rings or libuv has something to do; `left`: ms until libuv must have its turn. */
  private sleep(microseconds: number, left: number): boolean {
    const { clients } = this.executor;
    const { naps, libuv } = this;
    naps.clear();
    naps.watch(libuv);
    for (let i = 0; i < clients.length; i++) naps.watch(clients[i].fd);
    const readable = naps.sleep(Math.round(microseconds));
    this.allAwake();
    const own = libuv >= 0 && naps.readable(0) ? 1 : 0;
    // libuv watches the clients' sockets too: of its descriptor alone a doorbell says nothing.
    if (readable > own) {
      this.bells = true;
      this.rung();
      return true;
    }
    if (libuv >= 0 && own === 0 && left * 1000 > microseconds) return true;
    this.schedule();
    return false;
  }

  /**
   * A doorbell so soon after our last work that spinning would have paid. Most likely we are on its client's core now: Linux takes a byte on
   * a socket for a sign that its writer is about to sleep. A client that goes on, with the next piece of a copy, would have to share that core with us,
   * beside an idle one, for good. So we move over, and wait awake for what comes next: asleep we would be woken behind the client again.
   * One that has not waited for what it asked goes on for sure, and may have had our core all the time since it rang: then we move within RUNG_ON_MS.
   */
  private rung(): void {
    const now = performance.now();
    const slept = now - this.lastWork;
    const soon = slept <= RUNG_SOON_MS;
    this.lastWork = now;
    if (slept > RUNG_ON_MS || this.crowded) return;
    const { clients } = this.executor;
    for (let i = 0; i < clients.length; i++) {
      if (!this.naps.readable(i + 1)) continue;
      const { reader } = clients[i];
      if (!soon && !(reader.peek() && reader.nextSlot() === SLOT_POSTED)) return;
      if (now >= this.staysUntil && this.turns.makeRoom(reader.sleptOn())) {
        this.sayCore();
        // The other cores are not idle: who waits for one so long had better stay.
        const took = performance.now() - now;
        if (took > MOVE_LONG_MS) this.staysUntil = now + took * STAY_TIMES;
      }
      if (soon) {
        this.spin = SPIN_MAX_MS;
        this.vain = 0;
      }
      return;
    }
  }

  /** Reads the doorbells, if any rang. Whether a client hung up, which is libuv's to tell. */
  private hungUp(): boolean {
    if (!this.bells) return false;
    const { clients } = this.executor;
    this.bells = false;
    let any = false;
    for (let i = 0; i < clients.length; i++) if (drainBells(clients[i].fd) === HUNG_UP) any = true;
    return any;
  }

  /**
   * To a client that we woke after a wait which we slept through ourselves. It may be queued behind us on our core, beside an idle one: Linux takes a halted virtual
   * CPU for one that is not to be had, and does not let who was woken interrupt us, who have slept as well. Where it runs elsewhere this returns at once.
   * Others may run instead, for milliseconds: when they did, and a client elsewhere has asked meanwhile, it is not done again for a while.
   */
  private letRun(): void {
    const now = performance.now();
    if (this.crowded || now < this.holdsUntil) return;
    yieldCore();
    const took = performance.now() - now;
    if (took < MOVE_LONG_MS) return;
    const asking = this.asking();
    if (asking !== null && asking.reader.sleptOn() !== currentCore()) this.holdsUntil = now + took * STAY_TIMES;
  }

  /** Tells clients on which core we are: there they had better not look for an answer. */
  private sayCore(): void {
    const { clients } = this.executor;
    const core = currentCore();
    for (let i = 0; i < clients.length; i++) clients[i].reader.runsOn(core);
  }

  private allAwake(): void {
    const { clients } = this.executor;
    this.sayCore();
    for (let i = 0; i < clients.length; i++) clients[i].reader.awake();
  }

  /** Serves one client's records; returns how many. */
  private serve(client: Client): number {
    try {
      return this.serveBatch(client);
    } catch (error) {
      if (error === STALLED) {
        client.stalled = true;
        return 0;
      }
      if (error instanceof RingViolation) this.violated(client, error.message);
      else {
        // A mistake of ours. Whatever the client wrote to find it, the zone's other clients shall not pay.
        log.error({ client: client.id, message: this.invocation.message, stack: error instanceof Error ? error.stack : String(error) }, 'a call could not be served');
        this.violated(client, 'the executor made a mistake');
      }
      return 1;
    }
  }

  private serveBatch(client: Client): number {
    const { executor, invocation: v, handlers } = this;
    const { reader } = client;
    const batch = reader.batch;
    let done = 0;
    let start = 0;
    v.client = client;
    client.stalled = false;
    while (done < BATCH_RECORDS) {
      if (done !== 0 && (done & (BATCH_LOOK - 1)) === 0) {
        const now = performance.now();
        if (start === 0) start = now;
        else if (now - start > BATCH_MS) break;
      }
      if (client.at >= client.end) {
        const bytes = reader.take();
        client.at = 0;
        client.end = bytes >> 2;
        if (bytes === 0) break;
        if (reader.freed && reader.producersSleep()) futexWake(client.region.base + Region.producersWaiting);
        this.ahead.look(batch, client.end);
      }
      const at = client.at;
      const length = reader.lengthAt(at, client.end << 2);
      const call = batch[at + RecordWord.callAndSlot] & 0xffff;
      const next = at + (((length + 7) >>> 3) << 1);
      if (call === CALL_PADDING) {
        client.at = next;
        done++;
        continue;
      }
      if (!reader.inSequence(at)) throw new RingViolation(`record out of sequence at position ${reader.batchPosition + (at >> 1)}`);
      if (call >= MESSAGE_COUNT) throw new RingViolation(`unknown message ${call}`);
      const payload = length - RECORD_HEADER;
      if (payload < REQUEST_BYTES[call]) throw new RingViolation(`${MESSAGES[call].name} of ${payload} bytes is too short`);
      const slot = batch[at + RecordWord.callAndSlot] >>> 16;
      if (slot === SLOT_POSTED && WAITED[call] !== 0) throw new RingViolation(`${MESSAGES[call].name} must be waited for`);
      if (slot !== SLOT_POSTED && slot >= client.region.shape.slotCount) throw new RingViolation(`there is no reply slot ${slot}`);

      const low = batch[at + RecordWord.contextLow];
      const high = batch[at + RecordWord.contextHigh];
      if (low !== client.lastLow || high !== client.lastHigh) this.lookUp(client, low, high);
      const context = client.lastContext;
      v.current = context;
      v.message = call;
      v.thread = batch[at + RecordWord.thread] >>> 0;
      v.perThread = (batch[at + RecordWord.flags] & FLAG_PER_THREAD) !== 0;
      // Served as if nobody waited; who does wait is told whether it was accepted.
      const accepted = slot !== SLOT_POSTED && (batch[at + RecordWord.flags] & FLAG_ACCEPT) !== 0;
      v.accepted = accepted;
      if (accepted && WAITED[call] !== 0) throw new RingViolation(`${MESSAGES[call].name} must be waited for`);
      v.posted = slot === SLOT_POSTED || accepted;
      v.slot = v.posted ? -1 : slot;
      v.ticket = batch[at + RecordWord.ticket];
      v.at(batch, at + RecordWord.payload, payload);
      v.bulky = false;
      executor.enter(context === null ? 0 : context.active);

      let status = context !== null && context.fault !== 0 && executor.inContext[call] !== 0 ? context.fault : handlers[call](v);
      if (status === AGAIN) {
        client.stalled = true;
        break;
      }
      client.at = next;
      done++;
      executor.calls++;
      executor.served[call]++;
      if (client.dead) break;
      if (status === DEFERRED && accepted) status = CUresult.SUCCESS;
      if (status === DEFERRED) {
        // A slot waits for one answer: more cannot be outstanding than there are slots, or what they cost would have no bound.
        if (!v.posted && ++client.unanswered > client.region.shape.slotCount) throw new RingViolation('more calls wait than there are reply slots');
        if (v.bulky) break;
        continue;
      }
      // The driver saw no context at all; the client named one that is not active.
      if (status === CUresult.INVALID_CONTEXT && context !== null && context.legacy === null) status = CUresult.CONTEXT_IS_DESTROYED;
      if (v.posted && !accepted) {
        if (status !== CUresult.SUCCESS && status !== CUresult.NOT_READY) executor.stick(client, context, status);
      } else executor.answer(client, context, slot, v.ticket, status, status === 0 ? v.replied : 0, executor.creates[call] !== 0);
      if (v.bulky) break;
    }
    return done;
  }

  private lookUp(client: Client, low: number, high: number): void {
    client.lastLow = low;
    client.lastHigh = high;
    const handles = this.executor.handles;
    const row = low === 0 && high === 0 ? -1 : handles.find(low, high, HandleType.context, client.owner);
    client.lastContext = row < 0 ? null : (handles.object[row] as Context);
  }
}
