/**
 * The executor: the process that serves one zone. Forked by the supervisor, warm (driver loaded, cuInit done) before it is given
 * a zone; talks to it over Node's IPC (supervisor/messages.ts) and ends when that channel does.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { bindAll, type Driver } from '../driver/driver.ts';
import { errorName } from '../driver/errors.ts';
import { type Device, openDriver, type OpenDriver } from '../driver/devices.ts';
import { type DriverInfo, type ExecutorMessage, type PassedMessage, STAGE_VARIABLE, type SupervisorMessage, TURNS_VARIABLE, type ZoneRecord } from '../supervisor/messages.ts';
import { PASSAGE_VARIABLE, PassageEnd, rehearsePassage } from '../passage.ts';
import { Executor } from './executor.ts';
import { makeHandlers } from './handlers/table.ts';
import { log } from './log.ts';
import { registerMemoryHandlers } from './memory/handlers.ts';
import { createZoneMemory } from './memory/zone.ts';
import { Rehearsal } from './rehearsal.ts';
import { loopDescriptor } from './system.ts';
import { Asserted, Output, Printed } from './printed.ts';
import { Turns } from './turns.ts';
import { Zone } from './zone.ts';

const USAGE_EVERY_MS = 50;
/** The supervisor, woken on what may be a halted core, can wait until the first client has its answer. */
const ADOPTED_AFTER_MS = 10;
/** Who needs an executor at once does not wait for its rehearsal. */
const REHEARSE_AFTER_MS = 30;
const lingerMs = Number(process.env['RINGFENCE_LINGER_MS'] ?? 2000);

/** Stands for the zone until it is known: its limits' windows (memory/) are those of most zones. */
const USUAL: ZoneRecord = {
  name: '', device: 0, uid: null, token: null,
  limits: { memory: 2 ** 30, clients: 1, allocations: 1, handles: 1, staging: 2 ** 30 },
};

const say = (message: ExecutorMessage): void => {
  if (process.connected) process.send!(message, undefined, undefined, () => undefined);
};

/** What a rehearsal leaves behind is collected before a client comes, not while its first call is served: the garbage, and what V8 believes it holds
 *  outside of its heap, the regions of a rehearsal's clients, for which it would soon begin to mark. */
function collect(): void {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as (options: { type: 'minor' | 'major' }) => void;
  // What survives twice is moved to the old generation.
  gc({ type: 'minor' });
  gc({ type: 'minor' });
  gc({ type: 'major' });
}

/** Says why, and ends once that is out. */
function fail(code: string, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  log.fatal({ code }, message);
  if (!process.connected) process.exit(1);
  process.send!({ type: 'failed', code, message } satisfies ExecutorMessage, undefined, undefined, () => process.exit(1));
}

class Process {
  private readonly open = openDriver(process.env['RINGFENCE_DRIVER'] ?? 'libcuda.so.1');
  private readonly driver: Driver = this.open.driver;
  private readonly devices: readonly Device[] = this.open.devices;
  private executor: Executor | null = null;
  private zone: Zone | null = null;
  private usageTimer: NodeJS.Timeout | null = null;
  private lingerTimer: NodeJS.Timeout | null = null;
  private rehearsal: Rehearsal | null = null;
  /** A zone in all but name, made while nobody waited for it. */
  private prepared: Zone | null = null;
  /** The process's, whichever zone it comes to serve; made with the first. */
  private printed: Printed | null = null;
  private asserted: Asserted | null = null;
  private turns: Turns | null = null;
  /** A function of its own: one made in usageSoon would have V8 allocate for each call of that, timer or none. */
  private readonly usageDue = (): void => this.usageNow();
  /** The supervisor has not been told yet that the zone was taken. */
  private adoptedTimer: NodeJS.Timeout | null = null;
  /** What the supervisor said while the rehearsal is coming to its end. */
  private readonly unheard: [message: SupervisorMessage | PassedMessage, descriptor: number][] = [];
  private readonly passage = new PassageEnd(Number(process.env[PASSAGE_VARIABLE] ?? -1), (message, descriptor) => this.hear(message as PassedMessage, descriptor));

  constructor() {
    if (this.devices.length === 0) throw new Error(`the driver ${this.driver.path} has no device`);
    const driver: DriverInfo = { path: this.driver.path, version: this.open.version, software: this.driver.software };
    setImmediate(() => loopDescriptor((process.channel as { fd?: number } | undefined)?.fd ?? -1));
    say({
      type: 'ready', driver,
      devices: this.devices.map((device) => ({ ordinal: device.ordinal, name: device.name, uuid: device.uuid.toString('hex'), totalMemory: device.totalMemory })),
    });
  }

  /** To be called when nothing else is to be done. */
  rehearse(): void {
    if (this.executor !== null) return;
    bindAll(this.driver);
    try {
      const stage = this.stage();
      if (stage === null) return say({ type: 'rehearsed' });
      this.rehearsal = new Rehearsal(stage, () => {
        this.rehearsal = null;
        if (this.unheard.length === 0) this.prepare();
        say({ type: 'rehearsed' });
        for (const [message, descriptor] of this.unheard.splice(0)) this.hear(message, descriptor);
      });
    } catch (error) {
      log.debug({ error: String(error) }, 'no rehearsal');
      say({ type: 'rehearsed' });
    }
  }

  /** Where to rehearse: the software GPU, whatever the zones will be served on. null: it is not there. */
  private stage(): OpenDriver | null {
    if (this.driver.software) return this.open;
    const path = process.env[STAGE_VARIABLE];
    if (path === undefined) return null;
    const stage = openDriver(path);
    bindAll(stage.driver);
    return stage;
  }

  /** A message over Node's channel. Those on the other way were sent before it. */
  hearChannel(message: SupervisorMessage): void {
    this.passage.drain();
    this.hear(message, -1);
  }

  /** `descriptor`: a client's socket, ours from here on; -1: none. */
  private hear(message: SupervisorMessage | PassedMessage, descriptor: number): void {
    try {
      this.receive(message, descriptor);
    } catch (error) {
      fail('INTERNAL', error);
    }
  }

  private receive(message: SupervisorMessage | PassedMessage, descriptor: number): void {
    if (this.rehearsal !== null) {
      this.rehearsal.stop();
      this.unheard.push([message, descriptor]);
      return;
    }
    switch (message.type) {
      case 'adopt':
        this.adopt(message.zone);
        if (message.client !== null && this.zone !== null) this.client(message.client, descriptor);
        return;
      case 'client':
        return this.client(message.id, descriptor);
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
    const zone = this.takePrepared(device, record) ?? this.make(device, record);
    if (zone === null) return fail('DRIVER_FAILED', new Error(`the driver ${this.driver.path} cannot make a context on device ${record.device}`));
    const { executor } = zone;
    executor.printed!.begin();
    this.executor = executor;
    this.zone = zone;
    this.adoptedTimer = setTimeout(() => this.sayAdopted(), ADOPTED_AFTER_MS);
  }

  private sayAdopted(): void {
    if (this.adoptedTimer === null) return;
    clearTimeout(this.adoptedTimer);
    this.adoptedTimer = null;
    say({ type: 'adopted' });
  }

  /** A zone on `device`, with all that serves it; null: the driver makes no context there. */
  private make(device: Device, record: ZoneRecord): Zone | null {
    const executor = new Executor(this.driver, device.device, record.limits, () => this.usageSoon());
    if (executor.internalContext() === 0) return null;
    executor.memory = createZoneMemory(executor, record.limits);
    executor.printed = this.printed ??= new Printed(Output.stdout);
    executor.asserted = this.asserted ??= new Asserted();
    executor.onWork = () => this.zone?.wake();
    executor.onLost = (status) => this.lost(status);
    return new Zone(record, executor, makeHandlers(registerMemoryHandlers), device, this.open.version, {
      clientGone: (id) => {
        this.usageNow();
        say({ type: 'client-gone', id });
      },
      deserted: (isDeserted) => this.linger(isDeserted),
      called: () => this.usageSoon(),
    }, (this.turns ??= Turns.at(Number(process.env[TURNS_VARIABLE] ?? -1))));
  }

  /** Makes what most zones will want; of a zone only where its context holds nothing of the card. */
  private prepare(): void {
    try {
      if (this.driver.software) this.prepared = this.make(this.devices[0], USUAL);
      rehearsePassage();
    } catch (error) {
      log.debug({ error: String(error) }, 'nothing could be prepared');
    }
    collect();
  }

  private takePrepared(device: Device, record: ZoneRecord): Zone | null {
    const zone = this.prepared;
    this.prepared = null;
    if (zone === null) return null;
    const { executor } = zone;
    if (executor.device !== device.device || !executor.memory.hasWindowsFor(record.limits)) {
      executor.memory.destroy();
      executor.release();
      return null;
    }
    zone.becomes(record);
    return zone;
  }

  private client(id: number, descriptor: number): void {
    if (descriptor >= 0) return this.zone!.connect(id, descriptor);
    log.debug({ client: id }, 'a client came without its socket: it hung up, or this process has as many descriptors as it may have');
    this.sayAdopted();
    say({ type: 'client-gone', id });
  }

  private lost(status: number): void {
    this.zone?.abandon(status);
    this.usageNow();
    fail('DRIVER_LOST', new Error(`it answers ${errorName(status)} to everything in this process`));
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
    this.usageTimer ??= setTimeout(this.usageDue, USAGE_EVERY_MS);
  }

  private usageNow(): void {
    if (this.usageTimer !== null) clearTimeout(this.usageTimer);
    this.usageTimer = null;
    if (this.executor === null) return;
    this.sayAdopted();
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
  // What was compiled while the process waited is not to be forgotten because it waited.
  setFlagsFromString('--no-flush-bytecode');
  try {
    const self = new Process();
    process.on('message', (message: SupervisorMessage) => self.hearChannel(message));
    setTimeout(() => self.rehearse(), REHEARSE_AFTER_MS);
  } catch (error) {
    fail('DRIVER_FAILED', error);
  }
  process.on('uncaughtException', (error) => fail('INTERNAL', error));
}
