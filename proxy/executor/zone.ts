/**
 * The zone that this process serves: its clients' coming and going.
 */
import { NoticeType } from '../../idm/hello.ts';
import { ATTRIBUTES } from '../../idm/region.ts';
import type { Hello } from '../../idm/hello.ts';
import { Refusal } from '../../idm/hello.ts';
import { FEATURE_MONITOR } from '../../idm/monitor.ts';
import { CUresult } from '../driver/errors.ts';
import type { Device } from '../driver/devices.ts';
import { HandleType } from '../generated/messages.ts';
import type { ZoneLimits, ZoneRecord } from '../supervisor/messages.ts';
import { Client } from './client.ts';
import { checkHello, Connection, Refused, type Welcomed } from './connection.ts';
import { Context } from './context.ts';
import { endClient } from './ending.ts';
import type { Executor } from './executor.ts';
import type { HandlerTable } from './handlers/table.ts';
import { log } from './log.ts';
import { DOZE_MS, Loop, TURN_MS } from './loop.ts';
import { Monitors, MONITORS_MAX } from './monitors.ts';
import { Pulse } from './pulse.ts';
import { preciseSleeps } from './system.ts';
import type { Turns } from './turns.ts';
import { ClientRegion, chooseShape, SMALLEST_REGION } from './region.ts';

/** Connections that have not said hello yet, beyond the zone's limit of clients. */
const STRANGERS_MAX = 64;
/** Beats of the pulse. */
const UNBLOCK_EVERY = 4;
const WARNINGS_A_SECOND = 5;

/** Attributes that the driver may have and a zone's client must not rely on: direct access to the host's pages, and handles to share
 *  with other processes, devices or the network. */
const NOT_OFFERED = [
  88, 100, 101, // pageable memory
  91, // registered memory has another address on the GPU
  104, 105, 124, 128, 146, // exported memory
  110, 112, 116, // GPUDirect RDMA, sparse arrays
  132, 136, 137, 141, 142, 143, // multicast, decompression, host NUMA
];

/** Descriptors of memory and of pools: within the zone, and this process's own doing (memory/tokens.ts), whatever the driver has. */
const DESCRIPTORS = [103, 119];

const CONCURRENT_MANAGED_ACCESS = 89;
const IPC_EVENT_SUPPORTED = 125;

export interface ZoneEvents {
  /** Nothing of this client is left. */
  clientGone(id: number): void;
  /** There is no client any more, or there is one again. */
  deserted(isDeserted: boolean): void;
  /** Calls were made since the last time, a few times a second at most. */
  called(): void;
}

export class Zone {
  private readonly loop: Loop;
  private readonly strangers = new Set<Connection>();
  private readonly connections = new Map<Client, Connection>();
  private readonly monitors: Monitors;
  /** Clients that are not gone yet: served, ending, or strangers; and monitors. */
  private present = 0;
  private warnedIn = 0;
  private warnings = 0;
  private stopping: (() => void) | null = null;
  private readonly attributes: Int32Array;
  private readonly present_: Uint32Array;
  private readonly pulse = new Pulse(() => this.beat());
  private beats = 0;
  private callsSeen = 0;

  constructor(
    private record: ZoneRecord,
    readonly executor: Executor,
    handlers: HandlerTable,
    private readonly device: Device,
    private readonly driverVersion: number,
    private readonly events: ZoneEvents,
    turns: Turns,
  ) {
    this.loop = new Loop(
      executor, handlers, turns,
      (client, why) => this.drop(client, why, 'broke the protocol and is ended'),
      (client) => this.drop(client, 'its socket takes no more notices', 'does not read its socket and is ended'),
      () => this.pulse.start(),
    );
    this.attributes = new Int32Array(ATTRIBUTES);
    this.attributes.set(device.attributes.subarray(0, ATTRIBUTES));
    for (const attribute of NOT_OFFERED) this.attributes[attribute] = 0;
    for (const attribute of DESCRIPTORS) this.attributes[attribute] = 1;
    // Managed memory is the same pages on both sides; atomics of both at once are only known to work where the GPU is a program here.
    if (!executor.driver.software) this.attributes[CONCURRENT_MANAGED_ACCESS] = 0;
    this.present_ = Uint32Array.from(device.present);
    // The zone's own doing (handlers/events.ts), whatever the driver can.
    this.attributes[IPC_EVENT_SUPPORTED] = 1;
    this.present_[IPC_EVENT_SUPPORTED >> 5] |= 1 << (IPC_EVENT_SUPPORTED & 31);
    this.monitors = new Monitors(executor, device, () => this.record.name, driverVersion);
    preciseSleeps();
  }

  /** Something asks to be polled. */
  wake(): void {
    this.loop.wake();
  }

  /** For a client in this very thread (rehearsal.ts), which does nothing while the loop sleeps: at most so long, 0: not at all. */
  sleepsFor(ms: number): void {
    this.loop.sliceMs = ms;
  }

  /** Whether the loop returns to libuv soon, however much there is to do (rehearsal.ts). */
  rehearseReturn(at: boolean): void {
    this.loop.turnMs = at ? 0 : TURN_MS;
  }

  /** Whether silence sends the loop to rest at once (rehearsal.ts). */
  rehearseRest(at: boolean): void {
    this.loop.dozeMs = at ? 0 : DOZE_MS;
  }

  /** Nothing to spin for: the client in this thread writes when we let it (the harness). */
  neverSpins(): void {
    this.loop.spins = false;
  }

  /** A client rang: serves what is there. */
  rang(): void {
    this.loop.rang();
  }

  /** Whether more zones are busy than there are cores for. */
  setCrowded(crowded: boolean): void {
    this.loop.setCrowded(crowded);
  }

  /** Whether the zone is in use. */
  private beat(): boolean {
    if (++this.beats % UNBLOCK_EVERY === 0) this.loop.unblock();
    const { calls } = this.executor;
    const called = calls !== this.callsSeen;
    this.callsSeen = calls;
    if (called) this.events.called();
    return called || !this.loop.isStill();
  }

  /** One that was made for nobody yet is this zone from here on. */
  becomes(record: ZoneRecord): void {
    this.record = record;
    this.executor.setLimits(record.limits);
  }

  setLimits(limits: ZoneLimits): void {
    this.executor.setLimits(limits);
    this.executor.usageChanged();
  }

  /** A connection from the supervisor; `fd` is ours from here on. */
  connect(id: number, fd: number): void {
    this.present++;
    if (this.present === 1) this.events.deserted(false);
    let client: Client | null = null;
    const connection = new Connection(fd, {
      greet: (hello) => {
        if (hello.features === FEATURE_MONITOR) return this.greetMonitor(id, connection, hello);
        client = this.greet(id, fd, connection, hello);
        return { regionSize: client.region.shape.size, descriptor: client.region.descriptor } satisfies Welcomed;
      },
      welcomed: () => {
        if (client === null) return;
        client.region.closeDescriptor();
        this.loop.wake();
      },
      rang: () => {
        if (client !== null) this.loop.rang();
        else if (!this.monitors.ask(connection) && this.monitors.remove(connection)) this.gone(id);
      },
      hungUp: (why) => {
        this.strangers.delete(connection);
        if (this.monitors.remove(connection)) this.gone(id);
        else if (client === null) {
          log.debug({ client: id, why }, 'a connection ended before it became a client');
          this.gone(id);
        } else this.end(client, why);
      },
    });
    this.strangers.add(connection);
    // The longest silent one goes: who comes with a hello is not a stranger for long, and gets in past any number of these.
    if (this.strangers.size > this.executor.limits.clients + STRANGERS_MAX)
      this.strangers.values().next().value!.refuse(new Refused(Refusal.clients, `zone "${this.record.name}" has too many connections that say nothing; close some`));
  }

  /** Ends every client, telling them; `done` when nothing is left. */
  stop(done: () => void): void {
    this.stopping = done;
    this.pulse.stop();
    for (const connection of [...this.strangers]) connection.refuse(new Refused(Refusal.driver, `zone "${this.record.name}" is being stopped; try again later`));
    for (const client of [...this.connections.keys()]) this.drop(client, 'the zone is stopped', null);
    for (const [connection, id] of this.monitors.all()) if (this.monitors.remove(connection)) this.gone(id);
    this.finishStop();
  }

  /** The driver does nothing more in this process, which ends, and what clients hold with it: they are told with what the driver says, those that have given it nothing that could
   *  be why only that they have no device any more. */
  abandon(status: number): void {
    for (const client of this.connections.keys()) client.notice(NoticeType.farewell, client.mayHaveFailed() ? status : CUresult.DEVICE_UNAVAILABLE, 0, 0);
  }

  private finishStop(): void {
    if (this.stopping !== null && this.present === 0) {
      const done = this.stopping;
      this.stopping = null;
      done();
    }
  }

  private greetMonitor(id: number, connection: Connection, hello: Hello): Welcomed {
    const { record } = this;
    if (this.stopping !== null) throw new Refused(Refusal.driver, `zone "${record.name}" is being stopped; try again later`);
    checkHello(hello, record, connection.uid);
    if (this.monitors.count >= MONITORS_MAX) throw new Refused(Refusal.clients, `zone "${record.name}" is watched by ${MONITORS_MAX} programs already; end one`);
    this.strangers.delete(connection);
    this.monitors.add(connection, id);
    return { regionSize: 0, descriptor: -1 };
  }

  private greet(id: number, fd: number, connection: Connection, hello: Hello): Client {
    const { executor, record } = this;
    const { limits } = executor;
    if (this.stopping !== null) throw new Refused(Refusal.driver, `zone "${record.name}" is being stopped; try again later`);
    checkHello(hello, record, connection.uid);
    if (executor.clients.length >= limits.clients) {
      executor.refused++;
      throw new Refused(Refusal.clients, `zone "${record.name}" has its ${limits.clients} clients already; end one, or raise the limit with "ringfence zone set ${record.name} --clients N"`);
    }
    if (!executor.handlesLeft()) {
      executor.refused++;
      throw new Refused(Refusal.clients, `zone "${record.name}" has its ${limits.handles} handles already; end a client, or raise the limit with "ringfence zone set ${record.name} --handles N"`);
    }
    const left = limits.staging - executor.memory.usage().staging;
    const shape = chooseShape(limits.staging, left);
    if (shape === null || !executor.memory.reserveStaging(shape.size)) {
      executor.refused++;
      throw new Refused(Refusal.staging, `zone "${record.name}" has ${Math.max(0, left)} bytes of staging memory left, a client needs ${SMALLEST_REGION}; end one, or raise the limit with "ringfence zone set ${record.name} --staging SIZE"`);
    }
    let region: ClientRegion;
    try {
      region = new ClientRegion(shape);
    } catch (error) {
      executor.memory.releaseStaging(shape.size);
      log.error({ error: String(error) }, 'no region could be made');
      throw new Refused(Refusal.staging, `the daemon's machine has no shared memory left for a region of ${shape.size} bytes; free some in /dev/shm`);
    }
    const client = new Client(executor, executor.handles.newOwner(), id, fd, region, hello.pid, hello.program);
    client.primary = new Context(client, true, -1);
    client.primary.row = executor.handles.add(HandleType.context, client.owner, 0, client.primary);
    client.known.add(client.primary);
    client.memory = executor.memory.openClient(client);
    region.writeInfo({
      driverVersion: this.driverVersion,
      windowBase: executor.memory.windowBase,
      windowSize: executor.memory.windowSize,
      hostWindowBase: executor.memory.hostWindowBase,
      hostWindowSize: executor.memory.hostWindowSize,
      granularity: executor.memory.granularity,
      zone: record.name,
      deviceName: this.device.name,
      uuid: this.device.uuid,
      totalMemory: limits.memory,
      attributes: this.attributes,
      present: this.present_,
      primaryLow: executor.handles.lowOf(client.primary.row),
      primaryHigh: executor.handles.highOf(client.primary.row),
    });
    executor.clients.push(client);
    executor.usageChanged();
    this.strangers.delete(connection);
    this.connections.set(client, connection);
    log.debug({ client: id, pid: hello.pid, program: hello.program, region: shape.size }, 'a client came');
    return client;
  }

  /** Ends a client for a reason of ours, and tells it. */
  private drop(client: Client, why: string, warning: string | null): void {
    if (client.dead) return;
    if (warning !== null) this.warn(client, why, warning);
    client.notice(NoticeType.farewell, CUresult.DEVICE_UNAVAILABLE, 0, 0);
    this.end(client, why);
  }

  /** A few lines a second at most: a tenant must not write the daemon's log full. */
  private warn(client: Client, why: string, warning: string): void {
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.warnedIn) this.warnings = 0;
    this.warnedIn = second;
    if (++this.warnings > WARNINGS_A_SECOND) return;
    const more = this.warnings === WARNINGS_A_SECOND ? '; more of this second are not told' : '';
    log.warn({ client: client.id, program: client.program, why }, `a client ${warning}${more}`);
  }

  private end(client: Client, why: string): void {
    if (client.dead) return;
    log.debug({ client: client.id, why }, 'a client left');
    this.connections.get(client)!.stop();
    this.connections.delete(client);
    endClient(this.executor, client, () => {
      this.executor.endPrinting(client);
      this.executor.handles.ownerGone(client.owner);
      this.gone(client.id);
    });
    this.loop.wake();
  }

  private gone(id: number): void {
    this.events.clientGone(id);
    if (--this.present === 0) this.events.deserted(true);
    this.finishStop();
  }
}
