/**
 * The driver calls that take long: loading code. `done` gets the CUresult and what was made.
 */
import type { Driver } from '../../driver/driver.ts';
import type { Executor } from '../executor.ts';
import type { Image } from './images.ts';
import type { JitOptions } from './jit.ts';

export function loadModule(executor: Executor, context: number, image: Image, jit: JitOptions, done: (status: number, native: number) => void): void {
  executor.enter(context);
  const driver: Driver = executor.driver;
  const status = driver.cuModuleLoadDataEx(executor.scratch, image.address, jit.count, jit.namesAddress, jit.valuesAddress);
  done(status, status === 0 ? executor.scratch64() : 0);
}

export function loadLibrary(executor: Executor, image: Image, jit: JitOptions, done: (status: number, native: number) => void): void {
  const driver: Driver = executor.driver;
  const status = driver.cuLibraryLoadData(executor.scratch, image.address, jit.namesAddress, jit.valuesAddress, jit.count, 0, 0, 0);
  done(status, status === 0 ? executor.scratch64() : 0);
}
