/**
 * How much of the last second a zone, and each of its clients, had work on the GPU: samples, taken only while some may be under
 * way. A zone at rest has no timer.
 */
import { CUresult } from '../driver/errors.ts';
import type { Client } from './client.ts';
import type { Executor } from './executor.ts';

const SAMPLE_MS = 20;
const WINDOW_MS = 1000;
const SAMPLES = WINDOW_MS / SAMPLE_MS;

/** When somebody was found at work, lately. */
export class BusyTimes {
  private readonly times = new Float64Array(SAMPLES).fill(-Infinity);
  private next = 0;

  note(now: number): void {
    this.times[this.next] = now;
    this.next = (this.next + 1) % SAMPLES;
  }

  /** Percent of the last second. */
  percent(now: number): number {
    let busy = 0;
    for (let i = 0; i < SAMPLES; i++) if (now - this.times[i] <= WINDOW_MS) busy++;
    return Math.round((busy * 100) / SAMPLES);
  }
}

export class Utilization {
  readonly zone = new BusyTimes();
  private timer: NodeJS.Timeout | null = null;

  constructor(private readonly executor: Executor) {}

  /** A stream may have work from now on. */
  started(): void {
    if (this.timer !== null) return;
    this.timer = setInterval(() => this.sample(), SAMPLE_MS);
    this.timer.unref();
  }

  private sample(): void {
    const now = performance.now();
    let any = false;
    let listed = false;
    for (const client of this.executor.clients) {
      if (this.working(client)) {
        client.busyTimes.note(now);
        any = true;
      }
      listed ||= client.listed.length !== 0;
    }
    if (any) this.zone.note(now);
    if (listed || this.timer === null) return;
    clearInterval(this.timer);
    this.timer = null;
  }

  /** Whether a client has work under way; streams that are found idle leave its list. */
  private working(client: Client): boolean {
    for (let i = client.listed.length - 1; i >= 0; i--) {
      if (this.executor.streamStatus(client.listed[i]) === CUresult.NOT_READY) return true;
      client.quiet(i);
    }
    return false;
  }
}
