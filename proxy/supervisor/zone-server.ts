/**
 * A zone at work: its listening socket, the executor it leases with the first client, and what is known of both.
 *
 * The supervisor accepts connections and passes them on unread; a client that comes before there is an executor waits in
 * `#waiting`, its bytes in the kernel. When an executor dies, everything it held goes with the process: what is left to do here
 * is to record it, so that the zone's next client gets a fresh one.
 */
import { chmodSync, chownSync, mkdirSync, rmSync } from 'node:fs';
import net from 'node:net';
import type { Logger } from 'pino';
import { Patience } from '../patience.ts';
import type { Crowd } from './crowd.ts';
import { describeExit, type ExecutorProcess, type ExitInfo } from './executor-process.ts';
import { noUsage, type ExecutorMessage, type ZoneLimits, type ZoneRecord, type ZoneUsage } from './messages.ts';
import { checkSocketPath, zoneFolder, zoneSocket } from './paths.ts';
import type { Pool } from './pool.ts';

/** Sockets held here for one zone; each is a descriptor of ours, and a tenant must not be able to use them up. */
const MAX_WAITING = 128;
const TOLD_EVERY_MS = 1_000;
const ADOPT_TIMEOUT_MS = 10_000;
/** Time for an executor to free device memory in order; the process's end frees it in any case. */
const END_GRACE_MS = 2_000;

/** `idle`: no executor; `starting`: one is being prepared; `running`: it serves. */
export type ZoneState = 'idle' | 'starting' | 'running';

export interface LastExit extends ExitInfo {
  /** ISO 8601. */
  readonly at: string;
}

export class ZoneServer {
  readonly #run: string;
  readonly #pool: Pool;
  readonly #crowd: Crowd;
  readonly #log: Logger;
  readonly #server: net.Server;
  #record: ZoneRecord;
  #executor: ExecutorProcess | null = null;
  #state: ZoneState = 'idle';
  #waiting: net.Socket[] = [];
  /** Ids of clients handed to the present executor that it has not reported gone. */
  #handed = new Set<number>();
  #nextClient = 1;
  #usage: ZoneUsage = noUsage;
  /** Counters of earlier executors: a zone's history does not end with a process. */
  #before = { calls: 0, refused: 0, memoryPeak: 0 };
  #restarts = 0;
  #lastExit: LastExit | null = null;
  /** Executors that were told to stop and are not gone yet. */
  readonly #ending = new Set<ExecutorProcess>();
  #closed = false;
  #turnedAway = 0;
  #turnedAwayTold = -Infinity;

  private constructor(run: string, record: ZoneRecord, pool: Pool, crowd: Crowd, log: Logger) {
    this.#run = run;
    this.#record = record;
    this.#pool = pool;
    this.#crowd = crowd;
    this.#log = log.child({ zone: record.name });
    // Paused: a byte read here would be a byte lost to the executor, and a tenant's byte in the supervisor.
    this.#server = net.createServer({ pauseOnConnect: true }, (socket) => this.#accept(socket));
    this.#server.on('error', (error) => this.#log.error({ error: error.message }, 'the zone\'s socket failed'));
  }

  /** Makes the zone's folder and socket and listens. Throws SOCKET_PATH_TOO_LONG or the system's error. */
  static async open(run: string, record: ZoneRecord, pool: Pool, crowd: Crowd, log: Logger): Promise<ZoneServer> {
    const zone = new ZoneServer(run, record, pool, crowd, log);
    const path = zone.socketPath;
    checkSocketPath(path);
    mkdirSync(zoneFolder(run, record.name), { recursive: true });
    chmodSync(zoneFolder(run, record.name), 0o711);
    rmSync(path, { force: true });
    await new Promise<void>((done, fail) => {
      zone.#server.once('error', fail);
      // The daemon's umask (0077) makes the socket private from its first moment; its owner is given it last.
      zone.#server.listen(path, () => {
        zone.#server.off('error', fail);
        done();
      });
    });
    try {
      chmodSync(path, 0o600);
      if (record.uid !== null && record.uid !== process.geteuid!()) chownSync(path, record.uid, -1);
    } catch (error) {
      await zone.close(true);
      throw error;
    }
    return zone;
  }

  get record(): ZoneRecord {
    return this.#record;
  }

  get socketPath(): string {
    return zoneSocket(this.#run, this.#record.name);
  }

  get state(): ZoneState {
    return this.#state;
  }

  get executorPid(): number | null {
    return this.#executor?.pid ?? null;
  }

  get restarts(): number {
    return this.#restarts;
  }

  get lastExit(): LastExit | null {
    return this.#lastExit;
  }

  /** The present use; `calls`, `refused` and `memoryPeak` over the zone's whole life in this daemon. */
  get usage(): ZoneUsage {
    return {
      ...this.#usage,
      calls: this.#usage.calls + this.#before.calls,
      refused: this.#usage.refused + this.#before.refused,
      memoryPeak: Math.max(this.#usage.memoryPeak, this.#before.memoryPeak),
    };
  }

  get connections(): number {
    return this.#waiting.length + this.#handed.size;
  }

  /** Tells a live executor of the zone's new limits. */
  update(record: ZoneRecord): void {
    this.#record = record;
    const limits: ZoneLimits = record.limits;
    if (this.#executor) this.#executor.send({ type: 'limits', limits });
  }

  /** Refuses new clients, ends the executor and waits for its end. `remove` also takes the zone's folder away. */
  async close(remove: boolean): Promise<void> {
    this.#closed = true;
    this.#server.close();
    rmSync(this.socketPath, { force: true });
    this.#hangUpWaiting();
    if (this.#executor) this.#retire(this.#executor);
    await Promise.all([...this.#ending].map((executor) => executor.exited));
    if (remove) rmSync(zoneFolder(this.#run, this.#record.name), { recursive: true, force: true });
  }

  #accept(socket: net.Socket): void {
    socket.on('error', () => socket.destroy());
    const held = this.#waiting.length + (this.#executor?.underway ?? 0);
    if (this.#closed || held >= MAX_WAITING) {
      if (!this.#closed) this.#turnAway(held);
      socket.destroy();
      return;
    }
    if (this.#executor) {
      this.#hand(this.#executor, socket);
      return;
    }
    this.#waiting.push(socket);
    if (this.#state === 'idle') void this.#start();
  }

  /** One line a second at most: a tenant that connects in a loop must not write the daemon's log full, nor make it wait for its log. */
  #turnAway(waiting: number): void {
    this.#turnedAway++;
    if (performance.now() - this.#turnedAwayTold < TOLD_EVERY_MS) return;
    this.#turnedAwayTold = performance.now();
    this.#log.warn({ waiting, turned_away: this.#turnedAway }, 'too many clients wait for the executor: more are turned away');
    this.#turnedAway = 0;
  }

  #hand(executor: ExecutorProcess, socket: net.Socket): void {
    this.#note(executor, (id) => executor.hand(id, socket));
  }

  /** Numbers a client, and forgets it if its socket does not go out. */
  #note(executor: ExecutorProcess, send: (id: number) => Promise<boolean>): void {
    const id = this.#nextClient++;
    this.#handed.add(id);
    void send(id).then((sent) => {
      if (!sent && executor === this.#executor) this.#handed.delete(id);
    });
  }

  async #start(): Promise<void> {
    this.#state = 'starting';
    let executor: ExecutorProcess;
    try {
      executor = await this.#pool.lease();
    } catch (error) {
      this.#log.error({ error: (error as Error).message }, 'no executor for the zone: its waiting clients are hung up');
      this.#state = 'idle';
      this.#hangUpWaiting();
      return;
    }
    if (this.#closed) {
      this.#retire(executor);
      return;
    }
    this.#executor = executor;
    this.#handed = new Set();
    this.#usage = noUsage;
    void executor.exited.then((exit) => this.#gone(executor, exit));
    const patience = new Patience(ADOPT_TIMEOUT_MS, () => {
      this.#log.error({ executor: executor.pid }, 'the executor did not take the zone in time');
      executor.kill();
    });
    void executor.exited.then(() => patience.end());
    executor.onMessage = (message) => {
      if (message.type === 'adopted') patience.end();
      this.#receive(executor, message);
    };
    // With it and right behind it: messages arrive in order, and a client need not wait until the executor has said that it took the zone.
    // If it does not, it ends, and the client sees a hang-up.
    const [first, ...others] = this.#waiting as [net.Socket, ...net.Socket[]];
    this.#waiting = [];
    this.#note(executor, (id) => executor.adopt(this.#record, id, first));
    for (const socket of others) this.#hand(executor, socket);
  }

  #receive(executor: ExecutorProcess, message: ExecutorMessage): void {
    if (executor !== this.#executor) return;
    switch (message.type) {
      case 'adopted': {
        this.#state = 'running';
        this.#crowd.join(executor);
        break;
      }
      case 'usage':
        this.#usage = message.usage;
        this.#crowd.report(executor, message.usage.calls);
        break;
      case 'client-gone':
        this.#handed.delete(message.id);
        break;
      case 'idle':
        // A client may be on its way while the executor says this; then the executor goes on.
        if (this.#handed.size === 0 && this.#waiting.length === 0) {
          this.#log.debug({ executor: executor.pid }, 'no client: the executor ends');
          this.#retire(executor);
        }
        break;
      case 'ready':
      case 'failed':
        break; // Dealt with by ExecutorProcess.
    }
  }

  /** Ends an executor in order. It is no longer the zone's: the next client gets another. */
  #retire(executor: ExecutorProcess): void {
    this.#ending.add(executor);
    if (executor === this.#executor) this.#settle();
    void executor.end(END_GRACE_MS).then(() => this.#ending.delete(executor));
  }

  #gone(executor: ExecutorProcess, exit: ExitInfo): void {
    if (executor !== this.#executor) return;
    this.#restarts++;
    this.#lastExit = { ...exit, at: new Date().toISOString() };
    this.#log.warn({ executor: executor.pid, clients: this.#handed.size }, `the executor ended with ${describeExit(exit)}; the zone's next client gets a fresh one`);
    this.#settle();
    this.#hangUpWaiting();
  }

  /** What the executor held is gone with it; what it counted stays. */
  #settle(): void {
    this.#before = {
      calls: this.#before.calls + this.#usage.calls,
      refused: this.#before.refused + this.#usage.refused,
      memoryPeak: Math.max(this.#before.memoryPeak, this.#usage.memoryPeak),
    };
    this.#usage = noUsage;
    if (this.#executor) this.#crowd.leave(this.#executor);
    this.#executor = null;
    this.#handed = new Set();
    this.#state = 'idle';
  }

  #hangUpWaiting(): void {
    for (const socket of this.#waiting) socket.destroy();
    this.#waiting = [];
  }
}
