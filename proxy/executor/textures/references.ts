/**
 * Texture and surface references: variables of a module, or made by cuTexRefCreate. Most of their calls are generated; here are those
 * that make and end them, and that name memory or arrays. A module's references go with it.
 */
import { CUresult } from '../../driver/errors.ts';
import {
  HandleType, Message, MESSAGES, ModuleRef, ModuleRefReply, TexrefBind, TexrefBindReply, TexrefBorder, TexrefBorderReply, TexrefBound, TexrefBoundReply, TexrefCreateReply,
  TexrefDestroy, TexrefFormat, TexrefFormatReply,
} from '../../generated/messages.ts';
import type { Module } from '../code/objects.ts';
import type { Context } from '../context.ts';
import type { Executor } from '../executor.ts';
import type { HandlerTable } from '../handlers/table.ts';
import type { Invocation } from '../invocation.ts';
import { imageBytes, texelBytes } from './formats.ts';

const DESCRIPTOR = 64; // in the scratch: a CUDA_ARRAY_DESCRIPTOR
const NAME = MESSAGES[Message.MODULE_REF].request >> 2;

export class Reference {
  row = -1;

  /** `module`: whose variable it is; null: the client made it. */
  constructor(readonly native: number, readonly context: Context, readonly module: Module | null) {}
}

function ofModule(v: Invocation): number {
  const row = v.row(HandleType.module, ModuleRef.module);
  if (row < 0) return v.invalid(HandleType.module);
  const module = v.handles.object[row] as Module;
  const name = v.text(NAME);
  if (name === 0) return CUresult.INVALID_VALUE;
  const surface = v.u32(ModuleRef.surface) !== 0;
  const type = surface ? HandleType.surfref : HandleType.texref;
  v.enter(module.context.native);
  const status = surface ? v.driver.cuModuleGetSurfRef(v.scratch, module.native, name) : v.driver.cuModuleGetTexRef(v.scratch, module.native, name);
  if (status !== 0) return status;
  const native = v.scratch64(0);
  if (v.findHandle(ModuleRefReply.ref, type, native)) return 0;
  const reference = new Reference(native, module.context, module);
  reference.row = v.executor.registerObject(type, v.client, native, reference);
  if (reference.row < 0) return v.refuse();
  module.references.add(reference);
  v.replyRow(ModuleRefReply.ref, reference.row);
  return 0;
}

function create(v: Invocation): number {
  const context = v.current;
  if (context === null || v.context === 0) return CUresult.INVALID_CONTEXT;
  if (!v.room(HandleType.texref)) return v.refuse();
  const status = v.driver.cuTexRefCreate(v.scratch);
  if (status !== 0) return status;
  const reference = new Reference(v.scratch64(0), context, null);
  reference.row = v.executor.registerObject(HandleType.texref, v.client, reference.native, reference);
  if (reference.row < 0) {
    v.driver.cuTexRefDestroy(reference.native);
    return v.refuse();
  }
  v.client.references.add(reference);
  v.replyRow(TexrefCreateReply.ref, reference.row);
  return 0;
}

function destroy(v: Invocation): number {
  const row = v.row(HandleType.texref, TexrefDestroy.ref);
  if (row < 0) return v.invalid(HandleType.texref);
  const reference = v.handles.object[row] as Reference;
  if (reference.module !== null) return CUresult.INVALID_VALUE;
  v.client.references.delete(reference);
  v.executor.unregister(row);
  return v.driver.cuTexRefDestroy(reference.native);
}

function bind(v: Invocation): number {
  const ref = v.handle(HandleType.texref, TexrefBind.ref);
  if (ref < 0) return v.invalid(HandleType.texref);
  const address = v.u64(TexrefBind.address);
  const readable = (bytes: number): boolean => bytes > 0 && v.executor.memory.check(v.client.memory, address, bytes, false);
  if (v.u32(TexrefBind.pitched) === 0) {
    const bytes = v.u64(TexrefBind.bytes);
    if (!readable(bytes)) return CUresult.INVALID_VALUE;
    v.scratchSet64(0, 0);
    const status = v.driver.cuTexRefSetAddress_v2(v.scratch, ref, address, bytes);
    if (status === 0) v.replyU64(TexrefBindReply.offset, v.scratch64(0));
    return status;
  }
  const format = v.u32(TexrefBind.format);
  const channels = v.u32(TexrefBind.channels);
  const width = v.u64(TexrefBind.width);
  const height = v.u64(TexrefBind.height);
  const pitch = v.u64(TexrefBind.pitch);
  const texel = texelBytes(format, channels);
  if (texel === 0 || !readable(imageBytes(texel, width, height, pitch))) return CUresult.INVALID_VALUE;
  v.scratchSet64(DESCRIPTOR, width);
  v.scratchSet64(DESCRIPTOR + 8, height);
  v.scratchWords[(DESCRIPTOR + 16) >> 2] = format;
  v.scratchWords[(DESCRIPTOR + 20) >> 2] = channels;
  return v.driver.cuTexRefSetAddress2D_v3(ref, v.scratch + DESCRIPTOR, address, pitch);
}

/** The array that is bound, as the client knows it. */
function bound(v: Invocation): number {
  const what = v.u32(TexrefBound.what);
  const type = what === 2 ? HandleType.surfref : HandleType.texref;
  const ref = v.handle(type, TexrefBound.ref);
  if (ref < 0) return v.invalid(type);
  if (what > 2) return CUresult.INVALID_VALUE;
  const status = what === 0 ? v.driver.cuTexRefGetArray(v.scratch, ref) : what === 1 ? v.driver.cuTexRefGetMipmappedArray(v.scratch, ref) : v.driver.cuSurfRefGetArray(v.scratch, ref);
  if (status !== 0) return status;
  return v.findHandle(TexrefBoundReply.array, what === 1 ? HandleType.mipmappedArray : HandleType.array, v.scratch64(0)) ? 0 : CUresult.INVALID_VALUE;
}

function border(v: Invocation): number {
  const ref = v.handle(HandleType.texref, TexrefBorder.ref);
  if (ref < 0) return v.invalid(HandleType.texref);
  if (v.u32(TexrefBorder.set) !== 0) {
    v.scratchPut(0, TexrefBorder.r, 16);
    return v.driver.cuTexRefSetBorderColor(ref, v.scratch);
  }
  const status = v.driver.cuTexRefGetBorderColor(v.scratch, ref);
  if (status === 0) v.replyBytes(TexrefBorderReply.r, 0, 16);
  return status;
}

function format(v: Invocation): number {
  const ref = v.handle(HandleType.texref, TexrefFormat.ref);
  if (ref < 0) return v.invalid(HandleType.texref);
  const status = v.driver.cuTexRefGetFormat(v.scratch, v.scratch + 8, ref);
  if (status !== 0) return status;
  v.replyBytes(TexrefFormatReply.format, 0, 4);
  v.replyBytes(TexrefFormatReply.channels, 8, 4);
  return 0;
}

/** A module goes. */
export function moduleReferencesGone(executor: Executor, module: Module): void {
  for (const reference of module.references) executor.unregister(reference.row);
  module.references.clear();
}

/** A context goes: the references that the client made in it. Those of its modules go with these. */
export function contextReferencesGone(executor: Executor, references: Set<Reference>, context: Context): void {
  for (const reference of references) {
    if (reference.context !== context) continue;
    executor.unregister(reference.row);
    references.delete(reference);
  }
}

export function registerReferences(table: HandlerTable): void {
  table[Message.MODULE_REF] = ofModule;
  table[Message.TEXREF_CREATE] = create;
  table[Message.TEXREF_DESTROY] = destroy;
  table[Message.TEXREF_BIND] = bind;
  table[Message.TEXREF_BOUND] = bound;
  table[Message.TEXREF_BORDER] = border;
  table[Message.TEXREF_FORMAT] = format;
}
