/**
 * The driver's graph of a client's: nodes first, conditionals before the others because their handles are what kernels are given,
 * then all edges in one call a graph.
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
import { ATTRIBUTE_WORDS, attributesAt, type Node, NodeKind } from './nodes.ts';

const MEMORY_DEVICE = 2;
const MEMORY_UNIFIED = 4;
const TYPE_CONDITIONAL = 13;

/** What a client has instantiated. */
export class Graph {
  row = -1;
  exec = 0;
  /** Functions and kernels that it launches: it may only run while they are there. */
  readonly callables = new Set<Callable>();
  /** Its nodes that touch memory by themselves: looked at in each launch. */
  readonly touching = new Map<number, Node>();
  /** The client's condition numbers and the driver's. */
  readonly conditions = new Map<bigint, bigint>();

  /** `native`: the driver's graph, which its nodes belong to. `context`: what it runs in, `contextNative` as it was then. */
  constructor(readonly native: number, readonly context: Context, readonly contextNative: number, readonly nodes: Node[], readonly drivers: BigUint64Array) {}

  /** Finds out anew which functions its nodes have. */
  recount(): void {
    this.callables.clear();
    for (const node of this.nodes) if (node.callable !== null) this.callables.add(node.callable);
  }
}

// One of each for ever: the driver reads them during the call.
const params = Buffer.allocUnsafeSlow(PARAM_BYTES_MAX).fill(0);
const paramWords = new Int32Array(params.buffer, params.byteOffset, params.length >> 2);
const paramLongs = new BigUint64Array(params.buffer, params.byteOffset, params.length >> 3);
const extra = new BigUint64Array(8);
const extraAddress = addressOf(extra);
extra[0] = 1n; // CU_LAUNCH_PARAM_BUFFER_POINTER
extra[1] = BigInt(addressOf(params));
extra[2] = 2n; // CU_LAUNCH_PARAM_BUFFER_SIZE
extra[3] = BigInt(extraAddress + 40);
/** Room for any node's parameters as the driver wants them; 256 bytes is the largest (CUgraphNodeParams). */
const given = Buffer.allocUnsafeSlow(256).fill(0);
const givenAddress = addressOf(given);
const out = new BigUint64Array(2);
const outAddress = addressOf(out);

const low = (body: Int32Array, at: number): bigint => (BigInt(body[at + 1] >>> 0) << 32n) | BigInt(body[at] >>> 0);

/** CUDA_KERNEL_NODE_PARAMS (version 2): function at 0, shape from 8 on, extra at 48, context at 64. */
function kernelParams(node: Node, graph: Graph): number {
  const { body } = node;
  const bytes = body[9] >>> 0;
  paramWords.set(body.subarray(12, 12 + ((bytes + 3) >> 2)));
  if (graph.conditions.size !== 0) {
    for (let i = 0; i < bytes >> 3; i++) {
      const driver = graph.conditions.get(paramLongs[i]);
      if (driver !== undefined) paramLongs[i] = driver;
    }
  }
  given.fill(0);
  given.writeBigUInt64LE(BigInt(node.callable!.native), 0);
  for (let i = 0; i < 7; i++) given.writeUInt32LE(body[2 + i] >>> 0, 8 + 4 * i);
  extra[5] = BigInt(bytes);
  if (bytes !== 0) given.writeBigUInt64LE(BigInt(extraAddress), 48);
  given.writeBigUInt64LE(BigInt(graph.contextNative), 64);
  return givenAddress;
}

/** CUDA_MEMSET_NODE_PARAMS: dst, pitch, value and element at 16, width, height. */
function setParams({ body }: Node): number {
  given.writeBigUInt64LE(low(body, 0), 0);
  given.writeBigUInt64LE(low(body, 2), 8);
  given.writeUInt32LE(body[8] >>> 0, 16);
  given.writeUInt32LE(body[9] >>> 0, 20);
  given.writeBigUInt64LE(low(body, 4), 24);
  given.writeBigUInt64LE(low(body, 6), 32);
  return givenAddress;
}

/** CUDA_MEMCPY3D: of each end the type at 32, the address at 48, pitch and height at 72 and 80; the target's 88 bytes on; extents at 176. */
function copyParams(v: Invocation, { body }: Node): number {
  const { hostWindowBase, hostWindowSize } = v.executor.memory;
  given.fill(0);
  for (const [from, at] of [[0, 0], [6, 88]] as const) {
    const address = low(body, from);
    const pinned = address >= BigInt(hostWindowBase) && address < BigInt(hostWindowBase + hostWindowSize);
    given.writeUInt32LE(pinned ? MEMORY_UNIFIED : MEMORY_DEVICE, at + 32);
    given.writeBigUInt64LE(address, at + 48);
    given.writeBigUInt64LE(low(body, from + 2), at + 72);
    given.writeBigUInt64LE(low(body, from + 4), at + 80);
  }
  for (let i = 0; i < 3; i++) given.writeBigUInt64LE(low(body, 12 + 2 * i), 176 + 8 * i);
  return givenAddress;
}

/** Gives a kernel's node in the driver's graph its attributes. */
function setAttributes(v: Invocation, native: number, { body }: Node): number {
  for (let i = 0, at = attributesAt(body); i < body[11]; i++, at += ATTRIBUTE_WORDS) {
    given.fill(0);
    for (let word = 2; word < ATTRIBUTE_WORDS; word++) given.writeInt32LE(body[at + word], (word - 2) * 4);
    const status = v.driver.cuGraphKernelNodeSetAttribute(native, body[at], givenAddress);
    if (status !== 0) return status;
  }
  return 0;
}

/** Whether two kernels have the same attributes. */
function sameAttributes(a: Int32Array, b: Int32Array): boolean {
  if (a[11] !== b[11]) return false;
  const [from, other] = [attributesAt(a), attributesAt(b)];
  for (let i = 0; i < a[11] * ATTRIBUTE_WORDS; i++) if (a[from + i] !== b[other + i]) return false;
  return true;
}

/** Adds one node; `out` gets it. */
function addNode(v: Invocation, graph: Graph, native: number, node: Node): number {
  const { driver } = v;
  switch (node.kind) {
    case NodeKind.kernel:
      graph.callables.add(node.callable!);
      return driver.cuGraphAddKernelNode_v2(outAddress, native, 0, 0, kernelParams(node, graph)) || setAttributes(v, Number(out[0]), node);
    case NodeKind.set:
      return driver.cuGraphAddMemsetNode(outAddress, native, 0, 0, setParams(node), graph.contextNative);
    case NodeKind.copy:
      return driver.cuGraphAddMemcpyNode(outAddress, native, 0, 0, copyParams(v, node), graph.contextNative);
    default:
      return driver.cuGraphAddEmptyNode(outAddress, native, 0, 0);
  }
}

/** Adds a conditional with its handle; its bodies' graphs go to `natives`. */
function addConditional(v: Invocation, graph: Graph, natives: number[], node: Node): number {
  const { driver } = v;
  const { body } = node;
  const native = natives[node.graph];
  const size = body[3] >>> 0;
  let status = driver.cuGraphConditionalHandleCreate(outAddress, native, graph.contextNative, body[4] >>> 0, body[5] >>> 0);
  if (status !== 0) return status;
  graph.conditions.set(low(body, 0), out[0]);
  // CUgraphNodeParams: type at 0; handle at 16, type, size, the bodies' array at 32 (out), context at 40.
  given.fill(0);
  given.writeUInt32LE(TYPE_CONDITIONAL, 0);
  given.writeBigUInt64LE(out[0], 16);
  given.writeUInt32LE(body[2] >>> 0, 24);
  given.writeUInt32LE(size, 28);
  given.writeBigUInt64LE(BigInt(graph.contextNative), 40);
  status = driver.cuGraphAddNode_v2(outAddress, native, 0, 0, 0, givenAddress);
  if (status !== 0) return status;
  const bodies = new BigUint64Array(size);
  copyFrom(new Uint8Array(bodies.buffer), Number(given.readBigUInt64LE(32)), size * 8);
  for (let i = 0; i < size; i++) natives[node.firstBody + i] = Number(bodies[i]);
  return 0;
}

/** Whether the numbers fit together: each body once, made before its nodes; dependencies in one graph. */
function soundShape(nodes: Node[], graphs: number): boolean {
  let bodies = 1;
  for (const node of nodes) {
    if (node.graph >= bodies) return false;
    if (node.kind === NodeKind.conditional) {
      if (node.firstBody !== bodies) return false;
      bodies += node.body[3] >>> 0;
    }
    for (const from of node.dependencies) if (from >= nodes.length || nodes[from].graph !== node.graph) return false;
  }
  return bodies === graphs;
}

function fill(v: Invocation, graph: Graph, graphs: number): number {
  const natives = new Array<number>(graphs).fill(0);
  natives[0] = graph.native;
  for (const conditional of [true, false]) {
    for (let i = 0; i < graph.nodes.length; i++) {
      const node = graph.nodes[i];
      if ((node.kind === NodeKind.conditional) !== conditional) continue;
      const status = conditional ? addConditional(v, graph, natives, node) : addNode(v, graph, natives[node.graph], node);
      if (status !== 0) return status;
      graph.drivers[i] = out[0];
      if (node.touched.length !== 0) graph.touching.set(i, node);
    }
  }
  for (let g = 0; g < graphs; g++) {
    const from: bigint[] = [];
    const to: bigint[] = [];
    graph.nodes.forEach((node, i) => {
      if (node.graph !== g) return;
      for (const each of node.dependencies) {
        from.push(graph.drivers[each]);
        to.push(graph.drivers[i]);
      }
    });
    if (from.length === 0) continue;
    const status = v.driver.cuGraphAddDependencies(natives[g], addressOf(BigUint64Array.from(from)), addressOf(BigUint64Array.from(to)), from.length);
    if (status !== 0) return status;
  }
  return 0;
}

/** Makes the driver's graph and instantiates it in the driver's current context. A CUresult when it cannot be. */
export function buildGraph(v: Invocation, context: Context, nodes: Node[], graphs: number): Graph | number {
  const { driver } = v;
  if (!soundShape(nodes, graphs)) return CUresult.INVALID_VALUE;
  let status = driver.cuGraphCreate(outAddress, 0);
  if (status !== 0) return status;
  const graph = new Graph(Number(out[0]), context, context.native, nodes, new BigUint64Array(nodes.length));
  status = fill(v, graph, graphs);
  if (status === 0) status = driver.cuGraphInstantiateWithFlags(outAddress, graph.native, 0);
  if (status === 0) {
    graph.exec = Number(out[0]);
    for (let i = 0; i < nodes.length && status === 0; i++)
      if (!nodes[i].enabled) status = driver.cuGraphNodeSetEnabled(graph.exec, Number(graph.drivers[i]), 0);
  }
  if (status === 0) return graph;
  destroyGraph(v.driver, graph);
  return status;
}

/** Gives one node of an instantiated graph other parameters, or enables or disables it: for launches to come. */
export function setNode(v: Invocation, graph: Graph, index: number, node: Node): number {
  const { driver } = v;
  const before = graph.nodes[index];
  const native = Number(graph.drivers[index]);
  if (before.kind !== node.kind) return CUresult.INVALID_VALUE;
  // No driver can change them in an executable graph.
  if (node.kind === NodeKind.kernel && !sameAttributes(before.body, node.body)) return CUresult.NOT_SUPPORTED;
  let status: number;
  if (node.kind === NodeKind.kernel) status = driver.cuGraphExecKernelNodeSetParams_v2(graph.exec, native, kernelParams(node, graph));
  else if (node.kind === NodeKind.set) status = driver.cuGraphExecMemsetNodeSetParams(graph.exec, native, setParams(node), graph.contextNative);
  else if (node.kind === NodeKind.copy) status = driver.cuGraphExecMemcpyNodeSetParams(graph.exec, native, copyParams(v, node), graph.contextNative);
  else return CUresult.INVALID_VALUE;
  if (status === 0 && before.enabled !== node.enabled) status = driver.cuGraphNodeSetEnabled(graph.exec, native, node.enabled ? 1 : 0);
  if (status !== 0) return status;
  if (node.callable !== null) graph.callables.add(node.callable);
  node.graph = before.graph;
  node.dependencies = before.dependencies;
  graph.nodes[index] = node;
  if (node.touched.length !== 0) graph.touching.set(index, node);
  return 0;
}

/** What is launched still runs. */
export function destroyGraph(driver: Invocation['driver'], graph: Graph): void {
  if (graph.exec !== 0) driver.cuGraphExecDestroy(graph.exec);
  graph.exec = 0;
  driver.cuGraphDestroy(graph.native);
}
