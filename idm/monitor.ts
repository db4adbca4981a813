// What a monitor is told over a zone's socket, in TypeScript: monitor.h is the specification.
export const FEATURE_MONITOR = 1n
export const SNAPSHOT_MAGIC = 0x31746f6873706e53n
export const SNAPSHOT_PROCESSES = 128

export enum Sensor {
  temperature = 1 << 0, temperatureLimits = 1 << 1, power = 1 << 2, powerLimit = 1 << 3, fan = 1 << 4, clocks = 1 << 5,
  clocksMax = 1 << 6, performanceState = 1 << 7, pcieGeneration = 1 << 8, energy = 1 << 9, brand = 1 << 10, pcieWidth = 1 << 11,
}

/** Offsets in struct rf_snapshot. */
export const Snapshot = {
  magic: 0, size: 8, present: 12, time: 16, memoryTotal: 24, memoryUsed: 32, utilization: 40, temperature: 44, slowdown: 48, shutdown: 52,
  power: 56, powerLimit: 60, fan: 64, clockSm: 68, clockMemory: 72, clockSmMax: 76, clockMemoryMax: 80, performanceState: 84,
  pcieGeneration: 88, pcieWidth: 92, energy: 96, pciDomain: 104, pciBus: 108, pciDevice: 112, pciId: 116, capability: 120, busWidth: 124,
  cudaVersion: 128, ecc: 132, brand: 136, processCount: 140, driverVersion: 144, name: 224, zone: 352, uuid: 416, processes: 432,
} as const
export const PROCESS_BYTES = 112
export const SNAPSHOT_BYTES = Snapshot.processes + PROCESS_BYTES * SNAPSHOT_PROCESSES
/** Offsets in struct rf_process. */
export const ProcessEntry = { pid: 0, utilization: 4, memory: 8, program: 16 } as const

/** A device's sensors as they were last read; those that it lacks are undefined. Units as in monitor.h. */
export interface SensorValues {
  driverVersion: string
  temperature?: number | undefined
  slowdown?: number | undefined
  shutdown?: number | undefined
  power?: number | undefined
  powerLimit?: number | undefined
  fan?: number | undefined
  clockSm?: number | undefined
  clockMemory?: number | undefined
  clockSmMax?: number | undefined
  clockMemoryMax?: number | undefined
  performanceState?: number | undefined
  pcieGeneration?: number | undefined
  pcieWidth?: number | undefined
  energy?: number | undefined
  pciId?: number | undefined
  brand?: number | undefined
}

export interface ProcessView {
  pid: number
  utilization: number
  memory: number
  program: string
}

/** One answer, as the executor makes it and `ringfence smi` reads it. */
export interface SnapshotView {
  time: number
  memoryTotal: number
  memoryUsed: number
  utilization: number
  pciDomain: number
  pciBus: number
  pciDevice: number
  capability: [major: number, minor: number]
  busWidth: number
  cudaVersion: number
  ecc: boolean
  name: string
  zone: string
  /** `GPU-` and the five groups of hexadecimal digits. */
  uuid: string
  sensors: SensorValues
  processes: ProcessView[]
}

export function uuidText(uuid: Buffer): string {
  const hex = uuid.toString('hex')
  return `GPU-${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

const put = (b: Buffer, text: string, at: number, room: number): void => {
  b.fill(0, at, at + room)
  b.write(text, at, room - 1, 'utf8')
}

/** Writes `view` into `b` (SNAPSHOT_BYTES). */
export function writeSnapshot(b: Buffer, view: SnapshotView): void {
  const { sensors } = view
  let present = 0
  const sensor = (bit: Sensor, ...fields: [offset: number, value: number | undefined][]): void => {
    if (fields.every(([, value]) => value === undefined)) return
    present |= bit
    for (const [offset, value] of fields) b.writeUInt32LE((value ?? 0) >>> 0, offset)
  }
  b.fill(0, 0, Snapshot.processes)
  b.writeBigUInt64LE(SNAPSHOT_MAGIC, Snapshot.magic)
  b.writeUInt32LE(SNAPSHOT_BYTES, Snapshot.size)
  b.writeBigUInt64LE(BigInt(view.time), Snapshot.time)
  b.writeBigUInt64LE(BigInt(view.memoryTotal), Snapshot.memoryTotal)
  b.writeBigUInt64LE(BigInt(view.memoryUsed), Snapshot.memoryUsed)
  b.writeUInt32LE(view.utilization, Snapshot.utilization)
  sensor(Sensor.temperature, [Snapshot.temperature, sensors.temperature])
  sensor(Sensor.temperatureLimits, [Snapshot.slowdown, sensors.slowdown], [Snapshot.shutdown, sensors.shutdown])
  sensor(Sensor.power, [Snapshot.power, sensors.power])
  sensor(Sensor.powerLimit, [Snapshot.powerLimit, sensors.powerLimit])
  sensor(Sensor.fan, [Snapshot.fan, sensors.fan])
  sensor(Sensor.clocks, [Snapshot.clockSm, sensors.clockSm], [Snapshot.clockMemory, sensors.clockMemory])
  sensor(Sensor.clocksMax, [Snapshot.clockSmMax, sensors.clockSmMax], [Snapshot.clockMemoryMax, sensors.clockMemoryMax])
  sensor(Sensor.performanceState, [Snapshot.performanceState, sensors.performanceState])
  sensor(Sensor.pcieGeneration, [Snapshot.pcieGeneration, sensors.pcieGeneration])
  sensor(Sensor.pcieWidth, [Snapshot.pcieWidth, sensors.pcieWidth])
  sensor(Sensor.brand, [Snapshot.brand, sensors.brand])
  if (sensors.energy !== undefined) {
    present |= Sensor.energy
    b.writeBigUInt64LE(BigInt(sensors.energy), Snapshot.energy)
  }
  b.writeUInt32LE(present, Snapshot.present)
  b.writeUInt32LE(view.pciDomain, Snapshot.pciDomain)
  b.writeUInt32LE(view.pciBus, Snapshot.pciBus)
  b.writeUInt32LE(view.pciDevice, Snapshot.pciDevice)
  b.writeUInt32LE(sensors.pciId ?? 0, Snapshot.pciId)
  b.writeUInt32LE(view.capability[0] * 65536 + view.capability[1], Snapshot.capability)
  b.writeUInt32LE(view.busWidth, Snapshot.busWidth)
  b.writeInt32LE(view.cudaVersion, Snapshot.cudaVersion)
  b.writeUInt32LE(view.ecc ? 1 : 0, Snapshot.ecc)
  put(b, sensors.driverVersion, Snapshot.driverVersion, 80)
  put(b, view.name, Snapshot.name, 128)
  put(b, view.zone, Snapshot.zone, 64)
  b.write(view.uuid.replace(/^GPU-|-/g, ''), Snapshot.uuid, 16, 'hex')
  const processes = view.processes.slice(0, SNAPSHOT_PROCESSES)
  b.writeUInt32LE(processes.length, Snapshot.processCount)
  b.fill(0, Snapshot.processes)
  processes.forEach((process, i) => {
    const at = Snapshot.processes + i * PROCESS_BYTES
    b.writeUInt32LE(process.pid, at + ProcessEntry.pid)
    b.writeUInt32LE(process.utilization, at + ProcessEntry.utilization)
    b.writeBigUInt64LE(BigInt(process.memory), at + ProcessEntry.memory)
    put(b, process.program, at + ProcessEntry.program, 96)
  })
}

/** Reads a snapshot; null if these bytes are none. */
export function readSnapshot(b: Buffer): SnapshotView | null {
  if (b.length < SNAPSHOT_BYTES || b.readBigUInt64LE(0) !== SNAPSHOT_MAGIC || b.readUInt32LE(Snapshot.size) !== SNAPSHOT_BYTES) return null
  const text = (at: number, room: number): string => {
    const end = b.subarray(at, at + room).indexOf(0)
    return b.toString('utf8', at, at + (end < 0 ? room : end)).replace(/[\u0000-\u001f\u007f]/g, ' ')
  }
  const present = b.readUInt32LE(Snapshot.present)
  const has = (bit: Sensor, offset: number): number | undefined => ((present & bit) !== 0 ? b.readUInt32LE(offset) : undefined)
  const sensors: Record<string, number | string | undefined> = {
    driverVersion: text(Snapshot.driverVersion, 80),
    temperature: has(Sensor.temperature, Snapshot.temperature),
    slowdown: has(Sensor.temperatureLimits, Snapshot.slowdown),
    shutdown: has(Sensor.temperatureLimits, Snapshot.shutdown),
    power: has(Sensor.power, Snapshot.power),
    powerLimit: has(Sensor.powerLimit, Snapshot.powerLimit),
    fan: has(Sensor.fan, Snapshot.fan),
    clockSm: has(Sensor.clocks, Snapshot.clockSm),
    clockMemory: has(Sensor.clocks, Snapshot.clockMemory),
    clockSmMax: has(Sensor.clocksMax, Snapshot.clockSmMax),
    clockMemoryMax: has(Sensor.clocksMax, Snapshot.clockMemoryMax),
    performanceState: has(Sensor.performanceState, Snapshot.performanceState),
    pcieGeneration: has(Sensor.pcieGeneration, Snapshot.pcieGeneration),
    pcieWidth: has(Sensor.pcieWidth, Snapshot.pcieWidth),
    energy: (present & Sensor.energy) !== 0 ? Number(b.readBigUInt64LE(Snapshot.energy)) : undefined,
    pciId: b.readUInt32LE(Snapshot.pciId),
    brand: has(Sensor.brand, Snapshot.brand),
  }
  const capability = b.readUInt32LE(Snapshot.capability)
  const count = Math.min(b.readUInt32LE(Snapshot.processCount), SNAPSHOT_PROCESSES)
  return {
    time: Number(b.readBigUInt64LE(Snapshot.time)),
    memoryTotal: Number(b.readBigUInt64LE(Snapshot.memoryTotal)),
    memoryUsed: Number(b.readBigUInt64LE(Snapshot.memoryUsed)),
    utilization: b.readUInt32LE(Snapshot.utilization),
    pciDomain: b.readUInt32LE(Snapshot.pciDomain),
    pciBus: b.readUInt32LE(Snapshot.pciBus),
    pciDevice: b.readUInt32LE(Snapshot.pciDevice),
    capability: [capability >>> 16, capability & 0xffff],
    busWidth: b.readUInt32LE(Snapshot.busWidth),
    cudaVersion: b.readInt32LE(Snapshot.cudaVersion),
    ecc: b.readUInt32LE(Snapshot.ecc) === 1,
    name: text(Snapshot.name, 128),
    zone: text(Snapshot.zone, 64),
    uuid: uuidText(b.subarray(Snapshot.uuid, Snapshot.uuid + 16)),
    sensors: sensors as unknown as SensorValues,
    processes: Array.from({ length: count }, (_, i) => {
      const at = Snapshot.processes + i * PROCESS_BYTES
      return {
        pid: b.readUInt32LE(at + ProcessEntry.pid),
        utilization: b.readUInt32LE(at + ProcessEntry.utilization),
        memory: Number(b.readBigUInt64LE(at + ProcessEntry.memory)),
        program: text(at + ProcessEntry.program, 96),
      }
    }),
  }
}
