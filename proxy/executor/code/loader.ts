/**
 * The driver calls that take long: loading and linking code. `done` gets the CUresult, and what was made.
 */
import { addressOf } from '../../driver/driver.ts';
import type { Executor } from '../executor.ts';
import type { Image } from './images.ts';
import type { JitOptions } from './jit.ts';
import type { Link } from './objects.ts';

type Made = (status: number, native: number) => void;

export function loadModule(executor: Executor, context: number, image: Image, jit: JitOptions, done: Made): void {
  executor.enter(context);
  const status = executor.driver.cuModuleLoadDataEx(executor.scratch, image.address, jit.count, jit.namesAddress, jit.valuesAddress);
  done(status, status === 0 ? executor.scratch64() : 0);
}

export function loadLibrary(executor: Executor, image: Image, jit: JitOptions, done: Made): void {
  const status = executor.driver.cuLibraryLoadData(executor.scratch, image.address, jit.namesAddress, jit.valuesAddress, jit.count, 0, 0, 0);
  done(status, status === 0 ? executor.scratch64() : 0);
}

export function linkCreate(executor: Executor, context: number, jit: JitOptions, done: Made): void {
  executor.enter(context);
  const status = executor.driver.cuLinkCreate_v2(jit.count, jit.namesAddress, jit.valuesAddress, executor.scratch);
  done(status, status === 0 ? executor.scratch64() : 0);
}

export function linkAdd(executor: Executor, link: Link, type: number, image: Image, name: Buffer, jit: JitOptions, done: (status: number) => void): void {
  executor.enter(link.context.native);
  done(executor.driver.cuLinkAddData_v2(link.native, type, image.address, image.sizeForDriver, addressOf(name), jit.count, jit.namesAddress, jit.valuesAddress));
}

export function linkComplete(executor: Executor, link: Link, done: (status: number) => void): void {
  executor.enter(link.context.native);
  const status = executor.driver.cuLinkComplete(link.native, executor.scratch, executor.scratch + 8);
  if (status === 0) {
    link.address = executor.scratch64();
    link.bytes = Number(executor.scratchBytes.readBigUInt64LE(8));
  }
  done(status);
}

export function linkDestroy(executor: Executor, link: Link): number {
  return executor.driver.cuLinkDestroy(link.native);
}
