/**
 * Linking: LINK_*. A link state is the driver's, its inputs are images like those of modules, and what comes out is read back in
 * pieces. All of it runs where code is loaded (loader.ts), one step of a state at a time: a client that does not wait for one is
 * refused the next.
 */
import { CUresult } from '../../driver/errors.ts';
import {
  HandleType, LinkAdd, LinkCompleteReply, LinkCreate, LinkCreateReply, LinkRead, LinkReadReply, Message, MESSAGES,
} from '../../generated/messages.ts';
import { PACKAGE_BYTES } from '../../../idm/region.ts';
import type { Client } from '../client.ts';
import type { Context } from '../context.ts';
import type { Executor } from '../executor.ts';
import type { HandlerTable } from '../handlers/table.ts';
import { DEFERRED, type Invocation } from '../invocation.ts';
import { copyFrom } from '../system.ts';
import { checkSized, unpackedBytes } from './container.ts';
import { imageAt } from './images.ts';
import { type JitOptions, readOptions } from './jit.ts';
import { linkAdd, linkComplete, linkCreate } from './loader.ts';
import { limitCode } from './measure.ts';
import { Link } from './objects.ts';

const CREATE_WORDS = MESSAGES[Message.LINK_CREATE].request >> 2;
const ADD_WORDS = MESSAGES[Message.LINK_ADD].request >> 2;
/** Link states of one client: what the driver has for each beside its inputs, no limit counts. */
const LINKS_MAX = 64;
/** What a driver has for an input beside its bytes. */
const NODE_BYTES = 256;

function create(v: Invocation): number {
  const context = v.current;
  if (context === null || v.context === 0) return CUresult.INVALID_CONTEXT;
  const jit = readOptions(v, CREATE_WORDS, v.u32(LinkCreate.options));
  if (typeof jit === 'number') return jit;
  const { client, executor } = v;
  if (!v.room(HandleType.linkState) || client.code.links.size >= LINKS_MAX) return v.refuse();
  const later = v.later();
  context.eventWaits++;
  linkCreate(executor, v.context, jit, (status, native) => {
    context.eventWaits--;
    if (status === 0) {
      const link = new Link(context, native, jit, client.code.nextImage++);
      if (!client.dead && context.legacy !== null) link.row = executor.registerObject(HandleType.linkState, client, native, link);
      if (link.row >= 0) {
        client.code.links.set(link.log, link);
        link.report = jit.report();
        later.replyRow(LinkCreateReply.state, link.row);
        later.replyU64(LinkCreateReply.log, link.log);
      } else {
        executor.enter(context.native);
        executor.driver.cuLinkDestroy(native);
        status = CUresult.OUT_OF_MEMORY;
      }
    }
    later.finish(status);
  });
  return DEFERRED;
}

/** The idle link state at word 0, where all these have it; a CUresult. */
function linkAt(v: Invocation): Link | number {
  const row = v.row(HandleType.linkState, LinkAdd.state);
  if (row < 0) return v.invalid(HandleType.linkState);
  const link = v.handles.object[row] as Link;
  return link.busy ? CUresult.INVALID_VALUE : link;
}

/** Runs one step; its end is the state's again. */
function step(v: Invocation, link: Link, run: (done: (status: number) => void) => void, reply: (later: ReturnType<Invocation['later']>) => void): number {
  const { client, executor } = v;
  const later = v.later();
  link.busy = true;
  link.context.eventWaits++;
  run((status) => {
    link.busy = false;
    link.context.eventWaits--;
    link.report = link.jit.report();
    if (client.dead || link.context.legacy === null) destroyLink(executor, client, link);
    else if (status === 0) reply(later);
    later.finish(status);
  });
  return DEFERRED;
}

function add(v: Invocation): number {
  const link = linkAt(v);
  if (typeof link === 'number') return link;
  const count = v.u32(LinkAdd.options);
  const jit = readOptions(v, ADD_WORDS, count, false);
  if (typeof jit === 'number') return jit;
  const image = imageAt(v, LinkAdd.image, false);
  if (typeof image === 'number') return image;
  const type = v.u32(LinkAdd.type);
  const checked = checkSized(image.bytes, image.size, image.parts, type);
  if (checked !== 0) return checked;
  const name = v.text(ADD_WORDS + count * 4);
  if (name === 0) return CUresult.INVALID_VALUE;
  const bytes = unpackedBytes(image.bytes, image.size, image.parts) + NODE_BYTES;
  if (!v.client.code.hold(bytes)) return CUresult.OUT_OF_MEMORY;
  link.charge += bytes;
  limitCode(v.executor);
  // The name is for messages, and must outlive this turn.
  const kept = Buffer.allocUnsafeSlow(v.executor.textBytes.indexOf(0) + 1);
  v.executor.textBytes.copy(kept, 0, 0, kept.length);
  return step(v, link, (done) => linkAdd(v.executor, link, type, image, kept, jit as JitOptions, done), () => undefined);
}

function complete(v: Invocation): number {
  const link = linkAt(v);
  if (typeof link === 'number') return link;
  if (link.bytes !== 0) return CUresult.INVALID_VALUE;
  // What comes out is no longer than what went in: the texts, or what a compiler makes of them.
  const { code } = v.client;
  const bytes = link.charge;
  if (!code.hold(bytes)) return CUresult.OUT_OF_MEMORY;
  link.charge += bytes;
  limitCode(v.executor);
  return step(v, link, (done) => linkComplete(v.executor, link, done), (later) => later.replyU64(LinkCompleteReply.bytes, link.bytes));
}

function read(v: Invocation): number {
  const link = linkAt(v);
  if (typeof link === 'number') return link;
  const chunk = v.u32(LinkRead.chunk);
  const offset = v.u64(LinkRead.offset);
  const { region } = v.client;
  const { shape } = region;
  if (chunk >= shape.stagingChunks || offset > link.bytes) return CUresult.INVALID_VALUE;
  const bytes = Math.min(shape.stagingChunk, link.bytes - offset);
  const at = shape.staging - PACKAGE_BYTES + chunk * shape.stagingChunk;
  if (bytes !== 0) copyFrom(region.bytes.subarray(at, at + bytes), link.address + offset, bytes);
  v.replyU32(LinkReadReply.bytes, bytes);
  v.bulky = true;
  return CUresult.SUCCESS;
}

function destroy(v: Invocation): number {
  const link = linkAt(v);
  if (typeof link === 'number') return link;
  return destroyLink(v.executor, v.client, link);
}

export function destroyLink(executor: Executor, client: Client, link: Link): number {
  if (!client.code.links.delete(link.log)) return CUresult.INVALID_HANDLE;
  executor.unregister(link.row);
  executor.enter(link.context.native);
  const status = executor.driver.cuLinkDestroy(link.native);
  client.code.letGo(link.charge);
  return status;
}

/** A context is about to be destroyed; states that are at work are destroyed when they are done, before it is. */
export function contextLinksGone(executor: Executor, client: Client, context: Context): void {
  for (const link of [...client.code.links.values()]) if (link.context === context && !link.busy) destroyLink(executor, client, link);
}

export function registerLinks(table: HandlerTable): void {
  table[Message.LINK_CREATE] = create;
  table[Message.LINK_ADD] = add;
  table[Message.LINK_COMPLETE] = complete;
  table[Message.LINK_READ] = read;
  table[Message.LINK_DESTROY] = destroy;
}
