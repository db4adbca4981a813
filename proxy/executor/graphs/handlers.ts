/**
 * Graphs: GRAPH_NODES, GRAPH_MAKE, GRAPH_SET, GRAPH_LAUNCH, GRAPH_END.
 *
 * What arrives is the part of a client's graph that the device does alone: kernels, sets and copies of device memory, conditionals of
 * those, whose bodies may copy from and to pinned memory too. Host functions, pageable and elsewhere pinned memory, events and memory
 * operations stay with the client, which sends them as the calls that they are, between the launches of such parts. Functions and
 * memory are looked at again at each launch, and what the client frees stays until its work is done.
 */
import type { Driver } from '../../driver/driver.ts';
import { CUresult } from '../../driver/errors.ts';
import { GraphEnd, GraphLaunch, GraphMake, GraphMakeReply, GraphNodes, GraphSet, HandleType, Message, MESSAGES } from '../../generated/messages.ts';
import type { Context } from '../context.ts';
import type { HandlerTable } from '../handlers/table.ts';
import type { Invocation } from '../invocation.ts';
import { buildGraph, destroyGraph, type Graph, type Nodes, setNode } from './build.ts';
import { checkNode, Head } from './nodes.ts';

/** Words of nodes that a client, and all clients of the zone, may have sent and not made into graphs. */
const PENDING_MAX = 8 << 20;
const ZONE_PENDING_MAX = 4 * PENDING_MAX;
/** Nodes and their words of all graphs of one client, and of the zone: each node takes this process 1.5 KiB beside its words, which are kept
 *  here and once more in the driver, and no quota counts them. */
const NODES_MAX = 1 << 18;
const ZONE_NODES_MAX = 4 * NODES_MAX;
const WORDS_MAX = 32 << 20;
const ZONE_WORDS_MAX = 2 * WORDS_MAX;
/** Nodes, and edges between them, of one graph: the other clients of the zone wait while it is made, launched or ended. A client divides what is
 *  larger (libvgpu/graph.c); bodies of conditionals it cannot. */
const GRAPH_NODES_MAX = 1 << 14;
const GRAPH_EDGES_MAX = 1 << 17;
/** A graph of more nodes than this has its turn for itself. */
const BULKY_NODES = 256;
/** Nodes of graphs that are ended in one go when their client is. */
const END_NODES = 1 << 13;

/** What all clients of the zone have. */
export class ZoneGraphs {
  nodes = 0;
  words = 0;
  pendingWords = 0;
}

/** Nodes under way: room doubles as they come. */
interface Build {
  words: Int32Array;
  count: number;
}

/** A client's graphs. */
export class ClientGraphs {
  /** By the client's number for what they will be. */
  readonly pending = new Map<number, Build>();
  pendingWords = 0;
  readonly graphs = new Set<Graph>();
  nodes = 0;
  words = 0;

  constructor(private readonly zone: ZoneGraphs) {}

  /** Whether so many words of nodes may come. */
  mayCome(words: number): boolean {
    return words <= Math.min(PENDING_MAX - this.pendingWords, ZONE_PENDING_MAX - this.zone.pendingWords);
  }

  /** Whether a graph of so many nodes may be made of so many words. */
  hasRoom(nodes: number, words: number): boolean {
    return nodes <= Math.min(NODES_MAX - this.nodes, ZONE_NODES_MAX - this.zone.nodes) && words <= Math.min(WORDS_MAX - this.words, ZONE_WORDS_MAX - this.zone.words);
  }

  count(nodes: number, words: number): void {
    this.nodes += nodes;
    this.zone.nodes += nodes;
    this.words += words;
    this.zone.words += words;
  }

  /** So many words have come; or, below 0, are wanted no more. */
  came(words: number): void {
    this.pendingWords += words;
    this.zone.pendingWords += words;
  }

  /** The nodes of a number; null: none, or too many were sent. */
  take(build: number): Int32Array | null {
    const sent = this.pending.get(build);
    if (sent === undefined) return null;
    this.pending.delete(build);
    this.came(-sent.count);
    return sent.words.length > sent.count ? sent.words.slice(0, sent.count) : sent.words;
  }

  forget(driver: Driver, graph: Graph): void {
    this.graphs.delete(graph);
    this.count(-graph.nodes.count, -graph.words);
    destroyGraph(driver, graph);
  }

  /** The client is going; its work is done. To be called again, with others served meanwhile, until it says true: nothing is left. */
  end(driver: Driver): boolean {
    this.pending.clear();
    this.came(-this.pendingWords);
    let done = 0;
    for (const graph of this.graphs) {
      if (done >= END_NODES) return false;
      done += graph.nodes.count + 16;
      this.forget(driver, graph);
    }
    return true;
  }
}

const NODES_WORDS = MESSAGES[Message.GRAPH_NODES].request >> 2;
const SET_WORDS = MESSAGES[Message.GRAPH_SET].request >> 2;

/** Whether `count` words from word `off` on are in the record. */
const hasWords = (v: Invocation, off: number, count: number): boolean => (off + count) * 4 <= v.bytes; // no shift: that would wrap around

function nodes(v: Invocation): number {
  const { graphs } = v.client;
  const count = v.u32(GraphNodes.words);
  if (count === 0 || !hasWords(v, NODES_WORDS, count)) return CUresult.INVALID_VALUE;
  if (!graphs.mayCome(count)) return CUresult.OUT_OF_MEMORY;
  const build = v.u64(GraphNodes.build);
  let sent = graphs.pending.get(build);
  if (sent === undefined) {
    if (graphs.pending.size >= 256) return CUresult.OUT_OF_MEMORY;
    sent = { words: new Int32Array(count), count: 0 };
    graphs.pending.set(build, sent);
  } else if (sent.count + count > sent.words.length) {
    const grown = new Int32Array(Math.min(PENDING_MAX, Math.max(sent.count + count, 2 * sent.words.length)));
    grown.set(sent.words);
    sent.words = grown;
  }
  v.copyWords(sent.words, NODES_WORDS, count, sent.count);
  sent.count += count;
  graphs.came(count);
  return CUresult.SUCCESS;
}

/** Finds and checks `count` nodes, which must be all that the words are. */
function readNodes(v: Invocation, words: Int32Array, count: number): Nodes | number {
  const at = new Int32Array(count);
  let edges = 0;
  let found = 0;
  for (let next = 0; next < words.length; next += words[next + Head.size]) {
    const status = checkNode(v, words, next, words.length);
    if (status !== 0) return status;
    if (found === count) return CUresult.INVALID_VALUE;
    at[found++] = next;
    edges += words[next + Head.dependencies];
  }
  if (found !== count) return CUresult.INVALID_VALUE; // some were refused on the way
  return edges > GRAPH_EDGES_MAX ? CUresult.OUT_OF_MEMORY : { count, words, at };
}

function make(v: Invocation): number {
  const { client, executor } = v;
  const { graphs } = client;
  v.bulky = true;
  const words = graphs.take(v.u64(GraphMake.build));
  const count = v.u32(GraphMake.nodes);
  const row = v.row(HandleType.context, GraphMake.context);
  if (row < 0) return v.invalid(HandleType.context);
  const context = v.handles.object[row] as Context;
  if (context.active === 0) return CUresult.CONTEXT_IS_DESTROYED;
  if (words === null || count > GRAPH_NODES_MAX || !graphs.hasRoom(count, words.length)) return CUresult.OUT_OF_MEMORY;
  if (!v.room(HandleType.graphExec)) return v.refuse();
  const list = readNodes(v, words, count);
  if (typeof list === 'number') return list;
  v.enter(context.native);
  const graph = buildGraph(v, context, list, v.u32(GraphMake.graphs));
  if (typeof graph === 'number') return graph;
  graph.row = executor.registerObject(HandleType.graphExec, client, graph.exec, graph);
  if (graph.row < 0) {
    destroyGraph(v.driver, graph);
    return v.refuse();
  }
  graphs.graphs.add(graph);
  graphs.count(count, graph.words);
  v.replyRow(GraphMakeReply.graph, graph.row);
  return CUresult.SUCCESS;
}

/** The graph at `off`, or a CUresult: it is none, or what it was made in has gone. */
function find(v: Invocation, off: number): Graph | number {
  const row = v.row(HandleType.graphExec, off);
  if (row < 0) return v.invalid(HandleType.graphExec);
  const graph = v.handles.object[row] as Graph;
  if (graph.context.native !== graph.contextNative || graph.context.active === 0) return CUresult.CONTEXT_IS_DESTROYED;
  return graph;
}

function set(v: Invocation): number {
  const graph = find(v, GraphSet.graph);
  if (typeof graph === 'number') return graph;
  const { graphs } = v.client;
  const index = v.u32(GraphSet.node);
  const count = v.u32(GraphSet.words);
  if (count === 0 || !hasWords(v, SET_WORDS, count) || index >= graph.nodes.count) return CUresult.INVALID_VALUE;
  if (!graphs.hasRoom(0, count)) return CUresult.OUT_OF_MEMORY;
  const words = new Int32Array(count);
  v.copyWords(words, SET_WORDS, count);
  const status = checkNode(v, words, 0, count);
  if (status !== 0) return status;
  v.enter(graph.contextNative);
  const before = graph.words;
  const result = setNode(v, graph, index, words);
  graphs.count(0, graph.words - before);
  return result;
}

/** Whether all that it launches is still loaded. */
function allThere(v: Invocation, graph: Graph): boolean {
  for (const callable of graph.callables) if (v.handles.object[callable.row] !== callable) return false;
  return true;
}

function launch(v: Invocation): number {
  const graph = find(v, GraphLaunch.graph);
  if (typeof graph === 'number') return graph;
  const stream = v.stream(GraphLaunch.stream);
  if (stream < 0) return v.invalid(HandleType.stream);
  v.bulky = graph.nodes.count > BULKY_NODES;
  // Nodes that were given another function no longer need the one of before.
  if (!allThere(v, graph) && !graph.recount(v)) return CUresult.INVALID_HANDLE;
  if (!graph.allowed(v)) return v.outside();
  return v.driver.cuGraphLaunch(graph.exec, stream);
}

function end(v: Invocation): number {
  const row = v.row(HandleType.graphExec, GraphEnd.graph);
  if (row < 0) return v.invalid(HandleType.graphExec);
  const graph = v.handles.object[row] as Graph;
  v.bulky = graph.nodes.count > BULKY_NODES;
  v.client.graphs.forget(v.driver, graph);
  v.executor.unregister(row);
  return CUresult.SUCCESS;
}

export function registerGraphs(table: HandlerTable): void {
  table[Message.GRAPH_NODES] = nodes;
  table[Message.GRAPH_MAKE] = make;
  table[Message.GRAPH_SET] = set;
  table[Message.GRAPH_LAUNCH] = launch;
  table[Message.GRAPH_END] = end;
}
