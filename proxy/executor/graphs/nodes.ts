/**
 * Nodes of graphs as clients send them (GRAPH_NODES, GRAPH_SET): 32-bit words, each node
 *
 *   kind, words in all (even), graph (0: the top one; else a conditional's body), how many dependencies
 *   the dependencies: numbers of nodes of the same graph, padded to an even number
 *   by kind, from an even word on:
 *     kernel       function (u64), grid x y z, block x y z, shared, parameter bytes, enabled, attributes; the parameters, padded to 8; of each
 *                  attribute the id (u64) and 64 bytes of value
 *     set          address, pitch, width, rows (u64), value, element, enabled, 0
 *     copy         source, its pitch, its height, target, its pitch, its height, width, rows, depth (u64), enabled, 0: device or pinned memory
 *     empty
 *     conditional  handle (u64), type, size, default, flags, number of its first body, 0
 *
 * Everything is checked here: what comes out of `parse` names only what is the client's, and only numbers that are there.
 */
import { CUresult } from '../../driver/errors.ts';
import { HandleType } from '../../generated/messages.ts';
import type { Callable } from '../code/objects.ts';
import { PARAM_BYTES_MAX } from '../code/params.ts';
import type { Invocation } from '../invocation.ts';

export enum NodeKind { kernel = 0, set = 1, copy = 2, empty = 3, conditional = 4 }

const HEAD = 4;
const HIGH = 4294967296;
/** Cases of one switch. */
const SIZE_MAX = 65536;

/** Memory that a node touches, looked at again at each launch: it may have been freed since. */
export interface Touched {
  readonly address: number;
  readonly bytes: number;
  readonly write: boolean;
}

export interface Node {
  kind: NodeKind;
  graph: number;
  dependencies: number[];
  enabled: boolean;
  touched: Touched[];
  /** kernel */
  callable: Callable | null;
  /** The words behind the head, as they came. */
  body: Int32Array;
  /** conditional: the number of its first body. */
  firstBody: number;
}

const u64 = (words: Int32Array, at: number): number => (words[at + 1] >>> 0) * HIGH + (words[at] >>> 0);

/** One node from word `at`; a CUresult when it is none, or nothing that this client may do. `end`: behind the last word there is. */
export function parseNode(v: Invocation, words: Int32Array, at: number, end: number): Node | number {
  if (at + HEAD > end) return CUresult.INVALID_VALUE;
  const size = words[at + 1] >>> 0;
  const count = words[at + 3] >>> 0;
  const bodyAt = HEAD + count + (count & 1);
  if (size & 1 || size < bodyAt || at + size > end) return CUresult.INVALID_VALUE;
  const node: Node = {
    kind: words[at], graph: words[at + 2] >>> 0, dependencies: Array.from(words.subarray(at + HEAD, at + HEAD + count), (n) => n >>> 0),
    enabled: true, touched: [], callable: null, body: words.slice(at + bodyAt, at + size), firstBody: 0,
  };
  const status = checkBody(v, node);
  return status === 0 ? node : status;
}

function checkBody(v: Invocation, node: Node): number {
  const { body } = node;
  switch (node.kind) {
    case NodeKind.kernel: {
      if (body.length < 12) return CUresult.INVALID_VALUE;
      const row = v.handles.find(body[0], body[1], HandleType.function, v.client.owner);
      const other = row < 0 ? v.handles.find(body[0], body[1], HandleType.kernel, v.client.owner) : row;
      if (other < 0) return CUresult.INVALID_HANDLE;
      node.callable = v.handles.object[other] as Callable;
      const bytes = body[9] >>> 0;
      if (bytes < node.callable.paramBytes || bytes > PARAM_BYTES_MAX || body.length < 12 + ((bytes + 7) >> 3) * 2) return CUresult.INVALID_VALUE;
      node.enabled = body[10] !== 0;
      if (body[11] !== 0) {
        const status = checkAttributes(node);
        if (status !== 0) return status;
      }
      break;
    }
    case NodeKind.set: {
      if (body.length < 12) return CUresult.INVALID_VALUE;
      const element = body[9] >>> 0;
      const width = u64(body, 4) * element;
      const rows = u64(body, 6);
      const pitch = u64(body, 2);
      if ((element !== 1 && element !== 2 && element !== 4) || width === 0 || rows === 0 || (rows > 1 && pitch < width)) return CUresult.INVALID_VALUE;
      node.touched.push({ address: u64(body, 0), bytes: (rows - 1) * pitch + width, write: true });
      node.enabled = body[10] !== 0;
      break;
    }
    case NodeKind.copy: {
      if (body.length < 20) return CUresult.INVALID_VALUE;
      const width = u64(body, 12);
      const rows = u64(body, 14);
      const depth = u64(body, 16);
      if (width === 0 || rows === 0 || depth === 0) return CUresult.INVALID_VALUE;
      for (const [at, write] of [[0, false], [6, true]] as const) {
        const pitch = u64(body, at + 2);
        const height = u64(body, at + 4);
        if (((rows > 1 || depth > 1) && pitch < width) || (depth > 1 && height < rows)) return CUresult.INVALID_VALUE;
        node.touched.push({ address: u64(body, at), bytes: ((depth - 1) * height + rows - 1) * pitch + width, write });
      }
      node.enabled = body[18] !== 0;
      break;
    }
    case NodeKind.empty:
      return 0;
    case NodeKind.conditional: {
      if (body.length < 8) return CUresult.INVALID_VALUE;
      const type = body[2] >>> 0;
      const size = body[3] >>> 0;
      if (type > 2 || size === 0 || size > SIZE_MAX || (type === 0 && size > 2) || (type === 1 && size > 1) || (body[5] >>> 0) > 1) return CUresult.INVALID_VALUE;
      node.firstBody = body[6] >>> 0;
      return 0;
    }
    default:
      return CUresult.INVALID_VALUE;
  }
  return allowed(v, node) ? 0 : CUresult.INVALID_VALUE;
}

/** CUlaunchAttributeIDs that nodes have, all of values alone but for the first, which names memory. */
const ACCESS_POLICY_WINDOW = 1;
const NODE_ATTRIBUTES: ReadonlySet<number> = new Set([ACCESS_POLICY_WINDOW, 2, 4, 5, 8, 9, 10, 11, 14, 16]);
const ATTRIBUTES_MAX = 32;
/** An id and 64 bytes. */
export const ATTRIBUTE_WORDS = 18;

/** Word of a kernel's body at which its attributes begin. */
export const attributesAt = (body: Int32Array): number => 12 + (((body[9] >>> 0) + 7) >> 3) * 2;

function checkAttributes(node: Node): number {
  const { body } = node;
  const count = body[11] >>> 0;
  const first = attributesAt(body);
  if (count > ATTRIBUTES_MAX || body.length < first + count * ATTRIBUTE_WORDS) return CUresult.INVALID_VALUE;
  for (let i = 0; i < count; i++) {
    const at = first + i * ATTRIBUTE_WORDS;
    if (!NODE_ATTRIBUTES.has(body[at]) || body[at + 1] !== 0) return CUresult.INVALID_VALUE;
    // base_ptr, num_bytes, ...: an empty window may point anywhere
    if (body[at] === ACCESS_POLICY_WINDOW && u64(body, at + 4) !== 0) node.touched.push({ address: u64(body, at + 2), bytes: u64(body, at + 4), write: false });
  }
  return 0;
}

/** Whether the client may touch all that the node does. */
export function allowed(v: Invocation, node: Node): boolean {
  for (const { address, bytes, write } of node.touched) if (!v.executor.memory.check(v.client.memory, address, bytes, write)) return false;
  return true;
}
