/**
 * The zone's monitors: connections that only look (idm/monitor.h). Each byte of theirs is a question; the answer is made at most
 * every FRESH_MS, so that asking in a loop costs the zone a send and no more.
 */
import { SNAPSHOT_BYTES, uuidText, writeSnapshot } from '../../idm/monitor.ts';
import type { Device } from '../driver/devices.ts';
import { openSensors, type Sensors } from '../driver/sensors.ts';
import { close } from '../passed.ts';
import type { Connection } from './connection.ts';
import type { Executor } from './executor.ts';
import { send, Sent } from './system.ts';

export const MONITORS_MAX = 64;
const FRESH_MS = 10;

const ATTRIBUTE_ECC = 32;
const ATTRIBUTE_PCI_BUS = 33;
const ATTRIBUTE_PCI_DEVICE = 34;
const ATTRIBUTE_BUS_WIDTH = 37;
const ATTRIBUTE_PCI_DOMAIN = 50;
const ATTRIBUTE_MAJOR = 75;
const ATTRIBUTE_MINOR = 76;

export class Monitors {
  /** With the supervisor's number of each. */
  private readonly connections = new Map<Connection, number>();
  private readonly answer = Buffer.allocUnsafeSlow(SNAPSHOT_BYTES);
  private madeAt = -Infinity;
  private sensors: Sensors | null = null;

  constructor(
    private readonly executor: Executor,
    private readonly device: Device,
    private readonly zone: () => string,
    private readonly cudaVersion: number,
  ) {}

  get count(): number {
    return this.connections.size;
  }

  add(connection: Connection, id: number): void {
    this.connections.set(connection, id);
    this.refresh();
  }

  /** Answers a question. False: the monitor does not read, and is to be ended. */
  ask(connection: Connection): boolean {
    const now = performance.now();
    if (now - this.madeAt > FRESH_MS) {
      this.madeAt = now;
      this.write(now);
    }
    return send(connection.fd, this.answer) === Sent.all;
  }

  /** Ends a monitor. False: this connection is none. */
  remove(connection: Connection): boolean {
    if (!this.connections.delete(connection)) return false;
    connection.stop();
    close(connection.fd);
    return true;
  }

  all(): [Connection, number][] {
    return [...this.connections];
  }

  private refresh(): Sensors {
    this.sensors ??= openSensors(this.device, this.executor.driver.software);
    this.sensors.refresh();
    return this.sensors;
  }

  private write(now: number): void {
    const { executor, device } = this;
    const { attributes } = device;
    writeSnapshot(this.answer, {
      time: Date.now() * 1000,
      memoryTotal: executor.limits.memory,
      memoryUsed: executor.memory.usage().memory,
      utilization: executor.utilization.zone.percent(now),
      pciDomain: attributes[ATTRIBUTE_PCI_DOMAIN],
      pciBus: attributes[ATTRIBUTE_PCI_BUS],
      pciDevice: attributes[ATTRIBUTE_PCI_DEVICE],
      capability: [attributes[ATTRIBUTE_MAJOR], attributes[ATTRIBUTE_MINOR]],
      busWidth: attributes[ATTRIBUTE_BUS_WIDTH],
      cudaVersion: this.cudaVersion,
      ecc: attributes[ATTRIBUTE_ECC] !== 0,
      name: device.name,
      zone: this.zone(),
      uuid: uuidText(device.uuid),
      sensors: this.refresh().values,
      // As on hardware: a process is listed once it has a context.
      processes: executor.clients.filter((client) => client.hasContext).map((client) => ({
        pid: client.pid, utilization: client.busyTimes.percent(now), memory: client.memory.used, program: client.program,
      })),
    });
  }
}
