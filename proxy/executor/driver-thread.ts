/**
 * A thread on which the driver's slow calls are made, one after the other: nobody's launches and copies wait for somebody's compiler. Not by koffi's
 * asynchronous calls: those run on any of libuv's threads, where no context is current; most slow calls need theirs, and making one leaves it current
 * on a thread that nobody finds again.
 *
 * The thread is a worker (driver-thread-worker.ts), started when it is first wanted; calls go to it and come back through a few numbers in
 * shared memory, which the executor polls like everything else that is under way. Where no worker can be had, the calls are
 * made here.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { CUresult } from '../driver/errors.ts';
import { CALLS, Field, MEMORY_BYTES, OUT, OUTS, State, type ThreadData } from './driver-thread-protocol.ts';
import type { Executor } from './executor.ts';
import { log } from './log.ts';

/** `out`: the numbers that the call has written. */
export type Made = (status: number, ...out: number[]) => void;

interface Job {
  call: (typeof CALLS)[number];
  context: number;
  args: number[];
  /** Also keeps alive what the arguments point to. */
  done: Made;
}

const SOON_MS = 250;

/** Beside executor.js. */
const THREAD = new URL('./driver-thread.js', import.meta.url);

export class DriverThread {
  private readonly memory = new SharedArrayBuffer(MEMORY_BYTES);
  private readonly state = new Int32Array(this.memory, 0, 1);
  private readonly fields = new Float64Array(this.memory, 8);
  private readonly waiting: Job[] = [];
  private running: Job | null = null;
  private worker: Worker | null = null;
  private broken = false;
  private soon: NodeJS.Timeout | null = null;

  /** `task`: what it is for, in the log. */
  constructor(private readonly executor: Executor, private readonly task: string) {}

  /** Something is on its way: the thread is started, unless it runs. For what is brief a moment later, for starting it takes a core away from what the
   *  client does first. */
  expect(brief: boolean): void {
    if (this.worker !== null || this.broken) return;
    if (!brief) this.start();
    else this.soon ??= setTimeout(() => this.start(), SOON_MS).unref();
  }

  private start(): void {
    if (this.worker !== null || this.broken) return;
    if (!existsSync(fileURLToPath(THREAD))) {
      this.broken = true;
      return;
    }
    const workerData: ThreadData = { memory: this.memory, driver: this.executor.driver.path };
    this.worker = new Worker(THREAD, { workerData, stdin: false, stdout: false, stderr: false, execArgv: [] });
    this.worker.unref();
    this.worker.on('error', (error) => this.lost(String(error)));
    this.worker.on('exit', (code) => this.lost(`it ended with ${code}`));
  }

  /** Makes a call in `context` (0: none is current); `done` is called from polling, or at once where there is no thread. One that is brief is made here as long
   *  as the thread is not up: a program's first few lines of code must not wait for that, which takes longer than loading them. */
  run(call: Job['call'], context: number, args: number[], done: Made, brief = false): void {
    this.expect(brief);
    if (this.broken || (brief && !this.ready)) return this.here({ call, context, args, done });
    this.waiting.push({ call, context, args, done });
    if (this.running === null) this.next();
  }

  private get ready(): boolean {
    return Atomics.load(this.state, 0) !== State.starting;
  }

  private next(): void {
    const job = this.waiting.shift();
    if (job === undefined) return;
    this.running = job;
    if (!this.ready) {
      // Asking before the thread looks would be lost in its start.
      this.executor.poll(() => {
        if (this.running !== job) return true;
        if (!this.ready) return false;
        this.ask(job);
        return true;
      });
    } else this.ask(job);
  }

  private ask(job: Job): void {
    const { fields } = this;
    fields[Field.call] = CALLS.indexOf(job.call);
    fields[Field.context] = job.context;
    fields[Field.count] = job.args.length;
    fields.set(job.args, Field.args);
    Atomics.store(this.state, 0, State.asked);
    Atomics.notify(this.state, 0);
    this.executor.poll(() => {
      if (this.running !== job) return true;
      if (Atomics.load(this.state, 0) !== State.done) return false;
      const status = fields[Field.status];
      const out = [...fields.subarray(Field.out, Field.out + OUTS)];
      Atomics.store(this.state, 0, State.idle);
      this.running = null;
      this.next();
      job.done(status, ...out);
      return true;
    });
  }

  /** The thread is gone: what it was doing has failed, the rest is done here. */
  private lost(why: string): void {
    if (this.broken) return;
    this.broken = true;
    log.error(`the thread that ${this.task} is lost (${why}): the executor's own does it from now on`);
    const job = this.running;
    this.running = null;
    job?.done(CUresult.UNKNOWN);
    for (const each of this.waiting.splice(0)) this.here(each);
    this.executor.onWork();
  }

  private here(job: Job): void {
    const { executor } = this;
    const { scratch } = executor;
    executor.enter(job.context);
    const call = executor.driver[job.call] as (...args: number[]) => number;
    const status = call(...job.args.map((value) => (value <= OUT ? scratch + (OUT - value) * 8 : value)));
    // Making a context leaves it current.
    if (job.context === 0) executor.driver.cuCtxSetCurrent(0);
    job.done(status, ...Array.from({ length: OUTS }, (_, i) => Number(executor.scratchBytes.readBigUInt64LE(i * 8))));
  }
}
