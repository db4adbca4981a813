/**
 * A kernel's parameters: where each lies in the buffer that a launch carries. Asked of the driver once per kernel, or else taken from what
 * the code says (described.ts), so that the client can pack them by itself and its launches need no answer.
 */
import { CUresult } from '../../driver/errors.ts';
import type { Executor } from '../executor.ts';
import type { Callable } from './objects.ts';

/** Kernels have at most 32,764 bytes of parameters. */
export const PARAM_BYTES_MAX = 32768;
const PARAMS_MAX = 8192;

/** Fills in the callable's parameters. CUresult. The context in which a function lives must be current. `described`: what its code says
 *  of them, for a driver that cannot be asked. */
export function readParams(executor: Executor, callable: Callable, described: Uint16Array | null): number {
  const { driver, scratch, scratchBytes } = executor;
  const pairs: number[] = [];
  let end = 0;
  for (let i = 0; i < PARAMS_MAX; i++) {
    const status = callable.library !== null ? driver.cuKernelGetParamInfo(callable.native, i, scratch, scratch + 8) : driver.cuFuncGetParamInfo(callable.native, i, scratch, scratch + 8);
    if (status === CUresult.INVALID_VALUE) break;
    if (status === CUresult.NOT_FOUND) return useDescribed(callable, described); // a driver before 12.4 has no such question
    if (status !== 0) return status;
    const offset = scratchBytes.readUInt32LE(0);
    const size = scratchBytes.readUInt32LE(8);
    if (offset + size > PARAM_BYTES_MAX) return CUresult.NOT_SUPPORTED;
    pairs.push(offset, size);
    end = Math.max(end, offset + size);
  }
  callable.params = Uint16Array.from(pairs);
  callable.paramBytes = end;
  return CUresult.SUCCESS;
}

/** A launch whose parameters nobody knows cannot be packed. */
function useDescribed(callable: Callable, described: Uint16Array | null): number {
  if (described === null) return CUresult.NOT_SUPPORTED;
  callable.params = described;
  for (let i = 0; i < described.length; i += 2) callable.paramBytes = Math.max(callable.paramBytes, described[i] + described[i + 1]);
  return CUresult.SUCCESS;
}
