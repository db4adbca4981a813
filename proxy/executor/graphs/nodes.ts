/**
 * Nodes of graphs as clients send them (GRAPH_NODES, GRAPH_SET): 32-bit words, each node
 *
 *   kind, words in all (even), graph (0: the top one; else a conditional's body; never less than that of the node before), how many dependencies
 *   the dependencies: numbers of nodes of the same graph that come before, padded to an even number
 *   by kind, from an even word on:
 *     kernel       function (u64), grid x y z, block x y z, shared, parameter bytes, enabled, attributes; the parameters, padded to 8; of each
 *                  attribute the id (u64) and 64 bytes of value
 *     set          address, pitch, width, rows (u64), value, element, enabled, 0
 *     copy         source, its pitch, its height, target, its pitch, its height, width, rows, depth (u64), enabled, 0: device or pinned memory
 *     empty
 *     conditional  handle (u64), type, size, default, flags, number of its first body, 0
 *
 * Everything is checked here: a node that passes names only what is the client's, and only numbers that are there. Nodes stay the words
 * that they came as: an object for each of them took a hundred thousand nodes seconds.
 */
import { CUresult } from '../../driver/errors.ts';
import { HandleType } from '../../generated/messages.ts';
import type { Callable } from '../code/objects.ts';
import { PARAM_BYTES_MAX } from '../code/params.ts';
import type { Invocation } from '../invocation.ts';

export enum NodeKind { kernel = 0, set = 1, copy = 2, empty = 3, conditional = 4 }

/** Words of a node's head. */
export enum Head { kind = 0, size = 1, graph = 2, dependencies = 3, words = 4 }

const HIGH = 4294967296;
/** Cases of one switch. */
const SIZE_MAX = 65536;

export const u64 = (words: Int32Array, at: number): number => (words[at + 1] >>> 0) * HIGH + (words[at] >>> 0);

/** Where the body of the node at word `at` begins. */
export function bodyOf(words: Int32Array, at: number): number {
  const count = words[at + Head.dependencies] >>> 0;
  return at + Head.words + count + (count & 1);
}

/** A CUresult other than 0 when there is no node at word `at`, or nothing that this client may do. `end`: behind the last word there is. */
export function checkNode(v: Invocation, words: Int32Array, at: number, end: number): number {
  if (at + Head.words > end) return CUresult.INVALID_VALUE;
  const size = words[at + Head.size] >>> 0;
  const body = bodyOf(words, at);
  if (size & 1 || at + size < body || at + size > end) return CUresult.INVALID_VALUE;
  return checkBody(v, words, words[at], body, at + size - body);
}

/** `body`: where it begins; `room`: its words. */
function checkBody(v: Invocation, words: Int32Array, kind: NodeKind, body: number, room: number): number {
  switch (kind) {
    case NodeKind.kernel: {
      if (room < 12) return CUresult.INVALID_VALUE;
      const callable = callableOf(v, words, body);
      if (callable === null) return CUresult.INVALID_HANDLE;
      const bytes = words[body + 9] >>> 0;
      if (bytes < callable.paramBytes || bytes > PARAM_BYTES_MAX || room < 12 + ((bytes + 7) >> 3) * 2) return CUresult.INVALID_VALUE;
      if (words[body + 11] !== 0) {
        const status = checkAttributes(words, body, room);
        if (status !== 0) return status;
      }
      break;
    }
    case NodeKind.set: {
      if (room < 12) return CUresult.INVALID_VALUE;
      const element = words[body + 9] >>> 0;
      const width = u64(words, body + 4) * element;
      const rows = u64(words, body + 6);
      if ((element !== 1 && element !== 2 && element !== 4) || width === 0 || rows === 0 || (rows > 1 && u64(words, body + 2) < width)) return CUresult.INVALID_VALUE;
      break;
    }
    case NodeKind.copy: {
      if (room < 20) return CUresult.INVALID_VALUE;
      const width = u64(words, body + 12);
      const rows = u64(words, body + 14);
      const depth = u64(words, body + 16);
      if (width === 0 || rows === 0 || depth === 0) return CUresult.INVALID_VALUE;
      for (let end = body; end <= body + 6; end += 6)
        if (((rows > 1 || depth > 1) && u64(words, end + 2) < width) || (depth > 1 && u64(words, end + 4) < rows)) return CUresult.INVALID_VALUE;
      break;
    }
    case NodeKind.empty:
      return 0;
    case NodeKind.conditional: {
      if (room < 8) return CUresult.INVALID_VALUE;
      const type = words[body + 2] >>> 0;
      const size = words[body + 3] >>> 0;
      return type > 2 || size === 0 || size > SIZE_MAX || (type === 0 && size > 2) || (type === 1 && size > 1) || words[body + 5] >>> 0 > 1 ? CUresult.INVALID_VALUE : 0;
    }
    default:
      return CUresult.INVALID_VALUE;
  }
  return allowed(v, words, kind, body) ? 0 : CUresult.INVALID_VALUE;
}

/** What a kernel's body launches; null: it is gone, or was none of this client's. */
export function callableOf(v: Invocation, words: Int32Array, body: number): Callable | null {
  const { handles, client } = v;
  let row = handles.find(words[body], words[body + 1], HandleType.function, client.owner);
  if (row < 0) row = handles.find(words[body], words[body + 1], HandleType.kernel, client.owner);
  return row < 0 ? null : (handles.object[row] as Callable);
}

export function isEnabled(words: Int32Array, kind: NodeKind, body: number): boolean {
  if (kind === NodeKind.copy) return words[body + 18] !== 0;
  return (kind !== NodeKind.kernel && kind !== NodeKind.set) || words[body + 10] !== 0;
}

/** CUlaunchAttributeIDs that nodes have, all of values alone but for the first, which names memory. */
const ACCESS_POLICY_WINDOW = 1;
const NODE_ATTRIBUTES: ReadonlySet<number> = new Set([ACCESS_POLICY_WINDOW, 2, 4, 5, 8, 9, 10, 11, 14, 16]);
const ATTRIBUTES_MAX = 32;
/** An id and 64 bytes. */
export const ATTRIBUTE_WORDS = 18;

/** Word at which the attributes of a kernel's body begin. */
export const attributesAt = (words: Int32Array, body: number): number => body + 12 + (((words[body + 9] >>> 0) + 7) >> 3) * 2;

function checkAttributes(words: Int32Array, body: number, room: number): number {
  const count = words[body + 11] >>> 0;
  const first = attributesAt(words, body);
  if (count > ATTRIBUTES_MAX || body + room < first + count * ATTRIBUTE_WORDS) return CUresult.INVALID_VALUE;
  for (let i = 0; i < count; i++) {
    const at = first + i * ATTRIBUTE_WORDS;
    if (!NODE_ATTRIBUTES.has(words[at]) || words[at + 1] !== 0) return CUresult.INVALID_VALUE;
  }
  return 0;
}

/** Whether the node touches memory by itself: what `allowed` looks at. */
export function touches(words: Int32Array, kind: NodeKind, body: number): boolean {
  return kind === NodeKind.set || kind === NodeKind.copy || (kind === NodeKind.kernel && words[body + 11] !== 0);
}

/** Whether the client may touch all that a node does by itself: asked at each launch, for memory may have been freed since. */
export function allowed(v: Invocation, words: Int32Array, kind: NodeKind, body: number): boolean {
  const { memory } = v.executor;
  const mine = v.client.memory;
  switch (kind) {
    case NodeKind.set:
      return memory.check(mine, u64(words, body), (u64(words, body + 6) - 1) * u64(words, body + 2) + u64(words, body + 4) * words[body + 9], true);
    case NodeKind.copy: {
      const width = u64(words, body + 12);
      const rows = u64(words, body + 14);
      const depth = u64(words, body + 16);
      for (let end = body; end <= body + 6; end += 6)
        if (!memory.check(mine, u64(words, end), ((depth - 1) * u64(words, end + 4) + rows - 1) * u64(words, end + 2) + width, end !== body)) return false;
      return true;
    }
    case NodeKind.kernel:
      for (let i = 0, at = attributesAt(words, body); i < words[body + 11]; i++, at += ATTRIBUTE_WORDS) {
        // base_ptr, num_bytes, ...: an empty window may point anywhere
        if (words[at] === ACCESS_POLICY_WINDOW && u64(words, at + 4) !== 0 && !memory.check(mine, u64(words, at + 2), u64(words, at + 4), false)) return false;
      }
      return true;
    default:
      return true;
  }
}
