/**
 * The driver's virtual memory calls, with their structures prepared once: physical memory of the zone's device, mapped
 * readable and writable for that device. Every function answers a CUresult or, where it makes something, leaves that in
 * `made`. They need no context, but a driver may report the errors of the one that is current: they run in the executor's own, so that
 * a context that its client has ruined spoils nothing of another's.
 */
import { addressOf } from '../../driver/driver.ts';
import type { DriverCalls } from '../../generated/prototypes.ts';

export const ACCESS_NONE = 0;
export const ACCESS_READ = 1;
export const ACCESS_READ_WRITE = 3;

const PINNED = 1; // CU_MEM_ALLOCATION_TYPE_PINNED
const DEVICE = 1; // CU_MEM_LOCATION_TYPE_DEVICE
const MINIMUM = 0; // CU_MEM_ALLOC_GRANULARITY_MINIMUM

export class Physical {
  /** What the last successful create(), reserve() or granularity() made. */
  made = 0;

  /** CUmemAllocationProp, 32 bytes: type, handle types, location type and id, a pointer, flags. */
  private readonly properties = Buffer.allocUnsafeSlow(32).fill(0);
  /** CUmemAccessDesc, 12 bytes: location type and id, flags. */
  private readonly access = Buffer.allocUnsafeSlow(12).fill(0);
  private readonly out = new BigUint64Array(2);
  private readonly outWords = new Uint32Array(this.out.buffer);
  private readonly propertiesAt = addressOf(this.properties);
  private readonly accessAt = addressOf(this.access);
  private readonly outAt = addressOf(this.out);

  constructor(private readonly driver: DriverCalls, device: number, private readonly enter: () => void) {
    this.properties.writeUInt32LE(PINNED, 0);
    this.properties.writeUInt32LE(DEVICE, 8);
    this.properties.writeInt32LE(device, 12);
    this.access.writeUInt32LE(DEVICE, 0);
    this.access.writeInt32LE(device, 4);
  }

  /** Smallest size and alignment of physical memory and its mappings. */
  granularity(): number {
    return this.take(this.driver.cuMemGetAllocationGranularity(this.outAt, this.propertiesAt, MINIMUM));
  }

  /** Address space; `hint` 0: anywhere. */
  reserve(bytes: number, hint: number): number {
    return this.take(this.driver.cuMemAddressReserve(this.outAt, bytes, 0, hint, 0));
  }

  unreserve(address: number, bytes: number): number {
    return this.driver.cuMemAddressFree(address, bytes);
  }

  create(bytes: number): number {
    this.enter();
    return this.take(this.driver.cuMemCreate(this.outAt, bytes, this.propertiesAt, 0));
  }

  /** The mapping keeps the memory: it goes when it is released and unmapped. */
  release(memory: number): number {
    this.enter();
    return this.driver.cuMemRelease(memory);
  }

  map(address: number, bytes: number, memory: number): number {
    this.enter();
    return this.driver.cuMemMap(address, bytes, 0, memory, 0);
  }

  unmap(address: number, bytes: number): number {
    this.enter();
    return this.driver.cuMemUnmap(address, bytes);
  }

  setAccess(address: number, bytes: number, access: number): number {
    this.enter();
    this.access.writeUInt32LE(access, 8);
    return this.driver.cuMemSetAccess(address, bytes, this.accessAt, 1);
  }

  /** Fresh memory, mapped at `address`, readable and writable: not zeroed. `made`: its handle. All or nothing. */
  createAt(address: number, bytes: number): number {
    let status = this.create(bytes);
    if (status !== 0) return status;
    const memory = this.made;
    status = this.map(address, bytes, memory);
    if (status === 0) {
      status = this.setAccess(address, bytes, ACCESS_READ_WRITE);
      if (status === 0) {
        this.made = memory;
        return 0;
      }
      this.unmap(address, bytes);
    }
    this.release(memory);
    return status;
  }

  /** Bytes free on the whole card, of all processes; a context must be current. -1: the driver does not say. */
  cardFree(): number {
    if (this.driver.cuMemGetInfo_v2(this.outAt, this.outAt + 8) !== 0) return -1;
    return this.outWords[1] * 4294967296 + this.outWords[0];
  }

  private take(status: number): number {
    if (status === 0) this.made = this.outWords[1] * 4294967296 + this.outWords[0];
    return status;
  }
}
