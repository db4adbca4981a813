/**
 * What kernels print. A driver writes it to the standard output of the process that it runs in, which is this one, at the points that CUDA
 * names: a synchronisation, a blocking copy, a launch, the end of a module. So standard output is an anonymous file here (a pipe
 * that is full would stop the driver), which is read after each such point and belongs to the client that it was for.
 *
 * Nothing else writes there: logs go to standard error. Clients whose code cannot print (`prints`) cost nothing.
 */
import { readSync } from 'node:fs';
import koffi from 'koffi';
import type { Image } from './code/images.ts';

const libc = koffi.load(null);
const memfdCreate = libc.func('int memfd_create(const char *name, unsigned int flags)');
const dup2Call = libc.func('int dup2(int from, int to)');
const closeCall = libc.func('int close(int fd)');
const lseekCall = libc.func('long lseek(int fd, long offset, int whence)');
const fallocateCall = libc.func('int fallocate(int fd, int mode, long offset, long bytes)');
const fflushCall = libc.func('int fflush(uintptr_t file)');

const STDOUT = 1;
const MFD_CLOEXEC = 1;
const SEEK_CUR = 1;
const KEEP_SIZE_PUNCH_HOLE = 3;
/** Read bytes are given back to the kernel in pieces of at least so many. */
const PUNCH_BYTES = 1 << 20;

/** Bytes of output that wait for a client; as on the GPU, what is older is lost when there is more. */
export const OUTPUT_MAX = 4 << 20;

export class Printed {
  private from = 0;
  private punched = 0;

  /** Takes standard output over. False in `works`: the kernel has no memfd, and nothing is ever printed. */
  readonly works: boolean;

  constructor() {
    const fd = memfdCreate('ringfence-printed', MFD_CLOEXEC) as number;
    this.works = fd >= 0 && (dup2Call(fd, STDOUT) as number) === STDOUT;
    if (fd >= 0) closeCall(fd);
  }

  /** What has been printed since the last time; null: nothing. */
  take(): Buffer | null {
    if (!this.works) return null;
    fflushCall(0);
    const end = lseekCall(STDOUT, 0, SEEK_CUR) as number;
    if (end <= this.from) return null;
    const bytes = Buffer.allocUnsafe(Math.min(end - this.from, OUTPUT_MAX));
    const got = readSync(STDOUT, bytes, 0, bytes.length, end - bytes.length);
    this.from = end;
    if (end - this.punched > PUNCH_BYTES) {
      // Not truncated: another thread of the driver may be writing behind it.
      fallocateCall(STDOUT, KEEP_SIZE_PUNCH_HOLE, 0, end);
      this.punched = end;
    }
    return bytes.subarray(0, got);
  }
}

/** Whether code may print. What is compressed cannot be looked into: then the machine code beside it decides, if there is some. */
export function prints(image: Image): boolean {
  const { bytes, size } = image;
  const code = bytes.subarray(0, size);
  if (code.includes('vprintf') || code.includes('__assertfail')) return true;
  return image.opaque;
}
