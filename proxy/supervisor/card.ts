/**
 * The software GPU's card memory: one memfd of the card's size, made by the supervisor and inherited by every executor, so that
 * the executors' software GPUs are one card: total and free memory are true across processes, and freed frames stay dirty as on
 * real hardware. Sparse: it costs what is touched.
 */
import { closeSync, ftruncateSync } from 'node:fs';
import koffi from 'koffi';
import { RingfenceError } from '../errors.ts';
import { formatSize } from './size.ts';

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
const F_SEAL_SEAL = 1;
const F_SEAL_SHRINK = 2;

const libc = koffi.load(null);
const memfdCreate = libc.func('int memfd_create(const char *name, unsigned int flags)');
const fcntl = libc.func('int fcntl(int fd, int command, ...)');

/**
 * Returns a descriptor the caller owns. Sealed against shrinking: a subverted executor could otherwise truncate the card and kill every
 * other executor with SIGBUS. Throws CARD_MEMORY_FAILED.
 */
export function createCard(bytes: number): number {
  const failed = (why: string) => new RingfenceError('CARD_MEMORY_FAILED', { size: formatSize(bytes), why });
  const fd = memfdCreate('ringfence-card', MFD_CLOEXEC | MFD_ALLOW_SEALING) as number;
  if (fd < 0) throw failed(`memfd_create: errno ${koffi.errno()}`);
  try {
    ftruncateSync(fd, bytes);
    if (fcntl(fd, F_ADD_SEALS, 'int', F_SEAL_SHRINK | F_SEAL_SEAL) !== 0) throw new Error(`F_ADD_SEALS: errno ${koffi.errno()}`);
  } catch (error) {
    closeSync(fd);
    throw failed((error as Error).message);
  }
  return fd;
}
