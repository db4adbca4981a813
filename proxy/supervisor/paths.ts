/**
 * The run directory's layout and its default place. Shared by the daemon and the command line; touches no file.
 *
 *   <run>/                 0711  so that another uid can reach its zone's socket but list nothing
 *   <run>/control.sock     0600  the API
 *   <run>/daemon.pid       0644
 *   <run>/zones.json       0600  the zones' records (with tokens)
 *   <run>/zones/<name>/    0711  mount this folder at /run/ringfence in a container
 *   <run>/zones/<name>/zone.sock  0600, owned by the zone's uid: who can open it is the zone
 */
import { join, resolve } from 'node:path';
import { RingfenceError } from '../errors.ts';

/** `sun_path` holds 108 bytes with its terminating zero. */
const MAX_SOCKET_PATH = 107;

export const controlSocket = (run: string): string => join(run, 'control.sock');
export const pidFile = (run: string): string => join(run, 'daemon.pid');
export const stateFile = (run: string): string => join(run, 'zones.json');
export const zonesFolder = (run: string): string => join(run, 'zones');
export const zoneFolder = (run: string, name: string): string => join(run, 'zones', name);
export const zoneSocket = (run: string, name: string): string => join(run, 'zones', name, 'zone.sock');

/** RINGFENCE_RUN_DIR, else the system's run directory for root, else the user's, else one in /tmp named by the uid. Absolute. */
export function defaultRunDir(env: NodeJS.ProcessEnv = process.env, uid: number = process.getuid!()): string {
  if (env['RINGFENCE_RUN_DIR']) return resolve(env['RINGFENCE_RUN_DIR']);
  if (uid === 0) return '/run/ringfence';
  if (env['XDG_RUNTIME_DIR']) return join(resolve(env['XDG_RUNTIME_DIR']), 'ringfence');
  return `/tmp/ringfence-${uid}`;
}

/** Throws SOCKET_PATH_TOO_LONG: the kernel would cut the path or refuse it with a bare EINVAL. */
export function checkSocketPath(path: string): void {
  const length = Buffer.byteLength(path);
  if (length > MAX_SOCKET_PATH) throw new RingfenceError('SOCKET_PATH_TOO_LONG', { path, length });
}
