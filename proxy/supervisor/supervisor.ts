/**
 * The daemon: puts the run directory, the book of zones, the zones' sockets and the pool of executors together. What the API and the
 * command line can ask for are this class's methods. No tenant byte comes here.
 */
import { closeSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Logger } from 'pino';
import { RingfenceError } from '../errors.ts';
import { createCard } from './card.ts';
import { sealedMemory } from './sealed-memory.ts';
import { Crowd } from './crowd.ts';
import { candidates, chooseDriver, type Candidate, type Chosen } from './driver.ts';
import { ExecutorProcess } from './executor-process.ts';
import { layout } from './layout.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { type DeviceInfo, type DriverInfo, TURNS_BYTES, type ZoneLimits, type ZoneRecord, type ZoneUsage } from './messages.ts';
import { checkSocketPath, stateFile, zoneSocket } from './paths.ts';
import { Pool } from './pool.ts';
import { RunDir, sweepSharedMemory } from './run-dir.ts';
import { loadZones, saveZones } from './state.ts';
import { ZoneServer, type LastExit, type ZoneState } from './zone-server.ts';
import { ZoneBook } from './zones.ts';

export interface SupervisorOptions {
  readonly runDir: string;
  /** `auto`, `stub` or the path of a libcuda.so.1. */
  readonly driver: string;
  /** Bytes of the software GPU's memory. */
  readonly cardMemory: number;
  /** Executors kept waiting. */
  readonly pool: number;
  /** Keep the executor that proved the driver for the first client, even with a pool of 0 (a private daemon wants one executor and no more). */
  readonly keepFirst?: boolean;
  readonly overcommit: boolean;
  /** The executor program; the built one when undefined. */
  readonly executor?: string;
  /** How long a spare may stay in the background; for tests. */
  readonly backgroundMs?: number;
  /** Files whose existence tells of a real GPU's kernel driver; for tests. */
  readonly kernelDrivers?: readonly string[];
}

/** What a new zone is asked to be. `memory` null: all that its device has not promised yet. */
export interface ZoneRequest {
  readonly name: string;
  readonly device: number;
  readonly memory: number | null;
  readonly limits: Partial<Omit<ZoneLimits, 'memory'>>;
  readonly token: string | null;
  readonly uid: number | null;
}

export interface ZoneView {
  readonly name: string;
  readonly device: number;
  readonly uid: number | null;
  /** Whether one is needed; the token itself is told by `access`. */
  readonly token: boolean;
  readonly temporary: boolean;
  readonly socket: string;
  readonly limits: ZoneLimits;
  /** Its usage as told by its executor, some 50 ms ago at most, and with every client's end. */
  readonly usage: ZoneUsage;
  /** Sockets that the zone has taken and is not done with: clients until nothing of them is left, monitors, and who has not said anything yet. With
   *  none, `usage` is what all of them left. */
  readonly connections: number;
  readonly state: ZoneState;
  readonly executor: { readonly pid: number } | null;
  readonly restarts: number;
  readonly lastExit: LastExit | null;
}

export interface Status {
  readonly pid: number;
  readonly runDir: string;
  readonly driver: DriverInfo;
  readonly devices: readonly (DeviceInfo & { readonly promised: number })[];
  readonly overcommit: boolean;
  /** Executors that are kept waiting, that can take a zone, and of those the ones whose code has been run once: they answer their first client soonest. */
  readonly pool: { readonly size: number; readonly ready: number; readonly rehearsed: number };
  readonly zones: number;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #log: Logger;
  readonly #runDir: RunDir;
  readonly #card: number | null;
  readonly #turns: number;
  readonly #chosen: Chosen;
  readonly #pool: Pool;
  readonly #crowd = new Crowd(availableParallelism());
  readonly #book: ZoneBook;
  readonly #servers = new Map<string, ZoneServer>();
  readonly #temporary = new Set<string>();
  /** Changes to zones run one after the other: making a zone takes several steps, and two requests must not interleave theirs. */
  #last: Promise<unknown> = Promise.resolve();
  #stopping: Promise<void> | null = null;

  private constructor(options: SupervisorOptions, log: Logger, runDir: RunDir, card: number | null, turns: number, chosen: Chosen, pool: Pool) {
    this.#options = options;
    this.#log = log;
    this.#runDir = runDir;
    this.#card = card;
    this.#turns = turns;
    this.#chosen = chosen;
    this.#pool = pool;
    this.#book = new ZoneBook({ devices: chosen.info.devices, overcommit: options.overcommit, uid: process.geteuid!() });
  }

  /**
   * Takes the run directory, finds a driver that answers, opens the sockets of the zones on record. Throws a RingfenceError when one
   * of these cannot be; then nothing is left behind.
   */
  static async start(options: SupervisorOptions, log: Logger): Promise<Supervisor> {
    const runDir = RunDir.open(options.runDir);
    let card: number | null = null;
    let turns = -1;
    let supervisor: Supervisor | null = null;
    try {
      const zones = loadZones(stateFile(runDir.path));
      runDir.sweep(new Set(zones.map((zone) => zone.name)));
      sweepSharedMemory();
      const program = options.executor ?? layout().executor;
      const list = candidates(options.driver, layout().stub, options.kernelDrivers);
      if (list.some((candidate) => candidate.card)) card = createCard(options.cardMemory);
      turns = sealedMemory('ringfence-turns', TURNS_BYTES);
      const start = (candidate: Candidate) => new ExecutorProcess({ program, driver: candidate.path, stage: layout().stub, card: candidate.card && card !== null ? { fd: card, bytes: options.cardMemory } : null, turns, env: process.env, backgroundMs: options.backgroundMs, log });
      const chosen = await chooseDriver(list, start, log);
      if (!chosen.candidate.card && card !== null) {
        closeSync(card);
        card = null;
      }
      const pool = new Pool(options.pool, () => start(chosen.candidate), log);
      supervisor = new Supervisor(options, log, runDir, card, turns, chosen, pool);
      if (options.pool > 0 || options.keepFirst) pool.add(chosen.executor);
      else void chosen.executor.end(1000);
      pool.fill();
      for (const zone of zones) {
        supervisor.#book.add(zone);
        supervisor.#servers.set(zone.name, await ZoneServer.open(runDir.path, zone, pool, supervisor.#crowd, log));
      }
      return supervisor;
    } catch (error) {
      if (supervisor) await supervisor.stop();
      else {
        if (card !== null) closeSync(card);
        if (turns >= 0) closeSync(turns);
        runDir.close();
      }
      throw error;
    }
  }

  get runDir(): string {
    return this.#runDir.path;
  }

  status(): Status {
    return {
      pid: process.pid,
      runDir: this.#runDir.path,
      driver: this.#chosen.info.driver,
      devices: this.#chosen.info.devices.map((device) => ({ ...device, promised: this.#book.promised(device.ordinal) })),
      overcommit: this.#options.overcommit,
      pool: { size: this.#pool.size, ready: this.#pool.ready, rehearsed: this.#pool.rehearsed },
      zones: this.#servers.size,
    };
  }

  /** All zones, by name. */
  zones(): ZoneView[] {
    return this.#book.names.filter((name) => this.#servers.has(name)).map((name) => this.zone(name));
  }

  /** Throws ZONE_UNKNOWN. */
  zone(name: string): ZoneView {
    const record = this.#book.get(name);
    const server = this.#server(name);
    return {
      name,
      device: record.device,
      uid: record.uid,
      token: record.token !== null,
      temporary: this.#temporary.has(name),
      socket: server.socketPath,
      limits: record.limits,
      usage: server.usage,
      connections: server.connections,
      state: server.state,
      executor: server.executorPid === null ? null : { pid: server.executorPid },
      restarts: server.restarts,
      lastExit: server.lastExit,
    };
  }

  /** What a client of the zone needs. Throws ZONE_UNKNOWN. */
  access(name: string): { socket: string; token: string | null } {
    return { socket: this.#server(name).socketPath, token: this.#book.get(name).token };
  }

  /** Makes a zone; a temporary one is not written to the state. Throws what ZoneBook.add and ZoneServer.open throw. */
  createZone(request: ZoneRequest, temporary = false): Promise<ZoneView> {
    return this.#inTurn(async () => {
      // What the book would say of a bad name comes before what the kernel says of its path.
      const record: ZoneRecord = this.#book.add({
        name: request.name,
        device: request.device,
        limits: { ...DEFAULT_LIMITS, ...request.limits, memory: request.memory ?? this.#book.remaining(request.device) },
        token: request.token,
        uid: request.uid,
      });
      try {
        checkSocketPath(zoneSocket(this.#runDir.path, record.name));
        const server = await ZoneServer.open(this.#runDir.path, record, this.#pool, this.#crowd, this.#log);
        this.#servers.set(record.name, server);
        if (temporary) this.#temporary.add(record.name);
        else this.#save();
      } catch (error) {
        await this.#servers.get(record.name)?.close(true);
        this.#forget(record.name);
        throw error;
      }
      this.#log.info({ zone: record.name, limits: record.limits }, 'zone created');
      return this.zone(record.name);
    });
  }

  /** Changes limits of a zone, live. Throws what ZoneBook.setLimits throws, and ZONE_BELOW_USE. */
  setZone(name: string, change: Partial<ZoneLimits>): Promise<ZoneView> {
    return this.#inTurn(async () => {
      const server = this.#server(name);
      const before = this.#book.get(name);
      for (const what of Object.keys(change) as (keyof ZoneLimits)[]) {
        const limit = change[what]!;
        const used = server.usage[what];
        if (limit < used) throw new RingfenceError('ZONE_BELOW_USE', { name, what, used, limit });
      }
      const after = this.#book.setLimits(name, change);
      try {
        this.#save();
      } catch (error) {
        this.#book.restore(before);
        throw error;
      }
      server.update(after);
      this.#log.info({ zone: name, limits: after.limits }, 'zone changed');
      return this.zone(name);
    });
  }

  /** Ends a zone with all its clients. Throws ZONE_UNKNOWN. */
  removeZone(name: string): Promise<void> {
    return this.#inTurn(async () => {
      const server = this.#server(name);
      await server.close(true);
      this.#forget(name);
      this.#save();
      this.#log.info({ zone: name }, 'zone removed');
    });
  }

  /** Ends every executor, removes sockets and gives the run directory back. Zones on record stay on record. */
  stop(): Promise<void> {
    this.#stopping ??= (async () => {
      await this.#last;
      await Promise.all([
        ...[...this.#servers].map(([name, server]) => server.close(this.#temporary.has(name))),
        this.#pool.close(),
        // With a pool of 0 it was told to end at the start and is in no one's hands; else this waits for nothing more.
        this.#chosen.executor.end(1000),
      ]);
      if (this.#card !== null) closeSync(this.#card);
      closeSync(this.#turns);
      this.#runDir.close();
    })();
    return this.#stopping;
  }

  #server(name: string): ZoneServer {
    const server = this.#servers.get(name);
    if (!server) throw new RingfenceError('ZONE_UNKNOWN', { name });
    return server;
  }

  #forget(name: string): void {
    this.#servers.delete(name);
    this.#temporary.delete(name);
    if (this.#book.find(name)) this.#book.remove(name);
  }

  #save(): void {
    const records = this.#book.names.filter((name) => !this.#temporary.has(name)).map((name) => this.#book.get(name));
    saveZones(stateFile(this.#runDir.path), records);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(() => {
      if (this.#stopping) throw new RingfenceError('STOPPING');
      return work();
    });
    this.#last = result.catch(() => {});
    return result;
  }
}
