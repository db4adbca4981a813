/**
 * Memory that the supervisor makes and its executors inherit: a memfd, sealed against shrinking, because a subverted executor could
 * otherwise truncate it and kill every other executor with SIGBUS.
 */
import { closeSync, ftruncateSync } from 'node:fs';
import koffi from 'koffi';

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
const F_SEAL_SEAL = 1;
const F_SEAL_SHRINK = 2;

const libc = koffi.load(null);
const memfdCreate = libc.func('int memfd_create(const char *name, unsigned int flags)');
const fcntl = libc.func('int fcntl(int fd, int command, ...)');

/** `bytes` of zeros, which cost what is touched. Returns a descriptor the caller owns; `name` shows in /proc. Throws an Error that says what the system said. */
export function sealedMemory(name: string, bytes: number): number {
  const fd = memfdCreate(name, MFD_CLOEXEC | MFD_ALLOW_SEALING) as number;
  if (fd < 0) throw new Error(`memfd_create: errno ${koffi.errno()}`);
  try {
    ftruncateSync(fd, bytes);
    if (fcntl(fd, F_ADD_SEALS, 'int', F_SEAL_SHRINK | F_SEAL_SEAL) !== 0) throw new Error(`F_ADD_SEALS: errno ${koffi.errno()}`);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return fd;
}
