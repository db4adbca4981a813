/**
 * What functions and kernels say of themselves, and what may be set: attributes, preferences, occupancy.
 *
 * A kernel may stand wherever a function does. To the driver it goes as a function only where the documentation says that it may
 * (launches, occupancy); elsewhere it takes the kernel's own call, or becomes the function of the current context first.
 */
import {
  FunctionGet, FunctionGetReply, FunctionLoad, FunctionLoadReply, FunctionPrefer, FunctionSet, FunctionSetReply, HandleType, Message, MESSAGES, Occupancy, OccupancyClusters,
  OccupancyClustersReply, OccupancyReply,
} from '../../generated/messages.ts';
import type { HandlerTable } from '../handlers/table.ts';
import type { Invocation } from '../invocation.ts';
import { launchConfig, readAttributes } from './attributes.ts';
import type { Callable } from './objects.ts';

const CLUSTERS_WORDS = MESSAGES[Message.OCCUPANCY_CLUSTERS].request >> 2;
export const MAX_DYNAMIC_SHARED = 8;

/** The callable at word 0 of the request, where all these have it; null: `v.invalid` says why. */
function callableAt(v: Invocation): Callable | null {
  const row = v.row(HandleType.function, FunctionGet.function);
  return row < 0 ? null : (v.handles.object[row] as Callable);
}

/** The driver's CUfunction of a callable in the current context; a negative CUresult. */
function nativeFunction(v: Invocation, callable: Callable): number {
  if (callable.library === null) return callable.native;
  const status = v.driver.cuKernelGetFunction(v.scratch, callable.native);
  return status === 0 ? v.scratch64(0) : -status;
}

/** Reads an attribute into the scratch's first word. */
export function attributeOf(v: Invocation, callable: Callable, which: number): number {
  return callable.library !== null ? v.driver.cuKernelGetAttribute(v.scratch, which, callable.native, v.executor.device)
    : v.driver.cuFuncGetAttribute(v.scratch, which, callable.native);
}

function get(v: Invocation): number {
  const callable = callableAt(v);
  if (callable === null) return v.invalid(HandleType.function);
  const status = attributeOf(v, callable, v.u32(FunctionGet.attribute));
  if (status === 0) v.replyU32(FunctionGetReply.value, v.scratchWords[0]);
  return status;
}

function set(v: Invocation): number {
  const callable = callableAt(v);
  if (callable === null) return v.invalid(HandleType.function);
  const which = v.u32(FunctionSet.attribute);
  const value = v.i32(FunctionSet.value);
  const status = callable.library !== null ? v.driver.cuKernelSetAttribute(which, value, callable.native, v.executor.device) : v.driver.cuFuncSetAttribute(callable.native, which, value);
  if (status !== 0) return status;
  v.replyU32(FunctionSetReply.max_dynamic_shared, attributeOf(v, callable, MAX_DYNAMIC_SHARED) === 0 ? v.scratchWords[0] : 0xffffffff);
  return status;
}

function prefer(v: Invocation): number {
  const callable = callableAt(v);
  if (callable === null) return v.invalid(HandleType.function);
  const value = v.u32(FunctionPrefer.value);
  if (v.u32(FunctionPrefer.what) === 0) {
    return callable.library !== null ? v.driver.cuKernelSetCacheConfig(callable.native, value, v.executor.device) : v.driver.cuFuncSetCacheConfig(callable.native, value);
  }
  const native = nativeFunction(v, callable);
  return native < 0 ? -native : v.driver.cuFuncSetSharedMemConfig(native, value);
}

function load(v: Invocation): number {
  const callable = callableAt(v);
  if (callable === null) return v.invalid(HandleType.function);
  const native = nativeFunction(v, callable);
  if (native < 0) return -native;
  if (v.u32(FunctionLoad.load) !== 0) return v.driver.cuFuncLoad(native);
  const status = v.driver.cuFuncIsLoaded(v.scratch, native);
  if (status === 0) v.replyU32(FunctionLoadReply.state, v.scratchWords[0]);
  return status;
}

function occupancy(v: Invocation): number {
  const callable = callableAt(v);
  if (callable === null) return v.invalid(HandleType.function);
  const block = v.i32(Occupancy.block);
  if (v.u32(Occupancy.what) === 0) {
    const status = v.driver.cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(v.scratch, callable.native, block, v.u64(Occupancy.shared), v.u32(Occupancy.flags));
    if (status === 0) v.replyU64(OccupancyReply.value, v.scratchWords[0] >>> 0);
    return status;
  }
  const status = v.driver.cuOccupancyAvailableDynamicSMemPerBlock(v.scratch, callable.native, v.i32(Occupancy.blocks), block);
  if (status === 0) v.replyU64(OccupancyReply.value, v.scratch64(0));
  return status;
}

function clusters(v: Invocation): number {
  const callable = callableAt(v);
  if (callable === null) return v.invalid(HandleType.function);
  const count = readAttributes(v, CLUSTERS_WORDS, v.u32(OccupancyClusters.attributes), false);
  if (count < 0) return -count;
  const config = launchConfig(v, OccupancyClusters.grid_x, 0, count);
  const status = v.u32(OccupancyClusters.what) === 0 ? v.driver.cuOccupancyMaxPotentialClusterSize(v.scratch, callable.native, config)
    : v.driver.cuOccupancyMaxActiveClusters(v.scratch, callable.native, config);
  if (status === 0) v.replyU32(OccupancyClustersReply.value, v.scratchWords[0]);
  return status;
}

export function registerFunctions(table: HandlerTable): void {
  table[Message.FUNCTION_GET] = get;
  table[Message.FUNCTION_SET] = set;
  table[Message.FUNCTION_PREFER] = prefer;
  table[Message.FUNCTION_LOAD] = load;
  table[Message.OCCUPANCY] = occupancy;
  table[Message.OCCUPANCY_CLUSTERS] = clusters;
}
