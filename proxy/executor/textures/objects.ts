/**
 * Texture and surface objects.
 *
 * Kernels get them as data in their parameters, so the number that a client holds must be the one that the GPU uses: the driver's
 * own, and no handle of ours. What is done with it here is looked up in what this client has made in this context; what a kernel
 * does with a guessed number is bounded by the hardware: a number is an index into the tables of the kernel's own context, and
 * whatever it finds there is read through that context's address space, which is the zone's process's own. See docs/EXECUTOR.md.
 *
 * Descriptors are built anew from the fields that the type in them names; arrays in them are handles, memory is checked against what
 * the client has.
 */
import { CUresult } from '../../driver/errors.ts';
import { HandleType, Message, MESSAGES, TextureCreate, TextureCreateReply, TextureDescribe, TextureDescribeReply, TextureDestroy } from '../../generated/messages.ts';
import type { Context } from '../context.ts';
import type { Executor } from '../executor.ts';
import type { HandlerTable } from '../handlers/table.ts';
import type { Invocation } from '../invocation.ts';
import { imageBytes, texelBytes } from './formats.ts';

/** sizeof and offsets of CUDA_RESOURCE_DESC, CUDA_TEXTURE_DESC and CUDA_RESOURCE_VIEW_DESC. */
const RESOURCE = 144;
const SAMPLING = 104;
const VIEW = 112;
const PART_BYTES = [RESOURCE, SAMPLING, VIEW];
/** What a texture desc says before its reserved words, and a view. */
const SAMPLING_USED = 56;
const VIEW_USED = 48;

enum Kind { array = 0, mipmap = 1, linear = 2, pitch2D = 3 }

/** In the scratch: the object's number, then the three descriptors. */
const OUT = 0;
const AT = [64, 64 + RESOURCE, 64 + RESOURCE + SAMPLING];

const CREATE_WORDS = MESSAGES[Message.TEXTURE_CREATE].request >> 2;
const DESCRIBE_BYTES = MESSAGES[Message.TEXTURE_DESCRIBE].reply;

export class Texture {
  row = -1;

  /** `descriptors`: as the client gave them, one after the other; null where it gave none. */
  constructor(readonly native: number, readonly surface: boolean, readonly descriptors: (Uint8Array | null)[]) {}
}

/** A client's objects by context: two contexts may give out one number. */
export class ClientTextures {
  private readonly textures = new Map<Context, Map<number, Texture>>();
  private readonly surfaces = new Map<Context, Map<number, Texture>>();

  of(context: Context, surface: boolean): Map<number, Texture> {
    const all = surface ? this.surfaces : this.textures;
    let map = all.get(context);
    if (map === undefined) {
      map = new Map();
      all.set(context, map);
    }
    return map;
  }

  /** The driver destroys a context's objects with it. */
  contextGone(executor: Executor, context: Context): void {
    for (const all of [this.textures, this.surfaces]) {
      for (const texture of all.get(context)?.values() ?? []) executor.unregister(texture.row);
      all.delete(context);
    }
  }
}

/** Whether all of [address, address + bytes) is the client's to read. */
const readable = (v: Invocation, address: number, bytes: number): boolean => bytes > 0 && v.executor.memory.check(v.client.memory, address, bytes, false);

/** Builds the resource descriptor in the scratch. */
function readResource(v: Invocation, word: number): number {
  const at = AT[0];
  const kind = v.u32(word);
  v.scratchBytes.fill(0, at, at + RESOURCE);
  v.scratchWords[at >> 2] = kind;
  v.scratchWords[(at + 136) >> 2] = v.u32(word + 34); // flags: the driver says that they must be 0
  switch (kind) {
    case Kind.array:
    case Kind.mipmap: {
      const native = v.handle(kind === Kind.array ? HandleType.array : HandleType.mipmappedArray, word + 2);
      if (native < 0) return CUresult.INVALID_VALUE;
      v.scratchSet64(at + 8, native);
      return 0;
    }
    case Kind.linear:
    case Kind.pitch2D: {
      const address = v.u64(word + 2);
      const texel = texelBytes(v.u32(word + 4), v.u32(word + 5));
      if (texel === 0) return CUresult.INVALID_VALUE;
      const numbers = kind === Kind.linear ? [v.u64(word + 6)] : [v.u64(word + 6), v.u64(word + 8), v.u64(word + 10)];
      const bytes = kind === Kind.linear ? numbers[0] : imageBytes(texel, numbers[0], numbers[1], numbers[2]);
      if (!readable(v, address, bytes)) return CUresult.INVALID_VALUE;
      v.scratchSet64(at + 8, address);
      v.scratchWords[(at + 16) >> 2] = v.u32(word + 4);
      v.scratchWords[(at + 20) >> 2] = v.u32(word + 5);
      numbers.forEach((number, i) => v.scratchSet64(at + 24 + 8 * i, number));
      return 0;
    }
    default:
      return CUresult.INVALID_VALUE;
  }
}

function create(v: Invocation): number {
  const context = v.current;
  if (context === null || v.context === 0) return CUresult.INVALID_CONTEXT;
  const surface = v.u32(TextureCreate.surface) !== 0;
  const view = v.u32(TextureCreate.view) !== 0;
  if (v.bytes < (CREATE_WORDS << 2) + RESOURCE + SAMPLING + VIEW) return CUresult.INVALID_VALUE;
  let status = readResource(v, CREATE_WORDS);
  if (status !== 0) return status;
  const sampling = CREATE_WORDS + (RESOURCE >> 2);
  const viewing = sampling + (SAMPLING >> 2);
  v.scratchBytes.fill(0, AT[1], AT[2] + VIEW);
  v.scratchPut(AT[1], sampling, SAMPLING_USED);
  v.scratchPut(AT[2], viewing, VIEW_USED);
  const type = surface ? HandleType.surfObject : HandleType.texObject;
  if (!v.room(type)) return v.refuse();
  status = surface ? v.driver.cuSurfObjectCreate(v.scratch + OUT, v.scratch + AT[0])
    : v.driver.cuTexObjectCreate(v.scratch + OUT, v.scratch + AT[0], v.scratch + AT[1], view ? v.scratch + AT[2] : 0);
  if (status !== 0) return status;
  const native = v.scratch64(OUT);
  const given = (word: number, bytes: number): Uint8Array => {
    const copy = new Uint8Array(bytes);
    v.copyTo(copy, 0, word, bytes);
    return copy;
  };
  const texture = new Texture(native, surface, [given(CREATE_WORDS, RESOURCE), surface ? null : given(sampling, SAMPLING), view && !surface ? given(viewing, VIEW) : null]);
  const objects = v.client.textures.of(context, surface);
  // A number that the driver gives out twice can only mean that the first is gone.
  const before = objects.get(native);
  if (before !== undefined) v.executor.unregister(before.row);
  texture.row = v.executor.registerObject(type, v.client, native, texture);
  if (texture.row < 0) {
    objects.delete(native);
    if (surface) v.driver.cuSurfObjectDestroy(native);
    else v.driver.cuTexObjectDestroy(native);
    return v.refuse();
  }
  objects.set(native, texture);
  v.replyU64(TextureCreateReply.object, native);
  return 0;
}

function destroy(v: Invocation): number {
  const context = v.current;
  if (context === null || v.context === 0) return CUresult.INVALID_CONTEXT;
  const surface = v.u32(TextureDestroy.surface) !== 0;
  const objects = v.client.textures.of(context, surface);
  const texture = objects.get(v.u64(TextureDestroy.object));
  if (texture === undefined) return CUresult.INVALID_VALUE;
  objects.delete(texture.native);
  v.executor.unregister(texture.row);
  return surface ? v.driver.cuSurfObjectDestroy(texture.native) : v.driver.cuTexObjectDestroy(texture.native);
}

function describe(v: Invocation): number {
  const context = v.current;
  if (context === null || v.context === 0) return CUresult.INVALID_CONTEXT;
  const what = v.u32(TextureDescribe.what);
  const texture = v.client.textures.of(context, v.u32(TextureDescribe.surface) !== 0).get(v.u64(TextureDescribe.object));
  const descriptor = texture === undefined || what >= PART_BYTES.length ? null : texture.descriptors[what];
  if (descriptor === null) return CUresult.INVALID_VALUE; // a texture made without a view, too
  v.replyU32(TextureDescribeReply.bytes, descriptor.length);
  v.replyText(DESCRIBE_BYTES >> 2, descriptor, 0, descriptor.length);
  return 0;
}

export function registerTextures(table: HandlerTable): void {
  table[Message.TEXTURE_CREATE] = create;
  table[Message.TEXTURE_DESTROY] = destroy;
  table[Message.TEXTURE_DESCRIBE] = describe;
}
