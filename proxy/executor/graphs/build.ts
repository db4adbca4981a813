/**
 * The driver's graph of a client's: nodes first, conditionals before the others because their handles are what kernels are given; edges
 * with the nodes, those of conditionals in one call a graph.
 *
 * A condition's handle is the driver's, and the client's kernels were given a number of its own: where it stands in a kernel's
 * parameters (64 bits, aligned), the driver's takes its place. It has too many random bits to stand there by chance.
 */
import { addressOf } from '../../driver/driver.ts';
import { CUresult } from '../../driver/errors.ts';
import type { Callable } from '../code/objects.ts';
import { PARAM_BYTES_MAX } from '../code/params.ts';
import type { Context } from '../context.ts';
import type { Invocation } from '../invocation.ts';
import { copyFrom } from '../system.ts';
import { allowed, ATTRIBUTE_WORDS, attributesAt, bodyOf, callableOf, Head, isEnabled, NodeKind, touches, u64 } from './nodes.ts';

const MEMORY_DEVICE = 2;
const MEMORY_UNIFIED = 4;
const TYPE_CONDITIONAL = 13;

/** Nodes as they were sent: `count` of them, number i at words[at[i]]. */
export interface Nodes {
  readonly count: number;
  readonly words: Int32Array;
  readonly at: Int32Array;
}

/** The driver's handle for a client's condition, by the low word of that. */
interface Condition {
  readonly high: number;
  readonly low: number;
  readonly driverLow: number;
  readonly driverHigh: number;
  readonly next: Condition | undefined;
}

/** What a client has instantiated. */
export class Graph {
  row = -1;
  exec = 0;
  /** Functions and kernels that it launches: it may only run while they are there. */
  readonly callables = new Set<Callable>();
  /** Numbers of the nodes that touch memory by themselves. Nodes that are changed do as they did. */
  readonly touching: number[] = [];
  readonly conditions = new Map<number, Condition>();
  /** The driver's nodes, 64 bits each. */
  readonly drivers: Int32Array;
  /** Nodes that were given other parameters since: the words of each, the node at 0. */
  private readonly changed = new Map<number, Int32Array>();
  /** Words that it keeps. */
  words: number;

  /** `native`: the driver's graph, which its nodes belong to. `context`: what it runs in, `contextNative` as it was then. */
  constructor(readonly native: number, readonly context: Context, readonly contextNative: number, readonly nodes: Nodes) {
    this.drivers = new Int32Array(nodes.count * 2);
    this.words = nodes.words.length;
  }

  wordsOf(index: number): Int32Array {
    return this.changed.get(index) ?? this.nodes.words;
  }

  /** Where the node is in these words. */
  placeOf(index: number): number {
    return this.changed.has(index) ? 0 : this.nodes.at[index];
  }

  change(index: number, words: Int32Array): void {
    this.words += words.length - (this.changed.get(index)?.length ?? 0);
    this.changed.set(index, words);
  }

  driverOf(index: number): number {
    return u64(this.drivers, index * 2);
  }

  /** Finds out anew which functions its nodes have; false: one is gone. */
  recount(v: Invocation): boolean {
    this.callables.clear();
    for (let i = 0; i < this.nodes.count; i++) {
      const words = this.wordsOf(i);
      const at = this.placeOf(i);
      if (words[at] !== NodeKind.kernel) continue;
      const callable = callableOf(v, words, bodyOf(words, at));
      if (callable === null) return false;
      this.callables.add(callable);
    }
    return true;
  }

  /** Whether the client may still touch the memory that its nodes do. */
  allowed(v: Invocation): boolean {
    const plain = this.changed.size === 0;
    for (let i = 0; i < this.touching.length; i++) {
      const index = this.touching[i];
      const words = plain ? this.nodes.words : this.wordsOf(index);
      const at = plain ? this.nodes.at[index] : this.placeOf(index);
      const body = bodyOf(words, at);
      if (isEnabled(words, words[at], body) && !allowed(v, words, words[at], body)) return false;
    }
    return true;
  }
}

// One of each for ever: the driver reads them during the call.
const params = Buffer.allocUnsafeSlow(PARAM_BYTES_MAX).fill(0);
const paramWords = new Int32Array(params.buffer, params.byteOffset, params.length >> 2);
const extra = new BigUint64Array(8);
const extraAddress = addressOf(extra);
extra[0] = 1n; // CU_LAUNCH_PARAM_BUFFER_POINTER
extra[1] = BigInt(addressOf(params));
extra[2] = 2n; // CU_LAUNCH_PARAM_BUFFER_SIZE
extra[3] = BigInt(extraAddress + 40);
const extraWords = new Int32Array(extra.buffer);
/** Room for any node's parameters as the driver wants them; 256 bytes is the largest (CUgraphNodeParams). */
const given = Buffer.allocUnsafeSlow(256).fill(0);
const givenWords = new Int32Array(given.buffer, given.byteOffset, given.length >> 2);
const givenAddress = addressOf(given);
const out = new BigUint64Array(2);
const outWords = new Int32Array(out.buffer);
const outAddress = addressOf(out);

/** A number below 2^53 at byte `at` of `given`. */
function give64(at: number, value: number): void {
  givenWords[at >> 2] = value >>> 0;
  givenWords[(at >> 2) + 1] = Math.floor(value / 4294967296);
}

/** CUDA_KERNEL_NODE_PARAMS (version 2): function at 0, shape from 8 on, extra at 48, context at 64. */
function kernelParams(v: Invocation, graph: Graph, words: Int32Array, body: number): number {
  const bytes = words[body + 9] >>> 0;
  const count = (bytes + 3) >> 2;
  for (let i = 0; i < count; i++) paramWords[i] = words[body + 12 + i];
  if (graph.conditions.size !== 0) {
    for (let i = 0; i + 1 < bytes >> 2; i += 2) {
      for (let each = graph.conditions.get(paramWords[i]); each !== undefined; each = each.next) {
        if (each.high !== paramWords[i + 1]) continue;
        paramWords[i] = each.driverLow;
        paramWords[i + 1] = each.driverHigh;
        break;
      }
    }
  }
  givenWords.fill(0);
  give64(0, callableOf(v, words, body)!.native);
  for (let i = 0; i < 7; i++) givenWords[2 + i] = words[body + 2 + i];
  extraWords[10] = bytes;
  if (bytes !== 0) give64(48, extraAddress);
  give64(64, graph.contextNative);
  return givenAddress;
}

/** CUDA_MEMSET_NODE_PARAMS: dst, pitch, value and element at 16, width, height. */
function setParams(words: Int32Array, body: number): number {
  for (let i = 0; i < 4; i++) {
    givenWords[i] = words[body + i];
    givenWords[6 + i] = words[body + 4 + i];
  }
  givenWords[4] = words[body + 8];
  givenWords[5] = words[body + 9];
  return givenAddress;
}

/** CUDA_MEMCPY3D: of each end the type at 32, the address at 48, pitch and height at 72 and 80; the target's 88 bytes on; extents at 176. */
function copyParams(v: Invocation, words: Int32Array, body: number): number {
  const { hostWindowBase, hostWindowSize } = v.executor.memory;
  givenWords.fill(0);
  for (let end = 0; end < 2; end++) {
    const from = body + 6 * end;
    const to = 22 * end;
    const address = u64(words, from);
    givenWords[to + 8] = address >= hostWindowBase && address < hostWindowBase + hostWindowSize ? MEMORY_UNIFIED : MEMORY_DEVICE;
    givenWords[to + 12] = words[from];
    givenWords[to + 13] = words[from + 1];
    for (let i = 0; i < 4; i++) givenWords[to + 18 + i] = words[from + 2 + i];
  }
  for (let i = 0; i < 6; i++) givenWords[44 + i] = words[body + 12 + i];
  return givenAddress;
}

/** Gives a kernel's node in the driver's graph its attributes. */
function setAttributes(v: Invocation, native: number, words: Int32Array, body: number): number {
  for (let i = 0, at = attributesAt(words, body); i < words[body + 11]; i++, at += ATTRIBUTE_WORDS) {
    givenWords.fill(0);
    for (let word = 2; word < ATTRIBUTE_WORDS; word++) givenWords[word - 2] = words[at + word];
    const status = v.driver.cuGraphKernelNodeSetAttribute(native, words[at], givenAddress);
    if (status !== 0) return status;
  }
  return 0;
}

/** Whether two kernels' bodies have the same attributes. */
function sameAttributes(a: Int32Array, aBody: number, b: Int32Array, bBody: number): boolean {
  if (a[aBody + 11] !== b[bBody + 11]) return false;
  const from = attributesAt(a, aBody);
  const other = attributesAt(b, bBody);
  for (let i = 0; i < a[aBody + 11] * ATTRIBUTE_WORDS; i++) if (a[from + i] !== b[other + i]) return false;
  return true;
}

/** The driver's nodes that a node depends on, in a list that is good until the next call of this; its address. */
let list = new Int32Array(new ArrayBuffer(64));
let listAddress = addressOf(list);
function dependencies(graph: Graph, words: Int32Array, at: number, count: number): number {
  if (count === 0) return 0;
  if (list.length < count * 2) {
    list = new Int32Array(new ArrayBuffer(count * 16));
    listAddress = addressOf(list);
  }
  for (let i = 0; i < count; i++) {
    const from = words[at + Head.words + i] * 2;
    list[i * 2] = graph.drivers[from];
    list[i * 2 + 1] = graph.drivers[from + 1];
  }
  return listAddress;
}

/** Adds one node behind what it depends on; `out` gets it. */
function addNode(v: Invocation, graph: Graph, native: number, at: number): number {
  const { driver } = v;
  const { words } = graph.nodes;
  const count = words[at + Head.dependencies];
  const body = bodyOf(words, at);
  const from = dependencies(graph, words, at, count);
  switch (words[at] as NodeKind) {
    case NodeKind.kernel:
      return driver.cuGraphAddKernelNode_v2(outAddress, native, from, count, kernelParams(v, graph, words, body)) || (words[body + 11] === 0 ? 0 : setAttributes(v, u64(outWords, 0), words, body));
    case NodeKind.set:
      return driver.cuGraphAddMemsetNode(outAddress, native, from, count, setParams(words, body), graph.contextNative);
    case NodeKind.copy:
      return driver.cuGraphAddMemcpyNode(outAddress, native, from, count, copyParams(v, words, body), graph.contextNative);
    default:
      return driver.cuGraphAddEmptyNode(outAddress, native, from, count);
  }
}

/** Adds a conditional with its handle, behind nothing yet; its bodies' graphs go to `natives`. `out` gets the node. */
function addConditional(v: Invocation, graph: Graph, natives: Float64Array, at: number): number {
  const { driver } = v;
  const { words } = graph.nodes;
  const body = bodyOf(words, at);
  const native = natives[words[at + Head.graph]];
  const size = words[body + 3];
  let status = driver.cuGraphConditionalHandleCreate(outAddress, native, graph.contextNative, words[body + 4] >>> 0, words[body + 5] >>> 0);
  if (status !== 0) return status;
  const low = words[body];
  graph.conditions.set(low, { low, high: words[body + 1], driverLow: outWords[0], driverHigh: outWords[1], next: graph.conditions.get(low) });
  // CUgraphNodeParams: type at 0; handle at 16, type, size, the bodies' array at 32 (out), context at 40.
  givenWords.fill(0);
  givenWords[0] = TYPE_CONDITIONAL;
  givenWords[4] = outWords[0];
  givenWords[5] = outWords[1];
  givenWords[6] = words[body + 2];
  givenWords[7] = size;
  give64(40, graph.contextNative);
  status = driver.cuGraphAddNode_v2(outAddress, native, 0, 0, 0, givenAddress);
  if (status !== 0) return status;
  const bodies = new Uint32Array(size * 2);
  copyFrom(new Uint8Array(bodies.buffer), u64(givenWords, 8), size * 8);
  for (let i = 0; i < size; i++) natives[words[body + 6] + i] = bodies[2 * i + 1] * 4294967296 + bodies[2 * i];
  return 0;
}

/** Whether the numbers fit together: each body once, made before its nodes, which come in one piece; dependencies on what came before in the same graph. */
function soundShape({ count, words, at }: Nodes, graphs: number): boolean {
  let bodies = 1;
  let last = 0;
  for (let i = 0; i < count; i++) {
    const node = at[i];
    const graph = words[node + Head.graph] >>> 0;
    if (graph >= bodies || graph < last) return false;
    last = graph;
    if (words[node] === NodeKind.conditional) {
      const body = bodyOf(words, node);
      if (words[body + 6] !== bodies) return false;
      bodies += words[body + 3];
      if (bodies > graphs) return false;
    }
    for (let k = 0; k < words[node + Head.dependencies]; k++) {
      const from = words[node + Head.words + k] >>> 0;
      if (from >= i || words[at[from] + Head.graph] >>> 0 !== graph) return false;
    }
  }
  return bodies === graphs;
}

/** The edges into conditionals [first, end), all of one graph: they were added before what they depend on. */
function connect(v: Invocation, graph: Graph, native: number, conditionals: number[], first: number, end: number): number {
  const { words, at } = graph.nodes;
  let count = 0;
  for (let i = first; i < end; i++) count += words[at[conditionals[i]] + Head.dependencies];
  if (count === 0) return 0;
  const from = new Int32Array(new ArrayBuffer(count * 8));
  const to = new Int32Array(new ArrayBuffer(count * 8));
  let edge = 0;
  for (let i = first; i < end; i++) {
    const index = conditionals[i];
    for (let k = 0; k < words[at[index] + Head.dependencies]; k++, edge += 2) {
      const other = words[at[index] + Head.words + k] * 2;
      from[edge] = graph.drivers[other];
      from[edge + 1] = graph.drivers[other + 1];
      to[edge] = graph.drivers[index * 2];
      to[edge + 1] = graph.drivers[index * 2 + 1];
    }
  }
  return v.driver.cuGraphAddDependencies(native, addressOf(from), addressOf(to), count);
}

function fill(v: Invocation, graph: Graph, graphs: number): number {
  const { count, words, at } = graph.nodes;
  const natives = new Float64Array(graphs);
  natives[0] = graph.native;
  const conditionals: number[] = [];
  for (let i = 0; i < count; i++) if (words[at[i]] === NodeKind.conditional) conditionals.push(i);
  for (let pass = 0; pass < 2; pass++) {
    const all = pass === 1;
    for (let k = 0; k < (all ? count : conditionals.length); k++) {
      const i = all ? k : conditionals[k];
      const kind: NodeKind = words[at[i]];
      if (all && kind === NodeKind.conditional) continue;
      const status = all ? addNode(v, graph, natives[words[at[i] + Head.graph]], at[i]) : addConditional(v, graph, natives, at[i]);
      if (status !== 0) return status;
      graph.drivers[i * 2] = outWords[0];
      graph.drivers[i * 2 + 1] = outWords[1];
      const body = bodyOf(words, at[i]);
      if (touches(words, kind, body)) graph.touching.push(i);
    }
  }
  for (let first = 0, end = 0; first < conditionals.length; first = end) {
    const body = words[at[conditionals[first]] + Head.graph];
    while (end < conditionals.length && words[at[conditionals[end]] + Head.graph] === body) end++;
    const status = connect(v, graph, natives[body], conditionals, first, end);
    if (status !== 0) return status;
  }
  return 0;
}

/** Disables what was disabled when it was instantiated. */
function disable(v: Invocation, graph: Graph): number {
  const { count, words, at } = graph.nodes;
  for (let i = 0; i < count; i++) {
    if (isEnabled(words, words[at[i]], bodyOf(words, at[i]))) continue;
    const status = v.driver.cuGraphNodeSetEnabled(graph.exec, graph.driverOf(i), 0);
    if (status !== 0) return status;
  }
  return 0;
}

/** Makes the driver's graph and instantiates it in the driver's current context. A CUresult when it cannot be. */
export function buildGraph(v: Invocation, context: Context, nodes: Nodes, graphs: number): Graph | number {
  const { driver } = v;
  if (!soundShape(nodes, graphs)) return CUresult.INVALID_VALUE;
  let status = driver.cuGraphCreate(outAddress, 0);
  if (status !== 0) return status;
  const graph = new Graph(u64(outWords, 0), context, context.native, nodes);
  status = graph.recount(v) ? fill(v, graph, graphs) : CUresult.INVALID_HANDLE;
  if (status === 0) status = driver.cuGraphInstantiateWithFlags(outAddress, graph.native, 0);
  if (status === 0) {
    graph.exec = u64(outWords, 0);
    status = disable(v, graph);
  }
  if (status === 0) return graph;
  destroyGraph(v.driver, graph);
  return status;
}

/** Gives one node of an instantiated graph other parameters, or enables or disables it: for launches to come. `words`: the node, checked. */
export function setNode(v: Invocation, graph: Graph, index: number, words: Int32Array): number {
  const { driver } = v;
  const before = graph.wordsOf(index);
  const place = graph.placeOf(index);
  const had = bodyOf(before, place);
  const native = graph.driverOf(index);
  const kind: NodeKind = words[0];
  const body = bodyOf(words, 0);
  if (before[place] !== kind) return CUresult.INVALID_VALUE;
  // No driver can change them in an executable graph.
  if (kind === NodeKind.kernel && !sameAttributes(before, had, words, body)) return CUresult.NOT_SUPPORTED;
  let status: number;
  if (kind === NodeKind.kernel) status = driver.cuGraphExecKernelNodeSetParams_v2(graph.exec, native, kernelParams(v, graph, words, body));
  else if (kind === NodeKind.set) status = driver.cuGraphExecMemsetNodeSetParams(graph.exec, native, setParams(words, body), graph.contextNative);
  else if (kind === NodeKind.copy) status = driver.cuGraphExecMemcpyNodeSetParams(graph.exec, native, copyParams(v, words, body), graph.contextNative);
  else return CUresult.INVALID_VALUE;
  const enabled = isEnabled(words, kind, body);
  if (status === 0 && isEnabled(before, kind, had) !== enabled) status = driver.cuGraphNodeSetEnabled(graph.exec, native, enabled ? 1 : 0);
  if (status !== 0) return status;
  if (kind === NodeKind.kernel) graph.callables.add(callableOf(v, words, body)!);
  graph.change(index, words);
  return 0;
}

/** What is launched still runs. */
export function destroyGraph(driver: Invocation['driver'], graph: Graph): void {
  if (graph.exec !== 0) driver.cuGraphExecDestroy(graph.exec);
  graph.exec = 0;
  driver.cuGraphDestroy(graph.native);
}
