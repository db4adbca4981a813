/** What the executor and a thread of its for slow calls agree on: see driver-thread.ts. */
/** `starting` until the thread has loaded the driver. */
export enum State { starting, idle, asked, done }

/** Places in the shared numbers. */
export enum Field { call, context, count, status, out, args = 8 }

/** 64-bit numbers that a call may answer. */
export const OUTS = 4;

export const ARGS_MAX = 10;
export const MEMORY_BYTES = 8 + (Field.args + ARGS_MAX) * 8;

/** The calls that the thread makes, by number. */
export const CALLS = ['cuModuleLoadDataEx', 'cuLibraryLoadData', 'cuLinkCreate_v2', 'cuLinkAddData_v2', 'cuLinkComplete', 'ringfence_image_memory', 'cuCtxCreate_v2', 'cuMemHostUnregister'] as const;

/** An argument of this value is the address of the first 64-bit result, which the others follow, one less is the second's: no address is negative. */
export const OUT = -1;

export interface ThreadData {
  memory: SharedArrayBuffer;
  driver: string;
}
