/**
 * Chooses the driver. The supervisor itself never loads one: whether a GPU answers is found out by an executor, a process that may
 * crash or hang in a broken driver without taking the daemon along.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Logger } from 'pino';
import { RingfenceError } from '../errors.ts';
import type { ExecutorProcess, ReadyInfo } from './executor-process.ts';

/** The name the dynamic loader resolves to the installed driver. */
const REAL_DRIVER = 'libcuda.so.1';
/** One of these exists where a kernel driver for NVIDIA GPUs is loaded: discrete, WSL, Jetson (two generations). */
const KERNEL_DRIVERS = ['/dev/nvidiactl', '/dev/dxg', '/dev/nvmap', '/dev/nvhost-ctrl'];

export interface Candidate {
  readonly path: string;
  /** Give it the software card's memory. True also for a path: another build of the software GPU needs it, a real driver ignores it. */
  readonly card: boolean;
}

/** The drivers to try for `choice` (`auto`, `stub` or a path), best first. Throws DRIVER_NOT_FOUND. */
export function candidates(choice: string, stub: string, kernelDrivers: readonly string[] = KERNEL_DRIVERS): Candidate[] {
  const software: Candidate = { path: stub, card: true };
  if (choice === 'auto') {
    const real = kernelDrivers.some((file) => existsSync(file)) ? [{ path: REAL_DRIVER, card: false }] : [];
    if (existsSync(stub)) return [...real, software];
    if (real.length > 0) return real;
    throw new RingfenceError('DRIVER_NOT_FOUND', { path: stub });
  }
  const path = choice === 'stub' ? stub : resolve(choice);
  if (!existsSync(path)) throw new RingfenceError('DRIVER_NOT_FOUND', { path });
  return [{ path, card: true }];
}

export interface Chosen {
  readonly candidate: Candidate;
  readonly info: ReadyInfo;
  /** The executor that proved it, ready to be leased. */
  readonly executor: ExecutorProcess;
}

/** Starts an executor on each candidate until one has a device. Throws the last one's error. */
export async function chooseDriver(list: readonly Candidate[], start: (candidate: Candidate) => ExecutorProcess, log: Logger): Promise<Chosen> {
  let last: Error = new RingfenceError('DRIVER_NOT_FOUND', { path: 'none' });
  for (const candidate of list) {
    const executor = start(candidate);
    try {
      const info = await executor.ready;
      if (info.devices.length > 0) return { candidate, info, executor };
      last = new RingfenceError('DRIVER_FAILED', { path: candidate.path, why: 'it has no device' });
    } catch (error) {
      last = error as Error;
    }
    log.info({ driver: candidate.path, why: last.message }, 'this driver cannot be used');
    await executor.end(1000);
  }
  throw last;
}
