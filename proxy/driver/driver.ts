/**
 * The CUDA driver through koffi: the real `libcuda.so.1` and the software GPU alike, only the path differs.
 *
 * Every function is bound under its exported name with pointers, handles and sizes as `uintptr_t`, passed as JS numbers
 * (below 2^53: the driver's pointers are user-space addresses). So a call allocates nothing on either side; out-parameters
 * point into memory whose address the caller took once with `addressOf`.
 */
import koffi, { type LibraryHandle } from 'koffi';
import { type DriverCalls, PROTOTYPES } from '../generated/prototypes.ts';
import { errorName } from './errors.ts';

/** koffi types by letter of PROTOTYPES. Calls that take structures by value (B, L) are not bound: nothing needs them. */
const TYPES: Readonly<Record<string, string>> = {
  p: 'uintptr_t', i: 'int', u: 'uint32_t', U: 'uint64_t', f: 'float', b: 'uint8_t', h: 'uint16_t',
};

/** Where a driver has what its functions are bound from. */
const LIBRARY = Symbol('library');

/** A symbol that the software GPU alone exports. */
const SOFTWARE_MARK = 'ringfence_software_gpu';
const SOFTWARE_MEASURE = 'ringfence_image_memory';

/** A driver call that runs on one of libuv's threads, where no context is current; `done` gets the CUresult. */
export type AsyncCall = (...args: [...numbers: number[], done: (error: unknown, status: number) => void]) => void;

/** The software GPU's own call for sharing a managed variable's pages with another process (a real driver's are its own): a descriptor, or -1; writes their
 *  address and size as two 64-bit numbers at `place`. */
export type ManagedDescriptor = (address: number, place: number) => number;

/** A loaded driver: the functions that it exports, plus where it came from, and whether it is the software GPU. */
export type Driver = DriverCalls & {
  readonly path: string;
  readonly software: boolean;
  /** The software GPU's own (stub-driver/measure.c): bytes that code will take, four numbers of 64 bits at `counted`. Answers 500 where there is none. */
  readonly ringfence_image_memory: (data: number, size: number, counted: number) => number;
  /** The software GPU's own: bytes of memory that compiling one image may take from now on. null: a real driver. */
  readonly limitCode: ((bytes: number) => void) | null;
  readonly managedDescriptor: ManagedDescriptor | null;
  /** The software GPU's own (stub-driver/mark.c): ends a context's kernels without waiting. null: a real driver, on which they run to their end. */
  readonly stopKernels: ((context: number) => void) | null;
  /** Whether it says where kernels' parameters are (12.4 and later). */
  readonly asksParams: boolean;
};

/** The driver cannot be used; the message is a sentence. */
export class DriverError extends Error {
  override name = 'DriverError';
}

/** Loads the driver at `path`. A function that it lacks answers CUDA_ERROR_NOT_FOUND (500), so that
 *  an older driver fails in the call and not at load. Does not call cuInit. Throws DriverError. */
export function loadDriver(path: string): Driver {
  let library: LibraryHandle;
  try {
    library = koffi.load(path);
  } catch (error) {
    throw new DriverError(`the driver ${path} cannot be loaded: ${error instanceof Error ? error.message : String(error)}`);
  }
  let software = true;
  try {
    library.symbol(SOFTWARE_MARK);
  } catch {
    software = false;
  }
  const managedDescriptor = optional(library, 'int ringfence_managed_descriptor(uint64_t address, uintptr_t place)');
  const limitCode = optional(library, 'void ringfence_code_limit(size_t bytes)');
  const stopKernels = optional(library, 'void ringfence_context_stop(uintptr_t context)');
  const driver: Driver = Object.create(UNBOUND, { [LIBRARY]: { value: library }, path: { value: path }, software: { value: software }, managedDescriptor: { value: managedDescriptor }, stopKernels: { value: stopKernels }, limitCode: { value: limitCode }, [SOFTWARE_MEASURE]: { value: bind(library, SOFTWARE_MEASURE, 'ppp') } }) as Driver;
  if (!hasAsync(driver.cuInit)) throw new DriverError(`the driver ${path} has no cuInit: it is not a CUDA driver`);
  return driver;
}

/** What every driver inherits: properties that bind a function when they are first read, and put it into the reader. Who starts in a hurry is not to wait for all
 *  of them. One for all drivers: those that bind in the same order have the same shape, and code that V8 compiled for one fits the others. */
const UNBOUND: object = {};
for (const [name, letters] of Object.entries(PROTOTYPES)) {
  if (/[BL]/.test(letters)) continue;
  Object.defineProperty(UNBOUND, name, {
    get(this: { readonly [LIBRARY]: LibraryHandle }) {
      const value = bind(this[LIBRARY], name, letters);
      Object.defineProperty(this, name, { value, enumerable: true });
      return value;
    },
  });
}
Object.defineProperty(UNBOUND, 'asksParams', {
  get(this: Driver) {
    return hasAsync(this.cuFuncGetParamInfo) && hasAsync(this.cuKernelGetParamInfo);
  },
});

/** Binds what has not been read yet, in some 10 ms: each function that is read for the first time gives the driver another shape, and V8 throws away all compiled
 *  code that knows the one before. */
export function bindAll(driver: Driver): void {
  for (const name of Object.keys(PROTOTYPES) as (keyof DriverCalls)[]) void driver[name];
}

/** A function of the software GPU's own; null: a real driver. */
function optional(library: LibraryHandle, prototype: string): unknown {
  try {
    return library.func(prototype);
  } catch {
    return null;
  }
}

/** A function of the library, or one that answers CUDA_ERROR_NOT_FOUND. */
function bind(library: LibraryHandle, name: string, letters: string): unknown {
  try {
    return library.func(name, 'int', [...letters].map((letter) => TYPES[letter]));
  } catch {
    return () => 500;
  }
}

const hasAsync = (call: unknown): boolean => typeof (call as { async?: unknown } | undefined)?.async === 'function';

/** The same function on another thread, for calls that may take long. Answers at once when the driver lacks it. */
export function asyncCall(call: (...args: never[]) => number): AsyncCall {
  const bound = (call as unknown as { async?: AsyncCall }).async;
  return bound ?? ((...args) => (args[args.length - 1] as unknown as (error: unknown, status: number) => void)(null, 500));
}

/** Native address of a buffer's first byte, as a number. The buffer must outlive its use and must not be a pooled one. */
export function addressOf(buffer: ArrayBufferView): number {
  return Number(koffi.address(buffer));
}

/** Throws DriverError naming the call unless it succeeded. */
export function must(call: string, status: number): void {
  if (status !== 0) throw new DriverError(`${call} failed with ${errorName(status)}`);
}
