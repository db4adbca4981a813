/** Loading and linking code: on a thread of the zone's own (driver-thread.ts), one call after the other. */
import { addressOf } from '../../driver/driver.ts';
import type { Made } from '../driver-thread.ts';
import { OUT } from '../driver-thread-protocol.ts';
import type { Executor } from '../executor.ts';
import type { Image } from './images.ts';
import type { JitOptions } from './jit.ts';
import type { Link } from './objects.ts';

/** What is loaded on the executor's own thread while the other one is starting. */
const SMALL_BYTES = 64 * 1024;

/** Whether loading so many bytes of code is brief. */
export const isLittle = (bytes: number): boolean => bytes <= SMALL_BYTES;

export function loadModule(executor: Executor, context: number, image: Image, jit: JitOptions, done: Made): void {
  executor.loader.run('cuModuleLoadDataEx', context, [OUT, image.address, jit.count, jit.namesAddress, jit.valuesAddress], done, isLittle(image.size));
}

export function loadLibrary(executor: Executor, image: Image, jit: JitOptions, done: Made): void {
  executor.loader.run('cuLibraryLoadData', 0, [OUT, image.address, jit.namesAddress, jit.valuesAddress, jit.count, 0, 0, 0], done, isLittle(image.size));
}

export function linkCreate(executor: Executor, context: number, jit: JitOptions, done: Made): void {
  executor.loader.run('cuLinkCreate_v2', context, [jit.count, jit.namesAddress, jit.valuesAddress, OUT], done, true);
}

/** `name` and `jit` live as long as `done`. */
export function linkAdd(executor: Executor, link: Link, type: number, image: Image, name: Buffer, jit: JitOptions, done: (status: number) => void): void {
  executor.loader.run('cuLinkAddData_v2', link.context.native,
    [link.native, type, image.address, image.sizeForDriver, addressOf(name), jit.count, jit.namesAddress, jit.valuesAddress],
    (status) => {
      keep(name, jit, image);
      done(status);
    }, isLittle(image.size));
}

export function linkComplete(executor: Executor, link: Link, done: (status: number) => void): void {
  executor.loader.run('cuLinkComplete', link.context.native, [link.native, OUT, OUT - 1], (status, address, bytes) => {
    if (status === 0) {
      link.address = address;
      link.bytes = bytes;
    }
    done(status);
  });
}

/** Objects that a call's arguments point into are reachable until here. */
function keep(..._objects: object[]): void {}
