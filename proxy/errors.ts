/**
 * The errors of the proxy, in one table: a stable code, the sentence and what to do about it.
 *
 * Codes are an interface (the API, scripts and logs carry them): never rename one, never reuse one. `{name}` in a template is
 * filled from the error's parameters. A sentence names the thing that is wrong; the fix says what the reader can do.
 * Errors that go to a CUDA client are CUresult values and live with the calls, not here.
 */

interface Row {
  readonly sentence: string;
  readonly fix: string;
}

const rows = <K extends string>(table: Record<K, Row>): Record<K, Row> => table;

export const errors = rows({
  // Sizes and zones
  SIZE_INVALID: {
    sentence: '"{text}" is not a size{why}',
    fix: 'give a whole number of bytes or one with a unit: 16Gi, 16GiB (1024s), 4G, 4GB (1000s), 1024Mi, 512M, 64Ki, 1K, 1073741824',
  },
  ZONE_NAME_INVALID: {
    sentence: '"{name}" is not a zone name',
    fix: 'use 1 to 40 lower-case letters, digits, "-" and "_", starting with a letter or a digit',
  },
  ZONE_INVALID: { sentence: 'the zone cannot be used: {why}', fix: 'correct that value; "ringfence zone create --help" lists what each accepts' },
  ZONE_EXISTS: { sentence: 'a zone named "{name}" exists already', fix: 'change it with "ringfence zone set {name}", or remove it first with "ringfence zone remove {name}"' },
  ZONE_UNKNOWN: { sentence: 'there is no zone named "{name}"', fix: '"ringfence zone list" shows the zones; make one with "ringfence zone create {name} --memory SIZE"' },
  ZONE_DEVICE_UNKNOWN: { sentence: 'there is no device {device}: the driver has {count}', fix: 'give --device a number below {count}; "ringfence status" lists the devices' },
  ZONE_BELOW_USE: { sentence: 'zone "{name}" holds {used} {what}, more than the new limit of {limit}', fix: 'end clients of the zone first, or give --{what} at least {used}' },
  QUOTA_EXCEEDS_CARD: {
    sentence: 'the zones of device {device} would be promised {sum} of memory together, but the device has {card}',
    fix: 'give --memory at most {left}, shrink another zone, or start the daemon with --overcommit',
  },
  UID_NOT_PERMITTED: { sentence: 'zone "{name}" cannot belong to uid {uid}: the daemon runs as uid {self} and may not give its socket away', fix: 'leave --uid out, or run "ringfence serve" as root' },

  // Run directory and state
  RUN_DIR_UNUSABLE: { sentence: 'the run directory {path} cannot be used: {why}', fix: 'point RINGFENCE_RUN_DIR (or --run-dir) at a directory that you can write' },
  RUN_DIR_NOT_OURS: { sentence: 'the run directory {path} belongs to uid {owner}, not to you (uid {self})', fix: 'point RINGFENCE_RUN_DIR (or --run-dir) at a directory of your own' },
  RUN_DIR_BUSY: { sentence: 'another daemon (process {pid}) uses the run directory {path}', fix: 'stop it (kill {pid}), or give this one its own: RINGFENCE_RUN_DIR=/other/path' },
  SOCKET_PATH_TOO_LONG: { sentence: 'the socket path {path} has {length} bytes, a UNIX socket allows 107', fix: 'choose a shorter run directory (RINGFENCE_RUN_DIR or --run-dir) or zone name' },
  STATE_CORRUPT: { sentence: 'the state file {path} cannot be used: {why}', fix: 'restore it, or move it away (mv {path} {path}.bad) and create the zones again' },

  // Driver and executors
  DRIVER_NOT_FOUND: { sentence: 'there is no driver at {path}', fix: 'give --driver auto, stub, or the path of a libcuda.so.1; for the software GPU of a checkout run "node scripts/build.mjs" first' },
  DRIVER_FAILED: { sentence: 'the driver {path} does not work: {why}', fix: 'choose another with --driver (stub is the software GPU), or look into the driver\'s own log' },
  DRIVER_LOST: { sentence: 'the driver {path} is of no use any more to an executor: {why}', fix: 'the zone\'s next client gets a fresh executor; if it comes back without a program\'s fault, look for the device in the kernel\'s log (NVRM: Xid)' },
  EXECUTOR_MISSING: { sentence: 'the executor program {path} is missing', fix: 'run "node scripts/build.mjs"' },
  EXECUTOR_FAILED: { sentence: 'an executor could not start: {why}', fix: 'see the daemon\'s log; --log-level debug tells more' },
  CARD_MEMORY_FAILED: { sentence: 'the software GPU\'s memory of {size} cannot be made: {why}', fix: 'give --card-memory a smaller size' },

  // API and command line
  REQUEST_INVALID: { sentence: 'the request cannot be understood: {why}', fix: 'use the "ringfence" command of the same version as the daemon' },
  NOT_FOUND: { sentence: 'the daemon has no {method} {path}', fix: 'use the "ringfence" command of the same version as the daemon' },
  STOPPING: { sentence: 'the daemon is stopping', fix: 'start it again with "ringfence serve"' },
  INTERNAL: { sentence: 'the daemon made a mistake: {why}', fix: 'report this with the daemon\'s log' },
  NO_DAEMON: { sentence: 'no daemon answers in the run directory {path}', fix: 'start one with "ringfence serve", or point RINGFENCE_RUN_DIR (or --run-dir) at its directory' },
  DAEMON_UNREACHABLE: { sentence: 'the daemon in {path} cannot be talked to: {why}', fix: 'run as the daemon\'s user or as root, or see its log' },
  ZONE_UNREACHABLE: { sentence: 'the zone at {path} cannot be looked at: {why}', fix: 'see that the daemon runs and that this user may open the socket; RINGFENCE_SOCKET names the zone\'s socket, RINGFENCE_TOKEN its token' },
  DAEMON_DIED: { sentence: 'the private daemon did not start: {why}', fix: 'run "ringfence serve" to see what it says' },
  DEFAULT_ZONE_MISSING: { sentence: 'the daemon in {path} has no zone "default", and neither --zone nor --memory was given', fix: 'name a zone with --zone, or ask for a temporary one with --memory SIZE' },
  UNEXPECTED: { sentence: 'something unforeseen went wrong: {why}', fix: 'report this with the command that you ran' },
  COMMAND_NOT_FOUND: { sentence: 'cannot run "{command}": it is not there', fix: 'check the spelling, or give its path' },
  COMMAND_NOT_EXECUTABLE: { sentence: 'cannot run "{command}": {why}', fix: 'make it executable (chmod +x), or name the interpreter' },
  CLIENT_LIBRARY_MISSING: { sentence: 'the client library {path} is missing', fix: 'run "node scripts/build.mjs"' },
});

export type ErrorCode = keyof typeof errors;

/** What the API sends and the command line prints. */
export interface ErrorBody {
  readonly code: string;
  readonly message: string;
  readonly fix: string;
}

/** By its shape and not its class: the daemon's and the command line's bundles each have a class of their own. */
export const isErrorBody = (value: unknown): value is ErrorBody =>
  value instanceof Error && typeof (value as Partial<ErrorBody>).code === 'string' && typeof (value as Partial<ErrorBody>).fix === 'string';

const fill = (template: string, parameters: Readonly<Record<string, string | number>>): string =>
  template.replace(/\{(\w+)\}/g, (_, name: string) => String(parameters[name] ?? ''));

/** An error with a row in the table. `message` is the filled sentence. */
export class RingfenceError extends Error implements ErrorBody {
  readonly code: ErrorCode;
  readonly fix: string;

  constructor(code: ErrorCode, parameters: Readonly<Record<string, string | number>> = {}) {
    super(fill(errors[code].sentence, parameters));
    this.name = 'RingfenceError';
    this.code = code;
    this.fix = fill(errors[code].fix, parameters);
  }

  body(): ErrorBody {
    return { code: this.code, message: this.message, fix: this.fix };
  }
}
