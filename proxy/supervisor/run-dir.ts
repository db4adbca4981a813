/**
 * Takes the run directory for one daemon: makes it, locks it, and removes what a crashed daemon left.
 *
 * The lock is `flock` on the directory itself. The kernel drops it when the daemon dies, however it dies, and there is no lock
 * file whose removal could race with the next daemon. The pid file only serves the error message.
 */
import { chmodSync, closeSync, constants, fchmodSync, fstatSync, lstatSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, rmdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import koffi from 'koffi';
import { RingfenceError } from '../errors.ts';
import { checkSocketPath, controlSocket, pidFile, stateFile, zoneFolder, zonesFolder } from './paths.ts';

const LOCK_EX = 2;
const LOCK_NB = 4;

const flock = koffi.load(null).func('int flock(int fd, int operation)');

export class RunDir {
  readonly path: string;
  readonly #fd: number;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  /**
   * Opens and locks `path`, creating it if needed, and writes the pid file. Throws RUN_DIR_UNUSABLE, RUN_DIR_NOT_OURS (a
   * directory of another user, as can be planted in /tmp), RUN_DIR_BUSY or SOCKET_PATH_TOO_LONG.
   */
  static open(path: string): RunDir {
    checkSocketPath(controlSocket(path));
    let fd: number;
    try {
      makeFolders(path);
      fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    } catch (error) {
      throw new RingfenceError('RUN_DIR_UNUSABLE', { path, why: (error as Error).message });
    }
    try {
      const owner = fstatSync(fd).uid;
      const self = process.geteuid!();
      if (owner !== self) throw new RingfenceError('RUN_DIR_NOT_OURS', { path, owner, self });
      if (flock(fd, LOCK_EX | LOCK_NB) !== 0) throw new RingfenceError('RUN_DIR_BUSY', { path, pid: readPid(path) });
      fchmodSync(fd, 0o711);
      writeFileSync(pidFile(path), `${process.pid}\n`, { mode: 0o644 });
      mkdirSync(zonesFolder(path), { recursive: true });
      chmodSync(zonesFolder(path), 0o711);
    } catch (error) {
      closeSync(fd);
      throw error instanceof RingfenceError ? error : new RingfenceError('RUN_DIR_UNUSABLE', { path, why: (error as Error).message });
    }
    return new RunDir(path, fd);
  }

  /** Removes what a crashed daemon left: every socket, half-written state, and the folders of zones that are not in `zones`. */
  sweep(zones: ReadonlySet<string>): void {
    rmSync(controlSocket(this.path), { force: true });
    for (const name of readdirSync(this.path)) {
      if (name.startsWith(`${basename(stateFile(this.path))}.`) && name.endsWith('.tmp')) rmSync(join(this.path, name), { force: true });
    }
    for (const name of readdirSync(zonesFolder(this.path))) {
      rmSync(join(zoneFolder(this.path, name), 'zone.sock'), { force: true });
      if (!zones.has(name)) rmSync(zoneFolder(this.path, name), { recursive: true, force: true });
    }
  }

  /** Lets go of the directory. What stays is the zones' state, if there are zones; with none, nothing does. */
  close(): void {
    rmSync(controlSocket(this.path), { force: true });
    rmSync(pidFile(this.path), { force: true });
    for (const folder of [zonesFolder(this.path), this.path]) {
      try {
        rmdirSync(folder);
      } catch {
        // Not empty (zones are kept), or its parent is not ours: it stays.
      }
    }
    closeSync(this.#fd);
  }
}

/** Makes a folder and its parents. Not Node's `recursive`: that one never returns below a folder that answers ENOENT to every
 *  mkdir (`/proc`). */
function makeFolders(path: string): void {
  const make = (): void => {
    try {
      mkdirSync(path, { mode: 0o711 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  };
  try {
    make();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw error;
    makeFolders(dirname(path));
    make();
  }
}

function readPid(path: string): string {
  try {
    return readFileSync(pidFile(path), 'utf8').trim() || 'unknown';
  } catch {
    return 'unknown';
  }
}

/**
 * Removes shared-memory objects of executors that no longer run: an object has a name only for the moment between its creation
 * and both sides holding it, so a name of a dead process is what a crash left. Only our own uid's objects are touched.
 * `pid` limits it to one process that has just ended. Returns how many were removed.
 */
export function sweepSharedMemory(pid?: number, folder = '/dev/shm'): number {
  let removed = 0;
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return 0;
  }
  for (const name of names) {
    const owner = Number(/^ringfence-(\d+)-/.exec(name)?.[1] ?? NaN);
    if (Number.isNaN(owner) || (pid === undefined ? isAlive(owner) : owner !== pid)) continue;
    try {
      if (lstatSync(join(folder, name)).uid !== process.geteuid!()) continue;
      rmSync(join(folder, name));
      removed++;
    } catch {
      // Gone meanwhile.
    }
  }
  return removed;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
