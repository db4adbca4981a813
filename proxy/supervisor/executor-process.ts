/**
 * One executor as the supervisor sees it: a forked process, its messages (validated: it has handled tenants' bytes), its end.
 *
 * `child_process.fork` and not Tinypool: Tinypool runs tasks, request and answer; an executor is a partner for hours that is handed
 * sockets and speaks by itself, and Tinypool's children can be given no handles.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { RingfenceError } from '../errors.ts';
import { close } from '../passed.ts';
import { makePassage, pass, PASSAGE_VARIABLE } from '../passage.ts';
import { Patience } from '../patience.ts';
import { SAID_AGAIN_MS, toBackground, toForeground } from './background.ts';
import { descriptorOf } from './hand-over.ts';
import { executorMessage, STAGE_VARIABLE, TURNS_VARIABLE, type DeviceInfo, type DriverInfo, type ExecutorMessage, type PassedMessage, type SupervisorMessage, type ZoneRecord } from './messages.ts';
import { sweepSharedMemory } from './run-dir.ts';
import { describeIssue } from './state.ts';

/** A real driver may take seconds to initialise; one that takes a minute does not work. */
const START_TIMEOUT_MS = 60_000;
/** On a machine that is never idle, one in the background takes half a minute to be of use: then it has to take its share. */
const BACKGROUND_MAX_MS = 10_000;
/** An executor that has not taken the clients before is asked again. */
const AGAIN_MS = 5;
/** A well-behaved executor says far less (usage is limited to 20 a second); one that floods us is ended. */
const MESSAGES_PER_SECOND = 5_000;
/** What an executor says of one client's end comes on top: a tenant that connects in a loop must not get it ended. */
const MESSAGES_PER_CLIENT = 2;

export interface ExecutorOptions {
  /** The program to fork. */
  readonly program: string;
  /** What the executor gives to dlopen. */
  readonly driver: string;
  /** Where the software GPU is, on which executors rehearse. */
  readonly stage: string;
  /** The software GPU's memory (a descriptor of ours) and its size in bytes, null for a real GPU. */
  readonly card: { readonly fd: number; readonly bytes: number } | null;
  /** The page of turns (a descriptor of ours). */
  readonly turns: number;
  readonly env: NodeJS.ProcessEnv;
  /** How long it may stay in the background; BACKGROUND_MAX_MS when undefined. */
  readonly backgroundMs?: number | undefined;
  readonly log: Logger;
}

export interface ReadyInfo {
  readonly driver: DriverInfo;
  readonly devices: readonly DeviceInfo[];
}

export interface ExitInfo {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What it said, or what we ended it for; null: it ended without a word. */
  readonly why: string | null;
}

type Later = Exclude<ExecutorMessage, { type: 'ready' | 'failed' | 'rehearsed' }>;

export class ExecutorProcess {
  readonly pid: number;
  /** Resolves when the driver answers; rejects with EXECUTOR_FAILED or DRIVER_FAILED when it does not. */
  readonly ready: Promise<ReadyInfo>;
  /** Resolves when the process is gone; never rejects. */
  readonly exited: Promise<ExitInfo>;
  /** Messages after `ready`. Set by whoever leases the executor. */
  onMessage: ((message: Later) => void) | null = null;

  readonly #child: ChildProcess;
  readonly #log: Logger;
  readonly #driver: string;
  readonly #backgroundMs: number;
  /** Our end of the way that clients' sockets go; -1: closed. */
  #passage: number;
  /** What it does not take yet, in order. */
  readonly #underway: { readonly message: PassedMessage; readonly socket: Socket; readonly sent: (sent: boolean) => void }[] = [];
  #again: NodeJS.Timeout | null = null;
  #resolveReady!: (info: ReadyInfo) => void;
  #rejectReady!: (error: Error) => void;
  #isReady = false;
  #isGone = false;
  #isEnding = false;
  #inBackground = false;
  /** Until the kernel takes what it is told of that. */
  #placing: NodeJS.Timeout | null = null;
  #hasRehearsed = false;
  #failure: RingfenceError | null = null;
  #second = 0;
  #inSecond = 0;
  #allowance = 0;

  /** Forks. Throws EXECUTOR_MISSING, or the system's error when no process can be made. */
  constructor(options: ExecutorOptions) {
    if (!existsSync(options.program)) throw new RingfenceError('EXECUTOR_MISSING', { path: options.program });
    this.#driver = options.driver;
    this.#backgroundMs = options.backgroundMs ?? BACKGROUND_MAX_MS;
    /** Their places in `stdio` below are their numbers in the executor. */
    const TURNS_FD = 4;
    const PASSAGE_FD = 5;
    const CARD_FD = 6;
    const env: NodeJS.ProcessEnv = { ...options.env, RINGFENCE_DRIVER: options.driver, [TURNS_VARIABLE]: String(TURNS_FD), [PASSAGE_VARIABLE]: String(PASSAGE_FD) };
    // An executor is nobody's client, even when the daemon was started inside a zone.
    for (const name of ['RINGFENCE_SOCKET', 'RINGFENCE_TOKEN', 'RINGFENCE_STUB_CARD_FD', STAGE_VARIABLE]) delete env[name];
    if (existsSync(options.stage)) env[STAGE_VARIABLE] = options.stage;
    if (options.card !== null) {
      env['RINGFENCE_STUB_CARD_FD'] = String(CARD_FD);
      // All processes of a card must be told the same size.
      env['RINGFENCE_STUB_MEMORY'] = String(options.card.bytes);
      // A staged piece is copied on the executor's own thread while the client fills the next: with a thread of the stream's in
      // between, three would share what are often two cores (docs/PERFORMANCE.md).
      env['RINGFENCE_STUB_INLINE'] ??= '512Ki';
    }
    const passage = makePassage();
    this.#passage = passage.ours;
    this.#child = fork(options.program, [], {
      env,
      // Not the daemon's own: tsx or a debugger in a test must not follow into the executor.
      execArgv: [],
      // Its own process group: Ctrl-C at a terminal is for the daemon, which ends executors in order.
      detached: true,
      stdio: ['ignore', 2, 2, 'ipc', options.turns, passage.theirs, ...(options.card === null ? [] : [options.card.fd])],
    });
    close(passage.theirs);
    this.pid = this.#child.pid ?? 0;
    this.#log = options.log.child({ executor: this.pid });

    this.ready = new Promise((resolve, reject) => {
      this.#resolveReady = resolve;
      this.#rejectReady = reject;
    });
    // Nobody may be waiting when a spare executor fails; the pool learns of it from `exited`.
    this.ready.catch(() => {});
    const patience = new Patience(START_TIMEOUT_MS, () => this.#condemn(new RingfenceError('EXECUTOR_FAILED', { why: `it was not ready after ${START_TIMEOUT_MS / 1000} s` })));
    this.ready.finally(() => patience.end()).catch(() => {});

    this.exited = new Promise((resolve) => {
      const gone = (code: number | null, signal: NodeJS.Signals | null, why?: string) => {
        if (this.#isGone) return;
        this.#isGone = true;
        this.#closePassage();
        sweepSharedMemory(this.pid);
        this.#rejectReady(this.#failure ?? new RingfenceError('EXECUTOR_FAILED', { why: why ?? `it ended with ${describeExit({ code, signal })} before it was ready` }));
        resolve({ code, signal, why: this.#failure?.message ?? null });
      };
      this.#child.on('exit', (code, signal) => gone(code, signal));
      this.#child.on('error', (error) => {
        // Either the process could not be made (then there will be no 'exit'), or a message could not be sent (then there will be).
        if (this.#child.pid === undefined) gone(null, null, error.message);
        else this.#log.debug({ error: error.message }, 'a message to the executor was lost');
      });
    });
    this.#child.on('message', (message) => this.#receive(message));
  }

  get isReady(): boolean {
    return this.#isReady && !this.#isGone && !this.#isEnding;
  }

  /** It has done all that can be done before a zone comes. */
  get hasRehearsed(): boolean {
    return this.#hasRehearsed;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** Nobody waits for it: until it has rehearsed, or for so long, it runs when no other process wants the core. */
  background(): void {
    if (this.pid === 0) return;
    this.#inBackground = true;
    this.#place();
    setTimeout(() => this.foreground(), this.#backgroundMs).unref();
  }

  /** Somebody waits for it. */
  foreground(): void {
    if (!this.#inBackground) return;
    this.#inBackground = false;
    this.#place();
  }

  #place(): void {
    if (this.#isGone) return;
    const done = this.#inBackground ? toBackground(this.pid) : toForeground(this.pid);
    if (done) return;
    if (this.#placing !== null) clearTimeout(this.#placing);
    this.#placing = setTimeout(() => this.#place(), SAID_AGAIN_MS);
    this.#placing.unref();
  }

  /** Messages to an executor that has just died are dropped: `exited` tells. */
  send(message: SupervisorMessage): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  /**
   * Hands a client's socket over. Our copy is closed in any case; false when it did not go out, and then the client sees a hang-up.
   */
  hand(id: number, socket: Socket): Promise<boolean> {
    return this.#pass({ type: 'client', id }, socket);
  }

  /** Gives it the zone, and the first of its clients. The same answer: the zone is given in any case. */
  adopt(zone: ZoneRecord, id: number, socket: Socket): Promise<boolean> {
    return this.#pass({ type: 'adopt', zone, client: descriptorOf(socket) < 0 ? null : id }, socket);
  }

  #pass(message: PassedMessage, socket: Socket): Promise<boolean> {
    if (this.#passage < 0) {
      socket.destroy();
      return Promise.resolve(false);
    }
    this.#allowance += MESSAGES_PER_CLIENT;
    return new Promise((sent) => {
      this.#underway.push({ message, socket, sent });
      if (this.#underway.length === 1) this.#passNext();
    });
  }

  /** Sends what it takes. Once a message is out the kernel holds the descriptor: should the executor die without taking it, the kernel closes it, and the client sees a hang-up. */
  #passNext(): void {
    this.#again = null;
    while (this.#underway.length !== 0 && this.#passage >= 0) {
      const { message, socket, sent } = this.#underway[0]!;
      const descriptor = descriptorOf(socket);
      const isZone = !('id' in message);
      const done = descriptor < 0 && !isZone ? 'failed' : pass(this.#passage, message, descriptor);
      if (done === 'later') {
        this.#again = setTimeout(() => this.#passNext(), AGAIN_MS);
        return;
      }
      this.#underway.shift();
      socket.destroy();
      sent(done === 'sent' && descriptor >= 0);
    }
  }

  #closePassage(): void {
    if (this.#again !== null) clearTimeout(this.#again);
    this.#again = null;
    for (const { socket, sent } of this.#underway.splice(0)) {
      socket.destroy();
      sent(false);
    }
    if (this.#passage >= 0) close(this.#passage);
    this.#passage = -1;
  }

  /** Clients that wait for this executor to take their socket. */
  get underway(): number {
    return this.#underway.length;
  }

  /** Asks the executor to stop, kills it after `graceMs`. Resolves when it is gone. */
  end(graceMs: number): Promise<ExitInfo> {
    if (!this.#isEnding) {
      this.#isEnding = true;
      this.send({ type: 'stop' });
      const timer = setTimeout(() => this.kill(), graceMs);
      void this.exited.then(() => clearTimeout(timer));
    }
    return this.exited;
  }

  kill(): void {
    this.#isEnding = true;
    if (!this.#isGone) this.#child.kill('SIGKILL');
  }

  #receive(message: unknown): void {
    const now = Math.trunc(performance.now() / 1000);
    if (now !== this.#second) {
      this.#second = now;
      this.#inSecond = 0;
    }
    if (this.#isEnding && this.#failure) return;
    if (this.#allowance > 0) this.#allowance--;
    else if (++this.#inSecond > MESSAGES_PER_SECOND) {
      this.#condemn(new RingfenceError('EXECUTOR_FAILED', { why: `it sent more than ${MESSAGES_PER_SECOND} messages in a second` }));
      return;
    }
    const parsed = executorMessage.safeParse(message);
    if (!parsed.success) {
      this.#condemn(new RingfenceError('EXECUTOR_FAILED', { why: `it sent a message that does not fit (${describeIssue(parsed.error)})` }));
      return;
    }
    if (parsed.data.type === 'failed') {
      const { code, message } = parsed.data;
      this.#condemn(code === 'DRIVER_FAILED' || code === 'DRIVER_LOST' ? new RingfenceError(code, { path: this.#driver, why: message }) : new RingfenceError('EXECUTOR_FAILED', { why: `${message} [${code}]` }));
    } else if (parsed.data.type === 'ready') {
      if (this.#isReady) {
        this.#condemn(new RingfenceError('EXECUTOR_FAILED', { why: 'it said "ready" twice' }));
        return;
      }
      this.#isReady = true;
      this.#resolveReady({ driver: parsed.data.driver, devices: parsed.data.devices });
    } else if (!this.#isReady) {
      this.#condemn(new RingfenceError('EXECUTOR_FAILED', { why: `it said "${parsed.data.type}" before "ready"` }));
    } else if (parsed.data.type === 'rehearsed') {
      this.#hasRehearsed = true;
      this.foreground();
    } else {
      this.onMessage?.(parsed.data);
    }
  }

  /** Ends an executor that broke the contract or gave up; the first reason counts. */
  #condemn(error: RingfenceError): void {
    if (this.#isGone || this.#failure) return;
    this.#failure = error;
    this.#log.error({ code: error.code }, error.message);
    this.#rejectReady(error);
    this.kill();
  }
}

export function describeExit({ code, signal }: Pick<ExitInfo, 'code' | 'signal'>): string {
  if (signal) return `signal ${signal}`;
  return code === null ? 'no status' : `status ${code}`;
}
