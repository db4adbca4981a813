/**
 * The executor: the process that serves one zone. Forked by the supervisor, warm (driver loaded, cuInit done) before it is given
 * a zone; talks to it over Node's IPC (supervisor/messages.ts) and ends when that channel does.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { loadDriver, must } from '../driver/driver.ts';
import { type Device, driverVersion, readDevices } from '../driver/devices.ts';
import { type DriverInfo, type ExecutorMessage, type SupervisorMessage, TURNS_VARIABLE, type ZoneLimits, type ZoneRecord } from '../supervisor/messages.ts';
import { adoptSocket } from './adopt.ts';
import { Executor } from './executor.ts';
import { type HandlerTable, makeHandlers } from './handlers/table.ts';
import { log } from './log.ts';
import { registerMemoryHandlers } from './memory/handlers.ts';
import { createZoneMemory } from './memory/zone.ts';
import { Rehearsal } from './rehearsal.ts';
import { loopDescriptor } from './system.ts';
import { Asserted, Output, Printed } from './printed.ts';
import { Turns } from './turns.ts';
import { Zone } from './zone.ts';

const USAGE_EVERY_MS = 50;
/** Who needs an executor at once does not wait for its rehearsal. */
const REHEARSE_AFTER_MS = 30;
const lingerMs = Number(process.env['RINGFENCE_LINGER_MS'] ?? 2000);

/** Limits whose windows (memory/) are those of most zones. */
const USUAL: ZoneLimits = { memory: 2 ** 30, clients: 1, allocations: 1, handles: 1, staging: 2 ** 30 };

const say = (message: ExecutorMessage): void => {
  if (process.connected) process.send!(message, undefined, undefined, () => undefined);
};

/** What a rehearsal leaves behind is collected before a client comes, not while its first call is served. */
function collectYoung(): void {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as (options: { type: 'minor' }) => void;
  // What survives twice is moved to the old generation.
  gc({ type: 'minor' });
  gc({ type: 'minor' });
}

/** Says why, and ends once that is out. */
function fail(code: string, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  log.fatal({ code }, message);
  if (!process.connected) process.exit(1);
  process.send!({ type: 'failed', code, message } satisfies ExecutorMessage, undefined, undefined, () => process.exit(1));
}

class Process {
  private readonly driver = loadDriver(process.env['RINGFENCE_DRIVER'] ?? 'libcuda.so.1');
  private readonly devices: Device[];
  private readonly version: number;
  private executor: Executor | null = null;
  private zone: Zone | null = null;
  private usageTimer: NodeJS.Timeout | null = null;
  private lingerTimer: NodeJS.Timeout | null = null;
  private rehearsal: Rehearsal | null = null;
  /** What a zone is served with, made while nobody waited for it. */
  private prepared: Executor | null = null;
  private handlers: HandlerTable | null = null;
  /** What the supervisor said while the rehearsal is coming to its end. */
  private readonly unheard: [message: SupervisorMessage, handle: unknown][] = [];

  constructor() {
    must('cuInit', this.driver.cuInit(0));
    this.version = driverVersion(this.driver);
    this.devices = readDevices(this.driver);
    if (this.devices.length === 0) throw new Error(`the driver ${this.driver.path} has no device`);
    const driver: DriverInfo = { path: this.driver.path, version: this.version, software: this.driver.software };
    setImmediate(() => loopDescriptor((process.channel as { fd?: number } | undefined)?.fd ?? -1));
    say({
      type: 'ready', driver,
      devices: this.devices.map((device) => ({ ordinal: device.ordinal, name: device.name, uuid: device.uuid.toString('hex'), totalMemory: device.totalMemory })),
    });
  }

  /** To be called when nothing else is to be done. */
  rehearse(): void {
    if (this.executor !== null) return;
    if (!this.driver.software) return say({ type: 'rehearsed' });
    try {
      this.rehearsal = new Rehearsal(this.driver, this.devices[0], this.version, () => {
        this.rehearsal = null;
        if (this.unheard.length === 0) this.prepare();
        say({ type: 'rehearsed' });
        for (const [message, handle] of this.unheard.splice(0)) this.hear(message, handle);
      });
    } catch (error) {
      log.debug({ error: String(error) }, 'no rehearsal');
      say({ type: 'rehearsed' });
    }
  }

  hear(message: SupervisorMessage, handle: unknown): void {
    try {
      this.receive(message, handle);
    } catch (error) {
      fail('INTERNAL', error);
    }
  }

  private receive(message: SupervisorMessage, handle: unknown): void {
    if (this.rehearsal !== null) {
      this.rehearsal.stop();
      this.unheard.push([message, handle]);
      return;
    }
    switch (message.type) {
      case 'adopt':
        this.adopt(message.zone);
        if (message.client !== null && this.zone !== null) this.client(message.client, handle);
        return;
      case 'client':
        return this.client(message.id, handle);
      case 'limits':
        return this.zone?.setLimits(message.limits);
      case 'crowd':
        return this.zone?.setCrowded(message.crowded);
      case 'stop':
        return this.stop();
    }
  }

  private adopt(record: ZoneRecord): void {
    const device = this.devices[record.device];
    if (device === undefined) return fail('ZONE_DEVICE_UNKNOWN', new Error(`zone "${record.name}" wants device ${record.device}, the driver has ${this.devices.length}`));
    const executor = this.takePrepared(device, record.limits) ?? this.make(device, record.limits);
    if (executor === null) return fail('DRIVER_FAILED', new Error(`the driver ${this.driver.path} cannot make a context on device ${record.device}`));
    executor.printed = new Printed(Output.stdout);
    executor.printed.begin();
    executor.asserted = new Asserted();
    executor.onWork = () => this.zone?.wake();
    this.executor = executor;
    this.zone = new Zone(record, executor, this.handlers ?? makeHandlers(registerMemoryHandlers), device, this.version, {
      clientGone: (id) => {
        this.usageNow();
        say({ type: 'client-gone', id });
      },
      deserted: (isDeserted) => this.linger(isDeserted),
      called: () => this.usageSoon(),
    }, Turns.at(Number(process.env[TURNS_VARIABLE] ?? -1)));
    say({ type: 'adopted' });
  }

  /** An executor for a zone on `device`; null: the driver makes no context there. */
  private make(device: Device, limits: ZoneLimits): Executor | null {
    const executor = new Executor(this.driver, device.device, limits, () => this.usageSoon());
    if (executor.internalContext() === 0) return null;
    executor.memory = createZoneMemory(executor, limits);
    return executor;
  }

  /** Makes what most zones will want. On the software GPU alone, where a context holds nothing of the card. */
  private prepare(): void {
    try {
      this.prepared = this.make(this.devices[0], USUAL);
      this.handlers = makeHandlers(registerMemoryHandlers);
    } catch (error) {
      log.debug({ error: String(error) }, 'nothing could be prepared');
    }
    collectYoung();
  }

  private takePrepared(device: Device, limits: ZoneLimits): Executor | null {
    const executor = this.prepared;
    this.prepared = null;
    if (executor === null) return null;
    if (executor.device !== device.device || !executor.memory.hasWindowsFor(limits)) {
      executor.memory.destroy();
      executor.release();
      return null;
    }
    executor.setLimits(limits);
    return executor;
  }

  private client(id: number, handle: unknown): void {
    let fd: number;
    try {
      fd = adoptSocket(handle);
    } catch (error) {
      log.debug({ client: id, error: String(error) }, 'a client hung up on its way here');
      say({ type: 'client-gone', id });
      return;
    }
    this.zone!.connect(id, fd);
  }

  private stop(): void {
    const leave = (): void => {
      this.usageNow();
      this.executor?.memory.destroy();
      process.exit(0);
    };
    if (this.zone === null) leave();
    else this.zone.stop(leave);
  }

  private usageSoon(): void {
    this.usageTimer ??= setTimeout(() => this.usageNow(), USAGE_EVERY_MS);
  }

  private usageNow(): void {
    if (this.usageTimer !== null) clearTimeout(this.usageTimer);
    this.usageTimer = null;
    if (this.executor === null) return;
    say({ type: 'usage', usage: this.executor.usage() });
  }

  private linger(isDeserted: boolean): void {
    if (this.lingerTimer !== null) clearTimeout(this.lingerTimer);
    this.lingerTimer = isDeserted ? setTimeout(() => say({ type: 'idle' }), lingerMs) : null;
  }
}

process.on('disconnect', () => process.exit(0));
// The supervisor ends executors in order; a signal to the whole group must not overtake it.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);

if (process.send === undefined) {
  process.stderr.write('This program is started by "ringfence serve"; it does nothing by itself.\n');
  process.exitCode = 2;
} else {
  try {
    const self = new Process();
    process.on('message', (message: SupervisorMessage, handle: unknown) => self.hear(message, handle));
    setTimeout(() => self.rehearse(), REHEARSE_AFTER_MS);
  } catch (error) {
    fail('DRIVER_FAILED', error);
  }
  process.on('uncaughtException', (error) => fail('INTERNAL', error));
}
