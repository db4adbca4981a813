/**
 * What kernels print, and what their assertions say. A driver writes it to the standard output and the standard error of the process
 * that it runs in, which is this one, at the points that CUDA names: a synchronisation, a blocking copy, a launch, the end of a
 * module. So each is an anonymous file here (a pipe that is full would stop the driver), which is read after each such point
 * and belongs to the client that it was for.
 *
 * Nothing else writes to standard output. Standard error is taken only while a client has code that may print, since a dying
 * process writes there too; what is in it and is no assertion goes to the log, whose own descriptor is another (log.ts). Clients whose code
 * cannot print (`prints`) cost nothing.
 */
import { readSync } from 'node:fs';
import koffi from 'koffi';
import { log } from './log.ts';
import type { Image } from './code/images.ts';

const libc = koffi.load(null);
const memfdCreate = libc.func('int memfd_create(const char *name, unsigned int flags)');
const dup2Call = libc.func('int dup2(int from, int to)');
const dupCall = libc.func('int dup(int fd)');
const lseekCall = libc.func('long lseek(int fd, long offset, int whence)');
const fallocateCall = libc.func('int fallocate(int fd, int mode, long offset, long bytes)');
const fflushCall = libc.func('int fflush(uintptr_t file)');

const MFD_CLOEXEC = 1;
const SEEK_CUR = 1;
const KEEP_SIZE_PUNCH_HOLE = 3;
/** Read bytes are given back to the kernel in pieces of at least so many. */
const PUNCH_BYTES = 1 << 20;

/** Bytes of output that wait for a client; as on the GPU, what is older is lost when there is more. */
export const OUTPUT_MAX = 4 << 20;

/** Descriptors, and what PRINT_READ calls them. */
export enum Output { stdout = 1, stderr = 2 }

/** One of the process's outputs as a file that is read here. */
export class Printed {
  private from = 0;
  private punched = 0;
  private readonly file: number;
  private readonly before: number;

  /** Does not take it yet. Without memfd nothing is ever printed. */
  constructor(private readonly output: Output) {
    this.file = memfdCreate('ringfence-printed', MFD_CLOEXEC) as number;
    this.before = dupCall(output) as number;
  }

  begin(): void {
    if (this.file >= 0) dup2Call(this.file, this.output);
  }

  /** The process's own output again. */
  end(): void {
    fflushCall(0);
    if (this.before >= 0) dup2Call(this.before, this.output);
  }

  /** What has been printed since the last time; null: nothing. */
  take(): Buffer | null {
    if (this.file < 0) return null;
    fflushCall(0);
    const end = lseekCall(this.file, 0, SEEK_CUR) as number; // the driver's, for the description is one
    if (end <= this.from) return null;
    const bytes = Buffer.allocUnsafe(Math.min(end - this.from, OUTPUT_MAX));
    const got = readSync(this.file, bytes, 0, bytes.length, end - bytes.length);
    this.from = end;
    if (end - this.punched > PUNCH_BYTES) {
      // Not truncated: another thread of the driver may be writing behind it.
      fallocateCall(this.file, KEEP_SIZE_PUNCH_HOLE, 0, end);
      this.punched = end;
    }
    return bytes.subarray(0, got);
  }
}

/** A line of CUDA's assert(): file, line, function, then this. */
const ASSERTION = /: block: \[\d+,\d+,\d+\], thread: \[\d+,\d+,\d+\] Assertion `.*` failed\.$/;
const SWEEP_MS = 1000;
const LINES_MAX = 8;

/** What assertions say on standard error. */
export class Asserted {
  private readonly printed = new Printed(Output.stderr);
  private clients = 0;
  private timer: NodeJS.Timeout | null = null;

  /** One more client has code that may print. What nobody takes is to be taken by `sweep`, now and then. */
  begin(sweep: () => void): void {
    if (this.clients++ !== 0) return;
    this.printed.begin();
    this.timer = setInterval(sweep, SWEEP_MS).unref();
  }

  /** Such a client is gone. */
  end(): void {
    if (--this.clients !== 0) return;
    this.printed.end();
    clearInterval(this.timer!);
    this.take();
  }

  /** The assertions since the last time, null: none. All else that is there is logged. */
  take(): Buffer | null {
    const bytes = this.printed.take();
    if (bytes === null) return null;
    const mine: string[] = [];
    const others: string[] = [];
    for (const line of bytes.toString('latin1').split('\n')) {
      if (ASSERTION.test(line)) mine.push(line);
      else if (line !== '') others.push(line);
    }
    // Some may be of a tenant's making, which must not write the log full.
    if (others.length !== 0) log.warn({ lines: others.slice(0, LINES_MAX), more: Math.max(0, others.length - LINES_MAX) }, 'the driver writes to standard error');
    return mine.length === 0 ? null : Buffer.from(`${mine.join('\n')}\n`, 'latin1');
  }
}

/** Whether code may print. What is compressed cannot be looked into: then the machine code beside it decides, if there is some. */
export function prints(image: Image): boolean {
  const { bytes, size } = image;
  const code = bytes.subarray(0, size);
  if (code.includes('vprintf') || code.includes('__assertfail')) return true;
  return image.opaque;
}
