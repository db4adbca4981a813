/**
 * The device's sensors: on real hardware NVML's, on the software GPU what the machine has that does its work.
 *
 * NVML's calls take up to milliseconds each, so they run on koffi's threads, one after the other, while somebody asks, and
 * `values` is what they last said. A sensor that the device lacks stays undefined.
 */
import koffi, { type LibraryHandle } from 'koffi';
import { readdirSync, readFileSync } from 'node:fs';
import { type SensorValues, uuidText } from '../../idm/monitor.ts';
import type { Device } from './devices.ts';
import { addressOf } from './driver.ts';

const REFRESH_MS = 500;
const ATTRIBUTE_CLOCK_KHZ = 13;
const ATTRIBUTE_MEMORY_CLOCK_KHZ = 36;
/** The first driver branch that has CUDA 13.0: what programs that compare driver versions need to see. */
const SOFTWARE_DRIVER = '580.00';

const NVML_TEMPERATURE_GPU = 0;
const NVML_THRESHOLD_SHUTDOWN = 0;
const NVML_THRESHOLD_SLOWDOWN = 1;
const NVML_CLOCK_SM = 1;
const NVML_CLOCK_MEM = 2;

export interface Sensors {
  readonly values: SensorValues;
  /** Somebody looks: reads the sensors anew if that was some time ago; `values` follows a moment later. */
  refresh(): void;
}

export function openSensors(device: Device, software: boolean): Sensors {
  if (software) return new SoftwareSensors(device);
  try {
    return new NvmlSensors(koffi.load('libnvidia-ml.so.1'), device);
  } catch {
    return new NoSensors(device);
  }
}

const megahertz = (device: Device, attribute: number): number | undefined => {
  const kilohertz = device.attributes[attribute];
  return kilohertz > 0 ? Math.round(kilohertz / 1000) : undefined;
};

/** A driver without NVML beside it: what the driver itself says. */
class NoSensors implements Sensors {
  readonly values: SensorValues;

  constructor(device: Device) {
    this.values = { driverVersion: 'unknown', clockSmMax: megahertz(device, ATTRIBUTE_CLOCK_KHZ), clockMemoryMax: megahertz(device, ATTRIBUTE_MEMORY_CLOCK_KHZ) };
  }

  refresh(): void {
    // Nothing changes.
  }
}

/** The software GPU's die is the CPU: its temperature is that of the machine's first thermal zone, where there is one. */
class SoftwareSensors implements Sensors {
  readonly values: SensorValues;
  private readonly thermal: string | null;
  private readAt = -Infinity;

  constructor(device: Device) {
    const clockSm = megahertz(device, ATTRIBUTE_CLOCK_KHZ);
    const clockMemory = megahertz(device, ATTRIBUTE_MEMORY_CLOCK_KHZ);
    this.values = { driverVersion: SOFTWARE_DRIVER, clockSm, clockMemory, clockSmMax: clockSm, clockMemoryMax: clockMemory, performanceState: 0 };
    this.thermal = thermalZone();
  }

  refresh(): void {
    const now = performance.now();
    if (this.thermal === null || now - this.readAt < REFRESH_MS) return;
    this.readAt = now;
    try {
      const celsius = Math.round(Number(readFileSync(this.thermal, 'latin1')) / 1000);
      this.values.temperature = celsius > 0 && celsius < 150 ? celsius : undefined;
    } catch {
      this.values.temperature = undefined;
    }
  }
}

function thermalZone(): string | null {
  const folder = '/sys/class/thermal';
  try {
    const zone = readdirSync(folder).filter((name) => name.startsWith('thermal_zone')).sort()[0];
    return zone === undefined ? null : `${folder}/${zone}/temp`;
  } catch {
    return null;
  }
}

type Call = { async(...args: unknown[]): void };

class NvmlSensors implements Sensors {
  readonly values: SensorValues;
  private readonly out = Buffer.allocUnsafeSlow(256);
  private readonly at = addressOf(this.out);
  private handle = 0n;
  private readonly bound = new Map<string, Call>();
  private reading = false;
  private dead = false;
  private readAt = -Infinity;

  constructor(private readonly library: LibraryHandle, private readonly device: Device) {
    this.values = { driverVersion: 'unknown' };
  }

  refresh(): void {
    if (this.reading || this.dead || performance.now() - this.readAt < REFRESH_MS) return;
    this.reading = true;
    this.read().catch(() => {
      this.dead = true;
    }).finally(() => {
      this.readAt = performance.now();
      this.reading = false;
    });
  }

  /** Runs an NVML call on another thread: its status. */
  private call(name: string, types: string[], ...args: unknown[]): Promise<number> {
    let bound = this.bound.get(name);
    if (bound === undefined) {
      try {
        bound = this.library.func(name, 'int', types) as unknown as Call;
      } catch {
        return Promise.resolve(13); // this NVML is older
      }
      this.bound.set(name, bound);
    }
    return new Promise((done) => bound.async(...args, (error: unknown, status: number) => done(error ? 999 : status)));
  }

  /** One number of the device; undefined: it has no such sensor. */
  private async ask(name: string, ...numbers: number[]): Promise<number | undefined> {
    const status = await this.call(name, ['uint64_t', ...numbers.map(() => 'uint32_t'), 'uintptr_t'], this.handle, ...numbers, this.at);
    return status === 0 ? this.out.readUInt32LE(0) : undefined;
  }

  private async open(): Promise<boolean> {
    if (this.handle !== 0n) return true;
    if ((await this.call('nvmlInit_v2', [])) !== 0) return false;
    if ((await this.call('nvmlDeviceGetHandleByUUID', ['str', 'uintptr_t'], uuidText(this.device.uuid), this.at)) !== 0) return false;
    this.handle = this.out.readBigUInt64LE(0);
    if ((await this.call('nvmlSystemGetDriverVersion', ['uintptr_t', 'uint32_t'], this.at, 80)) === 0) {
      const end = this.out.indexOf(0);
      this.values.driverVersion = this.out.toString('latin1', 0, end < 0 ? 80 : end);
    }
    // nvmlPciInfo_t: bus id (16), domain, bus, device, then the ids.
    if ((await this.call('nvmlDeviceGetPciInfo_v3', ['uint64_t', 'uintptr_t'], this.handle, this.at)) === 0) this.values.pciId = this.out.readUInt32LE(28);
    this.values.brand = await this.ask('nvmlDeviceGetBrand');
    return true;
  }

  private async read(): Promise<void> {
    if (!(await this.open())) throw new Error('NVML does not know the device');
    const { values } = this;
    values.temperature = await this.ask('nvmlDeviceGetTemperature', NVML_TEMPERATURE_GPU);
    values.shutdown = await this.ask('nvmlDeviceGetTemperatureThreshold', NVML_THRESHOLD_SHUTDOWN);
    values.slowdown = await this.ask('nvmlDeviceGetTemperatureThreshold', NVML_THRESHOLD_SLOWDOWN);
    values.power = await this.ask('nvmlDeviceGetPowerUsage');
    values.powerLimit = await this.ask('nvmlDeviceGetEnforcedPowerLimit');
    values.fan = await this.ask('nvmlDeviceGetFanSpeed');
    values.clockSm = await this.ask('nvmlDeviceGetClockInfo', NVML_CLOCK_SM);
    values.clockMemory = await this.ask('nvmlDeviceGetClockInfo', NVML_CLOCK_MEM);
    values.clockSmMax = await this.ask('nvmlDeviceGetMaxClockInfo', NVML_CLOCK_SM);
    values.clockMemoryMax = await this.ask('nvmlDeviceGetMaxClockInfo', NVML_CLOCK_MEM);
    values.performanceState = await this.ask('nvmlDeviceGetPerformanceState');
    values.pcieGeneration = await this.ask('nvmlDeviceGetCurrPcieLinkGeneration');
    values.pcieWidth = await this.ask('nvmlDeviceGetCurrPcieLinkWidth');
    values.energy = (await this.call('nvmlDeviceGetTotalEnergyConsumption', ['uint64_t', 'uintptr_t'], this.handle, this.at)) === 0
      ? Number(this.out.readBigUInt64LE(0)) : undefined;
  }
}
