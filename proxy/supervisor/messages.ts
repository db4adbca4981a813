/**
 * The messages between the supervisor and an executor (Node IPC), both directions. All of them are plain JSON, and the channel is
 * JSON (`serialization: 'json'`): its parser makes nothing but plain data of whatever a subverted executor sends, which V8's
 * structured-clone reader was not made for.
 *
 * Why the schemas sit here: an executor has handled a tenant's bytes, so the supervisor trusts it less than itself. Every
 * message of an executor is parsed by `executorMessage` before it is looked at; what does not fit ends that executor.
 * The executor trusts the supervisor and takes `SupervisorMessage` by its type alone.
 */
import { z } from 'zod';

/** A count or a number of bytes: a whole number that a double holds exactly. */
const whole = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);

/** The limits of a zone. Bytes: `memory` (device memory of all its clients together), `staging` (bulk-copy staging of all its regions). */
export const zoneLimits = z.strictObject({
  memory: whole,
  clients: whole,
  allocations: whole,
  handles: whole,
  staging: whole,
});
export type ZoneLimits = z.infer<typeof zoneLimits>;

/** What a zone uses at the moment; `memoryPeak`, `calls` and `refused` (requests refused by a quota) only grow during an executor's life. */
export const zoneUsage = z.strictObject({
  memory: whole,
  memoryPeak: whole,
  clients: whole,
  allocations: whole,
  handles: whole,
  staging: whole,
  calls: whole,
  refused: whole,
});
export type ZoneUsage = z.infer<typeof zoneUsage>;

export const noUsage: Readonly<ZoneUsage> = Object.freeze({
  memory: 0, memoryPeak: 0, clients: 0, allocations: 0, handles: 0, staging: 0, calls: 0, refused: 0,
});

/** 1 to 40 characters that are safe in a path, a table and an object's name: lower-case letters, digits, `-` and `_`, a letter or digit first. */
export const zoneName = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,39}$/);

/** A zone as it is kept and as its executor gets it. `device` is the driver's ordinal; `uid` owns the socket (null: the daemon's own). */
export const zoneRecord = z.strictObject({
  name: zoneName,
  device: z.number().int().min(0).max(1023),
  limits: zoneLimits,
  token: z.string().min(1).max(128).nullable(),
  uid: z.number().int().min(0).max(0xffff_fffe).nullable(),
});
export type ZoneRecord = z.infer<typeof zoneRecord>;

export const deviceInfo = z.strictObject({
  ordinal: z.number().int().min(0).max(1023),
  name: z.string().max(256),
  uuid: z.string().regex(/^[0-9a-f]{32}$/),
  totalMemory: whole,
});
export type DeviceInfo = z.infer<typeof deviceInfo>;

export const driverInfo = z.strictObject({
  path: z.string().max(4096),
  /** As `cuDriverGetVersion` gives it: 13000 for 13.0. */
  version: z.number().int().nonnegative(),
  /** True for the software GPU (`stub-driver/`). */
  software: z.boolean(),
});
export type DriverInfo = z.infer<typeof driverInfo>;

/**
 * What the names of a process's shared-memory objects begin with (in `/dev/shm`; `shm_open` wants a `/` before it). The process
 * id in it lets the supervisor remove what an executor left when it was killed between creating and unlinking an object.
 */
export const shmPrefix = (pid: number): string => `ringfence-${pid}-`;

/** The page of turns (`proxy/executor/turns.ts`) that executors inherit, in bytes; the variable that says as which descriptor. */
export const TURNS_BYTES = 32 * 1024;
export const TURNS_VARIABLE = 'RINGFENCE_TURNS_FD';

/** The variable that tells executors of a real driver where the software GPU is, on which they rehearse. */
export const STAGE_VARIABLE = 'RINGFENCE_STAGE';

/**
 * Supervisor to executor, with a client's accepted socket (`proxy/passage.ts`). The client that the zone is adopted for comes with the zone: a second message would be a
 * second wake-up before its first answer. `client` null: it hung up, and no socket comes.
 */
export type PassedMessage =
  | { type: 'adopt'; zone: ZoneRecord; client: number | null }
  | { type: 'client'; id: number };

/** Supervisor to executor, over Node's channel. */
export type SupervisorMessage =
  | { type: 'limits'; limits: ZoneLimits }
  /** More zones are busy than there are cores for, or no longer (`crowd.ts`): executors take turns while it is so. */
  | { type: 'crowd'; crowded: boolean }
  | { type: 'stop' };

/** Executor to supervisor. */
export const executorMessage = z.discriminatedUnion('type', [
  /** The driver is loaded, `cuInit` has succeeded: the executor can adopt a zone. */
  z.strictObject({ type: z.literal('ready'), driver: driverInfo, devices: z.array(deviceInfo).max(1024) }),
  /** The executor cannot go on and will exit. `code` is a row of `proxy/errors.ts`. */
  z.strictObject({ type: z.literal('failed'), code: z.string().max(64), message: z.string().max(4096) }),
  /** It has done all that can be done before a zone comes (`executor/rehearsal.ts`), or was interrupted in it. */
  z.strictObject({ type: z.literal('rehearsed') }),
  z.strictObject({ type: z.literal('adopted') }),
  z.strictObject({ type: z.literal('client-gone'), id: whole }),
  z.strictObject({ type: z.literal('usage'), usage: zoneUsage }),
  /**
   * No client for the linger time: the supervisor ends this executor with `stop`. Not if it has sent a client meanwhile: then
   * the executor goes on, and says `idle` again after that client's linger time.
   */
  z.strictObject({ type: z.literal('idle') }),
]);
export type ExecutorMessage = z.infer<typeof executorMessage>;
