/**
 * Whether more zones are busy than the machine has cores for, and telling their executors so.
 *
 * Spinning is what makes a lone zone quick, and what ruins many: calls wait behind executors that look at empty rings. In a crowd,
 * executors serve and spin in turns (`executor/turns.ts`). No executor can see for itself that there is one; here all reports come
 * together.
 */
import { performance } from 'node:perf_hooks';

/** A zone is busy from so many calls a second on. Few: dozens that melt two cores make some fifty each, and this is to end it. */
const BUSY_RATE = 20;
/** Reports that follow each other more closely say little about a rate. */
const REPORT_MIN_MS = 40;
/** For so long after a report a zone counts as busy. */
const BUSY_FOR_MS = 1000;
const REVIEW_EVERY_MS = 500;

/** An executor, as far as this is concerned. */
export interface Member {
  send(message: { type: 'crowd'; crowded: boolean }): void;
}

interface Record {
  calls: number;
  at: number;
  busyUntil: number;
}

export class Crowd {
  readonly #cores: number;
  readonly #members = new Map<Member, Record>();
  #crowded = false;
  #timer: NodeJS.Timeout | null = null;

  /** `cores`: how many processes can run at once. */
  constructor(cores: number) {
    this.#cores = cores;
  }

  /** An executor that serves a zone now. */
  join(member: Member): void {
    this.#members.set(member, { calls: 0, at: performance.now(), busyUntil: 0 });
    if (this.#crowded) member.send({ type: 'crowd', crowded: true });
  }

  leave(member: Member): void {
    this.#members.delete(member);
  }

  /** An executor told its count of calls, which only grows. */
  report(member: Member, calls: number): void {
    const record = this.#members.get(member);
    const now = performance.now();
    if (record === undefined || now - record.at < REPORT_MIN_MS) return;
    if (((calls - record.calls) * 1000) / (now - record.at) >= BUSY_RATE) record.busyUntil = now + BUSY_FOR_MS;
    record.calls = calls;
    record.at = now;
    this.#review(now);
  }

  /** A busy zone keeps two processes running, its client and its executor; a single one is never a crowd. */
  #review(now: number): void {
    let busy = 0;
    for (const { busyUntil } of this.#members.values()) if (busyUntil > now) busy++;
    const crowded = busy > 1 && 2 * busy > this.#cores;
    if (crowded === this.#crowded) return;
    this.#crowded = crowded;
    for (const member of this.#members.keys()) member.send({ type: 'crowd', crowded });
    // Zones that fall silent report nothing any more: the end of a crowd is looked for. Nothing ticks while there is none.
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
    if (crowded) {
      this.#timer = setInterval(() => this.#review(performance.now()), REVIEW_EVERY_MS);
      this.#timer.unref();
    }
  }
}
