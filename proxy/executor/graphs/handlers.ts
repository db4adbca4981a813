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
import type { Client } from '../client.ts';
import type { Context } from '../context.ts';
import type { HandlerTable } from '../handlers/table.ts';
import type { Invocation } from '../invocation.ts';
import { buildGraph, destroyGraph, type Graph, setNode } from './build.ts';
import { allowed, type Node, parseNode } from './nodes.ts';

/** Words of nodes that a client, and all clients of the zone, may have sent and not made into graphs. */
const PENDING_MAX = 8 << 20;
const ZONE_PENDING_MAX = 4 * PENDING_MAX;
/** Nodes of all graphs of one client, and of the zone: each takes this process 2 KiB, which no quota counts. */
const NODES_MAX = 1 << 18;
const ZONE_NODES_MAX = 4 * NODES_MAX;

/** What all clients of the zone have. */
export class ZoneGraphs {
  nodes = 0;
  pendingWords = 0;
}

/** A client's graphs. */
export class ClientGraphs {
  /** Nodes under way, by the client's number for what they will be. */
  readonly pending = new Map<number, Int32Array[]>();
  pendingWords = 0;
  readonly graphs = new Set<Graph>();
  nodes = 0;

  constructor(private readonly zone: ZoneGraphs) {}

  /** Whether so many nodes, or words of nodes, may come. */
  hasRoom(nodes: number, words: number): boolean {
    return nodes <= Math.min(NODES_MAX - this.nodes, ZONE_NODES_MAX - this.zone.nodes)
      && words <= Math.min(PENDING_MAX - this.pendingWords, ZONE_PENDING_MAX - this.zone.pendingWords);
  }

  count(nodes: number, words: number): void {
    this.nodes += nodes;
    this.zone.nodes += nodes;
    this.pendingWords += words;
    this.zone.pendingWords += words;
  }

  /** The nodes of a number, in one piece; null: none, or too many were sent. */
  take(build: number): Int32Array | null {
    const pieces = this.pending.get(build);
    if (pieces === undefined) return null;
    this.pending.delete(build);
    const total = pieces.reduce((sum, piece) => sum + piece.length, 0);
    this.count(0, -total);
    const all = new Int32Array(total);
    let at = 0;
    for (const piece of pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  }

  /** The client is going; its work is done. */
  end(driver: Driver): void {
    for (const graph of this.graphs) destroyGraph(driver, graph);
    this.graphs.clear();
    this.pending.clear();
    this.count(-this.nodes, -this.pendingWords);
  }
}

const NODES_WORDS = MESSAGES[Message.GRAPH_NODES].request >> 2;
const SET_WORDS = MESSAGES[Message.GRAPH_SET].request >> 2;

function readWords(v: Invocation, off: number, count: number): Int32Array | null {
  if ((off + count) * 4 > v.bytes) return null; // no shift: that would wrap around
  const words = new Int32Array(count);
  v.copyWords(words, off, count);
  return words;
}

function nodes(v: Invocation): number {
  const { graphs } = v.client;
  const words = readWords(v, NODES_WORDS, v.u32(GraphNodes.words));
  if (words === null) return CUresult.INVALID_VALUE;
  if (!graphs.hasRoom(0, words.length)) return CUresult.OUT_OF_MEMORY;
  const build = v.u64(GraphNodes.build);
  const pieces = graphs.pending.get(build);
  if (pieces !== undefined) pieces.push(words);
  else if (graphs.pending.size < 256) graphs.pending.set(build, [words]);
  else return CUresult.OUT_OF_MEMORY;
  graphs.count(0, words.length);
  return CUresult.SUCCESS;
}

function make(v: Invocation): number {
  const { client, executor } = v;
  const { graphs } = client;
  const words = graphs.take(v.u64(GraphMake.build));
  const count = v.u32(GraphMake.nodes);
  const row = v.row(HandleType.context, GraphMake.context);
  if (row < 0) return v.invalid(HandleType.context);
  const context = v.handles.object[row] as Context;
  if (context.active === 0) return CUresult.CONTEXT_IS_DESTROYED;
  if (words === null || !graphs.hasRoom(count, 0)) return CUresult.OUT_OF_MEMORY;
  if (!v.room(HandleType.graphExec)) return v.refuse();
  const list: Node[] = [];
  for (let at = 0; at < words.length; at += words[at + 1]) {
    const node = parseNode(v, words, at, words.length);
    if (typeof node === 'number') return node;
    list.push(node);
  }
  if (list.length !== count) return CUresult.INVALID_VALUE; // some were refused on the way
  v.enter(context.native);
  const graph = buildGraph(v, context, list, v.u32(GraphMake.graphs));
  if (typeof graph === 'number') return graph;
  graph.row = executor.registerObject(HandleType.graphExec, client, graph.exec, graph);
  if (graph.row < 0) {
    destroyGraph(v.driver, graph);
    return v.refuse();
  }
  graphs.graphs.add(graph);
  graphs.count(count, 0);
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
  const index = v.u32(GraphSet.node);
  const words = readWords(v, SET_WORDS, v.u32(GraphSet.words));
  if (words === null || index >= graph.nodes.length) return CUresult.INVALID_VALUE;
  const node = parseNode(v, words, 0, words.length);
  if (typeof node === 'number') return node;
  v.enter(graph.contextNative);
  return setNode(v, graph, index, node);
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
  if (!allThere(v, graph)) {
    graph.recount(); // nodes that were given another function no longer need the one of before
    if (!allThere(v, graph)) return CUresult.INVALID_HANDLE;
  }
  for (const node of graph.touching.values()) if (node.enabled && !allowed(v, node)) return v.outside();
  return v.driver.cuGraphLaunch(graph.exec, stream);
}

function end(v: Invocation): number {
  const row = v.row(HandleType.graphExec, GraphEnd.graph);
  if (row < 0) return v.invalid(HandleType.graphExec);
  const graph = v.handles.object[row] as Graph;
  forgetGraph(v.client, graph);
  v.executor.unregister(row);
  destroyGraph(v.driver, graph);
  return CUresult.SUCCESS;
}

function forgetGraph(client: Client, graph: Graph): void {
  client.graphs.graphs.delete(graph);
  client.graphs.count(-graph.nodes.length, 0);
}

export function registerGraphs(table: HandlerTable): void {
  table[Message.GRAPH_NODES] = nodes;
  table[Message.GRAPH_MAKE] = make;
  table[Message.GRAPH_SET] = set;
  table[Message.GRAPH_LAUNCH] = launch;
  table[Message.GRAPH_END] = end;
}
