/**
 * The driver calls that take long: loading and linking code. They are made on a thread of their own, one after the other for the whole
 * zone, so that nobody's launches and copies wait for somebody's compiler. Not by koffi's asynchronous calls: on libuv's threads
 * no context is current, and these calls need theirs.
 *
 * The thread is a worker (loader-thread.ts), started with the zone's first image; calls go to it and come back through a few numbers in
 * shared memory, which the executor polls like everything else that is under way. Where no worker can be had, the calls are
 * made here.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { addressOf } from '../../driver/driver.ts';
import { CUresult } from '../../driver/errors.ts';
import type { Executor } from '../executor.ts';
import { log } from '../log.ts';
import type { Image } from './images.ts';
import type { JitOptions } from './jit.ts';
import { CALLS, Field, MEMORY_BYTES, OUT, OUTS, State, type ThreadData } from './loader-protocol.ts';
import type { Link } from './objects.ts';

/** `out`: the numbers that the call has written. */
type Made = (status: number, ...out: number[]) => void;

interface Job {
  call: (typeof CALLS)[number];
  context: number;
  args: number[];
  /** Also keeps alive what the arguments point to. */
  done: Made;
}

/** What is loaded on the executor's own thread while the other one is starting. */
const SMALL_BYTES = 64 * 1024;
const SOON_MS = 250;

/** Beside executor.js. */
const THREAD = new URL('./loader.js', import.meta.url);

export class Loader {
  private readonly memory = new SharedArrayBuffer(MEMORY_BYTES);
  private readonly state = new Int32Array(this.memory, 0, 1);
  private readonly fields = new Float64Array(this.memory, 8);
  private readonly waiting: Job[] = [];
  private running: Job | null = null;
  private worker: Worker | null = null;
  private broken = false;
  private soon: NodeJS.Timeout | null = null;

  constructor(private readonly executor: Executor) {}

  /** So many bytes of code are on their way: the thread is started, unless it runs. For little code a moment later, for starting it
   *  takes a core away from what the client does first. */
  expect(bytes: number): void {
    if (this.worker !== null || this.broken) return;
    if (bytes > SMALL_BYTES) this.start();
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

  /** Makes a call about `bytes` of code, in `context` (0: none current); `done` is called from polling, or at once where there is no thread. */
  run(call: Job['call'], context: number, bytes: number, args: number[], done: Made): void {
    this.expect(bytes);
    // A program's first few lines of code must not wait for the thread to come up, which takes longer than loading them.
    if (this.broken || (bytes <= SMALL_BYTES && !this.ready)) return this.here({ call, context, args, done });
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
    log.error(`the loading thread is lost (${why}): code is loaded on the executor's own from now on`);
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
    job.done(status, ...Array.from({ length: OUTS }, (_, i) => Number(executor.scratchBytes.readBigUInt64LE(i * 8))));
  }
}

export function loadModule(executor: Executor, context: number, image: Image, jit: JitOptions, done: Made): void {
  executor.loader.run('cuModuleLoadDataEx', context, image.size, [OUT, image.address, jit.count, jit.namesAddress, jit.valuesAddress], done);
}

export function loadLibrary(executor: Executor, image: Image, jit: JitOptions, done: Made): void {
  executor.loader.run('cuLibraryLoadData', 0, image.size, [OUT, image.address, jit.namesAddress, jit.valuesAddress, jit.count, 0, 0, 0], done);
}

export function linkCreate(executor: Executor, context: number, jit: JitOptions, done: Made): void {
  executor.loader.run('cuLinkCreate_v2', context, 0, [jit.count, jit.namesAddress, jit.valuesAddress, OUT], done);
}

/** `name` and `jit` live as long as `done`. */
export function linkAdd(executor: Executor, link: Link, type: number, image: Image, name: Buffer, jit: JitOptions, done: (status: number) => void): void {
  executor.loader.run('cuLinkAddData_v2', link.context.native, image.size,
    [link.native, type, image.address, image.sizeForDriver, addressOf(name), jit.count, jit.namesAddress, jit.valuesAddress],
    (status) => {
      keep(name, jit, image);
      done(status);
    });
}

export function linkComplete(executor: Executor, link: Link, done: (status: number) => void): void {
  executor.loader.run('cuLinkComplete', link.context.native, Infinity, [link.native, OUT, OUT - 1], (status, address, bytes) => {
    if (status === 0) {
      link.address = address;
      link.bytes = bytes;
    }
    done(status);
  });
}

/** Objects that a call's arguments point into are reachable until here. */
function keep(..._objects: object[]): void {}
