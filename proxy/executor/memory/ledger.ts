/**
 * The zone's quota, in one place: bytes of device memory as they were asked for, live allocations, bytes of staging.
 *
 * One thread serves a zone, so "check, then take" is atomic. A path that answers later takes first and gives back if it
 * fails: what is promised to one client is never promised to another. Limits may be lowered below what is in use: that
 * takes nothing from anyone and refuses what is new.
 */
import type { ZoneLimits } from '../../supervisor/messages.ts';
import type { MemoryUsage } from './types.ts';

export class Ledger {
  memory = 0;
  memoryPeak = 0;
  allocations = 0;
  staging = 0;
  refused = 0;
  /** Bytes and allocations that the quota has back and the card has not: freed while work may still touch them, or a client's that is
   *  ending. Whoever wants more of the card waits for them, or a zone could hold any multiple of its quota. */
  resting = 0;
  restingCount = 0;

  constructor(public limits: ZoneLimits, private readonly changed: () => void) {}

  /** Takes `bytes` of device memory (0: none) and one allocation; false, with the refusal counted, if a limit forbids. */
  take(bytes: number): boolean {
    // Both sides are whole numbers below 2^53 and bytes is compared with what is left, so nothing rounds.
    if (bytes > this.limits.memory - this.memory || this.allocations >= this.limits.allocations) return this.refuse();
    this.memory += bytes;
    this.allocations++;
    if (this.memory > this.memoryPeak) this.memoryPeak = this.memory;
    this.changed();
    return true;
  }

  give(bytes: number, allocations = 1): void {
    this.memory -= bytes;
    this.allocations -= allocations;
    this.changed();
  }

  rest(bytes: number, allocations = 1): void {
    this.resting += bytes;
    this.restingCount += allocations;
  }

  rested(bytes: number, allocations = 1): void {
    this.resting -= bytes;
    this.restingCount -= allocations;
  }

  /** Whether what is in use and what rests are more than the quota: then nothing more is asked of the card. */
  get crowded(): boolean {
    return this.restingCount !== 0 && (this.memory + this.resting > this.limits.memory || this.allocations + this.restingCount > this.limits.allocations);
  }

  takeStaging(bytes: number): boolean {
    if (bytes > this.limits.staging - this.staging) return this.refuse();
    this.staging += bytes;
    this.changed();
    return true;
  }

  giveStaging(bytes: number): void {
    this.staging -= bytes;
    this.changed();
  }

  /** Counts a refusal that some other limit caused; always false. */
  refuse(): boolean {
    this.refused++;
    this.changed();
    return false;
  }

  /** Bytes that may still be asked for. */
  left(): number {
    return Math.max(0, this.limits.memory - this.memory);
  }

  usage(): MemoryUsage {
    return { memory: this.memory, memoryPeak: this.memoryPeak, allocations: this.allocations, staging: this.staging, refused: this.refused };
  }
}
