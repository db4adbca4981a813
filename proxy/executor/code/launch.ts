/**
 * Kernel launches: LAUNCH. Nothing is allocated on the way: the parameters are copied out of the record into one buffer that the driver
 * reads during the call, and everything else is numbers.
 */
import { addressOf } from '../../driver/driver.ts';
import { CUresult } from '../../driver/errors.ts';
import { PACKAGE_BYTES } from '../../../idm/region.ts';
import { HandleType, Launch, Message, MESSAGES } from '../../generated/messages.ts';
import type { HandlerTable } from '../handlers/table.ts';
import type { Invocation } from '../invocation.ts';
import { launchConfig, readAttributes } from './attributes.ts';
import { admit } from './handlers.ts';
import type { Callable } from './objects.ts';
import { PARAM_BYTES_MAX } from './params.ts';

const REQUEST = MESSAGES[Message.LAUNCH].request;
const REQUEST_WORDS = REQUEST >> 2;

/** CU_LAUNCH_PARAM_*: names in `extra`. */
const PARAM_POINTER = 1n;
const PARAM_SIZE = 2n;

/** The buffer of parameters, and `extra`, which names it. One of each for ever. */
const params = Buffer.allocUnsafeSlow(PARAM_BYTES_MAX).fill(0);
const paramWords = new Int32Array(params.buffer, params.byteOffset, params.length >> 2);
const list = Buffer.allocUnsafeSlow(6 * 8).fill(0);
const size = new Int32Array(list.buffer, list.byteOffset + 40, 1);
const extra = addressOf(list);
list.writeBigUInt64LE(PARAM_POINTER, 0);
list.writeBigUInt64LE(BigInt(addressOf(params)), 8);
list.writeBigUInt64LE(PARAM_SIZE, 16);
list.writeBigUInt64LE(BigInt(extra + 40), 24);

function launch(v: Invocation): number {
  const chunk = v.u32(Launch.chunk);
  const chunks = v.u32(Launch.chunks);
  if (chunks > 1 || chunk + chunks > v.client.region.shape.stagingChunks) return CUresult.INVALID_VALUE;
  const status = submit(v, chunk, chunks);
  // A launch writes out what was printed before it: that is this client's, and must not wait for another's turn.
  if (v.client.printing) v.executor.collectPrinted(v.client);
  if (chunks !== 0) v.client.freeChunks(chunk, chunks);
  return status;
}

function submit(v: Invocation, chunk: number, chunks: number): number {
  const row = v.row(HandleType.function, Launch.function);
  if (row < 0) return v.invalid(HandleType.function);
  const callable = v.handles.object[row] as Callable;
  const { library } = callable;
  if (library !== null && library.lastContext !== v.current && v.current !== null && !admit(v.executor, v.client, library, v.current)) return CUresult.OUT_OF_MEMORY;
  const bytes = v.u32(Launch.bytes);
  if (bytes < callable.paramBytes || bytes > PARAM_BYTES_MAX) return CUresult.INVALID_VALUE;
  // Throws when the stream has too much before it: nothing may have been done until here.
  const stream = v.stream(Launch.stream);
  if (stream < 0) return v.invalid(HandleType.stream);
  const padded = (bytes + 7) & ~7;
  const attributes = v.u32(Launch.attributes);
  const inline = chunks === 0 ? padded : 0;
  if (REQUEST + inline > v.bytes) return CUresult.INVALID_VALUE;
  if (chunks === 0) v.copyWords(paramWords, REQUEST_WORDS, (bytes + 3) >> 2);
  else {
    const { shape, bytes: region } = v.client.region;
    if (bytes > shape.stagingChunk) return CUresult.INVALID_VALUE;
    const from = shape.staging - PACKAGE_BYTES + chunk * shape.stagingChunk;
    params.set(region.subarray(from, from + bytes));
  }
  size[0] = bytes;
  const cooperative = v.u32(Launch.flags) !== 0;
  if (attributes !== 0 || cooperative) {
    const count = readAttributes(v, REQUEST_WORDS + (inline >> 2), attributes, cooperative);
    if (count < 0) return -count;
    return v.driver.cuLaunchKernelEx(launchConfig(v, Launch.grid_x, stream, count), callable.native, 0, bytes === 0 ? 0 : extra);
  }
  return v.driver.cuLaunchKernel(callable.native, v.u32(Launch.grid_x), v.u32(Launch.grid_y), v.u32(Launch.grid_z),
    v.u32(Launch.block_x), v.u32(Launch.block_y), v.u32(Launch.block_z), v.u32(Launch.shared), stream, 0, bytes === 0 ? 0 : extra);
}

export function registerLaunch(table: HandlerTable): void {
  table[Message.LAUNCH] = launch;
}
