/**
 * The book of zones: which exist, with which limits, and whether the device can keep what they are promised. Pure records; sockets
 * and executors are elsewhere.
 */
import { RingfenceError } from '../errors.ts';
import { zoneLimits, zoneName, zoneRecord, type DeviceInfo, type ZoneLimits, type ZoneRecord } from './messages.ts';
import { formatSize } from './size.ts';
import { describeIssue } from './state.ts';

/** The most that may be asked for, so that a typing error does not become an executor of 100 GB. */
const CEILING: Readonly<Partial<ZoneLimits>> = { clients: 4096, allocations: 2 ** 24, handles: 2 ** 24 };

export interface BookOptions {
  readonly devices: readonly DeviceInfo[];
  /** Allow the zones of a device more memory together than it has. */
  readonly overcommit: boolean;
  /** The daemon's own uid: only root can give sockets away. */
  readonly uid: number;
}

export class ZoneBook {
  readonly #zones = new Map<string, ZoneRecord>();
  readonly #options: BookOptions;

  constructor(options: BookOptions) {
    this.#options = options;
  }

  get names(): string[] {
    return [...this.#zones.keys()].sort();
  }

  find(name: string): ZoneRecord | undefined {
    return this.#zones.get(name);
  }

  /** Throws ZONE_UNKNOWN. */
  get(name: string): ZoneRecord {
    const zone = this.#zones.get(name);
    if (!zone) throw new RingfenceError('ZONE_UNKNOWN', { name });
    return zone;
  }

  /** Bytes of device memory not yet promised to a zone; never negative. `device` must exist. */
  remaining(device: number): number {
    return Math.max(0, this.#device(device).totalMemory - this.promised(device));
  }

  /** Throws ZONE_NAME_INVALID, ZONE_EXISTS, ZONE_INVALID, ZONE_DEVICE_UNKNOWN, UID_NOT_PERMITTED or QUOTA_EXCEEDS_CARD. */
  add(zone: ZoneRecord): ZoneRecord {
    const { name } = zone;
    if (!zoneName.safeParse(name).success) throw new RingfenceError('ZONE_NAME_INVALID', { name });
    if (this.#zones.has(name)) throw new RingfenceError('ZONE_EXISTS', { name });
    const parsed = zoneRecord.safeParse(zone);
    if (!parsed.success) throw new RingfenceError('ZONE_INVALID', { why: describeIssue(parsed.error) });
    if (zone.uid !== null && zone.uid !== this.#options.uid && this.#options.uid !== 0) {
      throw new RingfenceError('UID_NOT_PERMITTED', { name, uid: zone.uid, self: this.#options.uid });
    }
    this.#checkLimits(zone.limits);
    this.#checkCard(zone.device, this.promised(zone.device), zone.limits.memory);
    this.#zones.set(name, parsed.data);
    return parsed.data;
  }

  /** Changes some limits. Throws ZONE_UNKNOWN, ZONE_INVALID or QUOTA_EXCEEDS_CARD; then nothing has changed. */
  setLimits(name: string, change: Partial<ZoneLimits>): ZoneRecord {
    const zone = this.get(name);
    const limits = { ...zone.limits, ...change };
    this.#checkLimits(limits);
    // Shrinking is allowed even where the card is promised twice over (a smaller card, overcommit switched off).
    if (limits.memory > zone.limits.memory) this.#checkCard(zone.device, this.promised(zone.device) - zone.limits.memory, limits.memory);
    const next = { ...zone, limits };
    this.#zones.set(name, next);
    return next;
  }

  /** Puts a record back that `get` gave, when the change that followed could not be kept. */
  restore(zone: ZoneRecord): void {
    this.#zones.set(zone.name, zone);
  }

  /** Throws ZONE_UNKNOWN. */
  remove(name: string): void {
    this.get(name);
    this.#zones.delete(name);
  }

  #device(ordinal: number): DeviceInfo {
    const device = this.#options.devices.find((each) => each.ordinal === ordinal);
    if (!device) throw new RingfenceError('ZONE_DEVICE_UNKNOWN', { device: ordinal, count: this.#options.devices.length });
    return device;
  }

  /** Bytes of device memory promised to the zones of a device. */
  promised(ordinal: number): number {
    let sum = 0;
    for (const zone of this.#zones.values()) if (zone.device === ordinal) sum += zone.limits.memory;
    return sum;
  }

  #checkLimits(limits: ZoneLimits): void {
    const parsed = zoneLimits.safeParse(limits);
    if (!parsed.success) throw new RingfenceError('ZONE_INVALID', { why: describeIssue(parsed.error) });
    for (const [key, value] of Object.entries(parsed.data)) {
      const most = CEILING[key as keyof ZoneLimits] ?? Number.MAX_SAFE_INTEGER;
      if (value < 1) throw new RingfenceError('ZONE_INVALID', { why: `${key} must be at least 1` });
      if (value > most) throw new RingfenceError('ZONE_INVALID', { why: `${key} must be at most ${most}` });
    }
  }

  #checkCard(ordinal: number, others: number, asked: number): void {
    const { totalMemory } = this.#device(ordinal);
    if (this.#options.overcommit || others + asked <= totalMemory) return;
    throw new RingfenceError('QUOTA_EXCEEDS_CARD', {
      device: ordinal,
      sum: formatSize(others + asked),
      card: formatSize(totalMemory),
      left: formatSize(Math.max(0, totalMemory - others)),
    });
  }
}
