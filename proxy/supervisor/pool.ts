/**
 * Executors that wait, driver loaded, for a zone: a fresh client then waits for no process start. An executor is leased once and
 * never comes back; it may have seen a tenant's bytes.
 */
import type { Logger } from 'pino';
import type { ExecutorProcess } from './executor-process.ts';

/** Between attempts while executors fail to start (a driver that went away): doubled up to the second. */
const BACKOFF_MS = [100, 10_000] as const;
/**
 * A leased executor's place is filled after so long: to start a process takes this one milliseconds, and the new one's start takes a
 * core for a tenth of a second, just when a client waits for its first answer.
 */
const REFILL_AFTER_MS = 100;
/** A spare holds nothing that takes time to give back. */
const END_GRACE_MS = 1_000;

export class Pool {
  readonly #size: number;
  readonly #start: () => ExecutorProcess;
  readonly #log: Logger;
  readonly #spares = new Set<ExecutorProcess>();
  #backoff = 0;
  #timer: NodeJS.Timeout | null = null;
  #refill: NodeJS.Timeout | null = null;
  #closed = false;

  /** `start` forks an executor. Nothing is started before `fill`. */
  constructor(size: number, start: () => ExecutorProcess, log: Logger) {
    this.#size = size;
    this.#start = start;
    this.#log = log;
  }

  get size(): number {
    return this.#size;
  }

  get ready(): number {
    return [...this.#spares].filter((executor) => executor.isReady).length;
  }

  /** Of those that are ready. */
  get rehearsed(): number {
    return [...this.#spares].filter((executor) => executor.isReady && executor.hasRehearsed).length;
  }

  get pids(): number[] {
    return [...this.#spares].map((executor) => executor.pid);
  }

  /** Adds an executor that was started elsewhere (the one that probed the driver). */
  add(executor: ExecutorProcess): void {
    this.#spares.add(executor);
    executor.ready.then(() => (this.#backoff = 0), () => {});
    void executor.exited.then(() => {
      if (!this.#spares.delete(executor) || this.#closed) return;
      this.#backoff = Math.min(Math.max(BACKOFF_MS[0], this.#backoff * 2), BACKOFF_MS[1]);
      this.#log.warn({ executor: executor.pid, again_ms: this.#backoff }, 'a waiting executor ended');
      this.#timer ??= setTimeout(() => {
        this.#timer = null;
        this.fill();
      }, this.#backoff);
    });
  }

  /** Starts executors until `size` are waiting or starting. */
  fill(): void {
    while (!this.#closed && this.#timer === null && this.#spares.size < this.#size) {
      try {
        const executor = this.#start();
        executor.background();
        this.add(executor);
      } catch (error) {
        this.#log.error({ error: (error as Error).message }, 'no executor can be started');
        return;
      }
    }
  }

  /** An executor for a zone: a ready one if there is, else one that is starting, else a new one. Rejects when that one fails to start. */
  async lease(): Promise<ExecutorProcess> {
    const ready = [...this.#spares].filter((each) => each.isReady);
    const spare = ready.find((each) => each.hasRehearsed) ?? ready[0] ?? [...this.#spares].find((each) => !each.isGone);
    const executor = spare ?? this.#start();
    this.#spares.delete(executor);
    executor.foreground();
    this.#refill ??= setTimeout(() => {
      this.#refill = null;
      this.fill();
    }, REFILL_AFTER_MS);
    await executor.ready;
    return executor;
  }

  /** Ends the waiting executors; resolves when they are gone. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer) clearTimeout(this.#timer);
    if (this.#refill) clearTimeout(this.#refill);
    await Promise.all([...this.#spares].map((executor) => executor.end(END_GRACE_MS)));
  }
}
