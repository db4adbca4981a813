/**
 * What a driver says about its devices: everything a client may ask without a message, and what the supervisor's table shows.
 */
import { ATTRIBUTES } from '../../idm/region.ts';
import { addressOf, type Driver, loadDriver, must } from './driver.ts';

export interface Device {
  readonly ordinal: number;
  /** The driver's CUdevice. */
  readonly device: number;
  readonly name: string;
  /** 16 bytes. */
  readonly uuid: Buffer;
  /** Bytes, of the whole card. */
  readonly totalMemory: number;
  readonly attributes: Int32Array;
  /** Bit i: the driver answered attribute i. */
  readonly present: Uint32Array;
}

/** CUDA 13.0's attributes are numbered below this. */
const ATTRIBUTE_END = 160;

const out = Buffer.allocUnsafeSlow(512);
const outAddress = addressOf(out);

/** A driver that is ready to make contexts. */
export interface OpenDriver {
  readonly driver: Driver;
  /** As cuDriverGetVersion gives it: 13000 for 13.0. */
  readonly version: number;
  /** None: the driver has none, or lets this process see none. */
  readonly devices: readonly Device[];
}

/** Loads and initialises the driver at `path`. Always the same calls in the same order: two drivers of one process have one shape after it (driver.ts). Throws DriverError. */
export function openDriver(path: string): OpenDriver {
  const driver = loadDriver(path);
  must('cuInit', driver.cuInit(0));
  must('cuDriverGetVersion', driver.cuDriverGetVersion(outAddress));
  const version = out.readInt32LE(0);
  return { driver, version, devices: readDevices(driver) };
}

/** After cuInit. Throws DriverError. */
export function readDevices(driver: Driver): Device[] {
  must('cuDeviceGetCount', driver.cuDeviceGetCount(outAddress));
  const count = out.readInt32LE(0);
  const devices: Device[] = [];
  for (let ordinal = 0; ordinal < count; ordinal++) {
    must('cuDeviceGet', driver.cuDeviceGet(outAddress, ordinal));
    const device = out.readInt32LE(0);
    out.fill(0);
    must('cuDeviceGetName', driver.cuDeviceGetName(outAddress, 256, device));
    const end = out.indexOf(0);
    const name = out.toString('latin1', 0, end < 0 ? 255 : end);
    must('cuDeviceGetUuid', driver.cuDeviceGetUuid_v2(outAddress, device));
    const uuid = Buffer.from(out.subarray(0, 16));
    must('cuDeviceTotalMem', driver.cuDeviceTotalMem_v2(outAddress, device));
    const totalMemory = Number(out.readBigUInt64LE(0));
    const attributes = new Int32Array(ATTRIBUTES);
    const present = new Uint32Array(ATTRIBUTES / 32);
    for (let attribute = 1; attribute <= ATTRIBUTE_END; attribute++) {
      if (driver.cuDeviceGetAttribute(outAddress, attribute, device) !== 0) continue;
      attributes[attribute] = out.readInt32LE(0);
      present[attribute >> 5] |= 1 << (attribute & 31);
    }
    devices.push({ ordinal, device, name, uuid, totalMemory, attributes, present });
  }
  return devices;
}
