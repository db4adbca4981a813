/**
 * Modules, libraries, functions, kernels, their globals: the messages.
 *
 * A handle's native value goes to the driver only while the object is registered: a module's functions go with it, modules with
 * their context, kernels with their library. A driver that is given a stale one does not answer, it crashes.
 */
import { NoticeType } from '../../../idm/hello.ts';
import { CUresult } from '../../driver/errors.ts';
import {
  FunctionInfo, FunctionModule, FunctionModuleReply, FunctionName, FunctionNameReply, FunctionParams, FunctionParamsReply, HandleType, KernelFunction,
  KernelLibrary, KernelLibraryReply, LibraryGlobal, LibraryKernel, LibraryKernels, LibraryKernelsReply, LibraryLoad, LibraryLoadReply, LibraryModule, LibraryModuleReply, LibraryUnload,
  Message, MESSAGES, ModuleFunction, ModuleFunctionReply, ModuleFunctions, ModuleGlobal, ModuleGlobalReply, ModuleLoad, ModuleLoadReply, ModuleUnload,
} from '../../generated/messages.ts';
import { SLOT_PAYLOAD } from '../../../idm/region.ts';
import type { Client } from '../client.ts';
import type { Context } from '../context.ts';
import type { Executor } from '../executor.ts';
import type { HandlerTable } from '../handlers/table.ts';
import { DEFERRED, type Invocation } from '../invocation.ts';
import { close } from '../../passed.ts';
import { memoryOf } from '../memory/client.ts';
import type { SharedPages } from '../memory/foreign.ts';
import { prints } from '../printed.ts';
import { textAt } from '../system.ts';
import { moduleReferencesGone } from '../textures/references.ts';
import { type Described, describe } from './described.ts';
import { limitCode, measure } from './measure.ts';
import { attributeOf, MAX_DYNAMIC_SHARED } from './functions.ts';
import { forgetImages, forgetOldest, type Image, imageAt } from './images.ts';
import { type JitOptions, readOptions } from './jit.ts';
import { contextLinksGone, destroyLink } from './links.ts';
import { loadLibrary, loadModule } from './loader.ts';
import { Callable, Compiled, Library, Module } from './objects.ts';
import { readParams } from './params.ts';

const LOAD_BYTES = MESSAGES[Message.MODULE_LOAD].request;
const LIBRARY_LOAD_BYTES = MESSAGES[Message.LIBRARY_LOAD].request;
const FUNCTION_BYTES = MESSAGES[Message.MODULE_FUNCTION].reply;
const PARAMS_BYTES = MESSAGES[Message.FUNCTION_PARAMS].reply;
const NAME_BYTES = MESSAGES[Message.FUNCTION_NAME].reply;
const LIST_BYTES = MESSAGES[Message.MODULE_FUNCTIONS].reply;
const HANDLES_A_REPLY = (SLOT_PAYLOAD - LIST_BYTES) >> 3;
/** CUlibraryOption BINARY_IS_PRESERVED: an option of which nothing need be passed on, for the driver gets a copy of ours. */
const BINARY_IS_PRESERVED = 1;
const NAME_MAX = 1 << 20;

const canPrint = (image: Image): boolean => (image.prints ??= prints(image));

// ---- loading ----

/** What loading a module and loading a library do not share. */
interface Loading {
  readonly reply: number;
  /** Makes the driver's call. */
  load(done: (status: number, native: number) => void): void;
  /** Nothing of it is under way any more. */
  ended(): void;
  /** Whether what has been loaded still has a place; false: the driver has taken it away with its context. */
  wanted(): boolean;
  /** Registers it; -1: there is no handle left, and it has been unloaded. `charge`: bytes of the quota. */
  register(native: number, charge: number, compiled: Compiled): number;
}

/** Measures the image, takes that of the zone's limits, loads, registers, replies; gives back what was taken when one of these fails. */
function load(v: Invocation, image: Image, jit: JitOptions, loading: Loading): number {
  const { client, executor } = v;
  const later = v.later();
  measure(executor, image, (measured) => {
    // Variables of the first context are taken at once, so that nothing need be refused when it begins to use a library.
    const charge = image.size + measured.variables + measured.managed;
    if (!image.compiled?.users) image.compiled = new Compiled(measured);
    const { compiled } = image;
    const refused = client.dead ? CUresult.CONTEXT_IS_DESTROYED : take(executor, client, charge, compiled, image) ? 0 : CUresult.OUT_OF_MEMORY;
    if (refused !== 0) {
      limitCode(executor); // what was measured is not wanted
      loading.ended();
      return later.finish(refused);
    }
    loading.load((status, native) => {
      loading.ended();
      client.code.tell(image, jit.report());
      if (status === 0 && !loading.wanted()) status = CUresult.CONTEXT_IS_DESTROYED;
      if (status === 0) {
        if (canPrint(image)) executor.startPrinting(client);
        const row = loading.register(native, charge, compiled);
        if (row >= 0) later.replyRow(loading.reply, row);
        else status = CUresult.OUT_OF_MEMORY;
      }
      if (status !== 0) give(client, charge, compiled);
      later.finish(status);
    });
  });
  return DEFERRED;
}

/** Takes both or neither: bytes of the quota, as one allocation, and of the zone's staging, for which images other than `image` give way. */
function take(executor: Executor, client: Client, charge: number, compiled: Compiled, image: Image | null): boolean {
  while (!client.code.use(compiled)) if (!forgetOldest(executor, client, image)) return false;
  if (memoryOf(client).take(charge)) return true;
  client.code.drop(compiled);
  return false;
}

function give(client: Client, charge: number, compiled: Compiled): void {
  memoryOf(client).give(charge);
  client.code.drop(compiled);
}

/** What the image says of its kernels; null: the driver says it. */
const described = (executor: Executor, image: Image): Described | null => (executor.driver.asksParams ? null : describe(image, executor.capability()));

function moduleLoad(v: Invocation): number {
  const context = v.current;
  if (context === null || v.context === 0) return CUresult.INVALID_CONTEXT;
  const image = imageAt(v, ModuleLoad.image);
  if (typeof image === 'number') return image;
  const jit = readOptions(v, LOAD_BYTES >> 2, v.u32(ModuleLoad.options));
  if (typeof jit === 'number') return jit;
  if (!v.room(HandleType.module)) return v.refuse();
  const { client, executor } = v;
  const native = v.context;
  context.eventWaits++; // it is not destroyed under the driver
  return load(v, image, jit, {
    reply: ModuleLoadReply.module,
    load: (done) => loadModule(executor, native, image, jit, done),
    ended: () => context.eventWaits--,
    wanted: () => !client.dead && context.legacy !== null,
    register: (made, charge, compiled) => {
      const module = new Module(context, made, null, charge, compiled, described(executor, image));
      if (addModule(executor, client, module)) return module.row;
      executor.enter(context.native);
      executor.driver.cuModuleUnload(made);
      return -1;
    },
  });
}

function addModule(executor: Executor, client: Client, module: Module): boolean {
  module.row = executor.registerObject(HandleType.module, client, module.native, module);
  if (module.row < 0) return false;
  client.code.modulesOf(module.context).add(module);
  return true;
}

function libraryLoad(v: Invocation): number {
  const image = imageAt(v, LibraryLoad.image);
  if (typeof image === 'number') return image;
  const jit = readOptions(v, LIBRARY_LOAD_BYTES >> 2, v.u32(LibraryLoad.options));
  if (typeof jit === 'number') return jit;
  const first = (LIBRARY_LOAD_BYTES >> 2) + v.u32(LibraryLoad.options) * 4;
  const count = v.u32(LibraryLoad.library_options);
  if (count > 16 || (first << 2) + count * 16 > v.bytes) return CUresult.INVALID_VALUE;
  for (let i = 0; i < count; i++) if (v.u32(first + i * 4) !== BINARY_IS_PRESERVED) return CUresult.INVALID_VALUE;
  if (!v.room(HandleType.library)) return v.refuse();
  const { client, executor } = v;
  return load(v, image, jit, {
    reply: LibraryLoadReply.library,
    load: (done) => loadLibrary(executor, image, jit, done),
    ended: () => undefined,
    wanted: () => true,
    register: (made, charge, compiled) => {
      const library = new Library(made, charge, compiled, described(executor, image));
      if (!client.dead) library.row = executor.registerObject(HandleType.library, client, made, library);
      if (library.row < 0) executor.driver.cuLibraryUnload(made);
      else client.code.libraries.add(library);
      return library.row;
    },
  });
}

/** A library is about to be used in a context, where the driver gives its variables memory: false when the zone has no room for that. */
export function admit(executor: Executor, client: Client, library: Library, context: Context): boolean {
  const { variables, instance } = library.compiled.measured;
  if (variables + instance !== 0 && !library.contexts.has(context)) {
    if (library.contexts.size !== 0 && !take(executor, client, variables, library.compiled, null)) return false;
    library.contexts.add(context);
  }
  library.lastContext = context;
  return true;
}

/** A library's use in a context ends with the context. */
function leave(client: Client, library: Library, context: Context): void {
  library.modules.delete(context);
  if (library.lastContext === context) library.lastContext = null;
  if (library.contexts.delete(context) && library.contexts.size !== 0) give(client, library.compiled.measured.variables, library.compiled);
}

// ---- ends ----

/** The driver may have it for as long as work goes on: what it holds of the zone's limits is its caller's to give back then. */
function dropModule(executor: Executor, client: Client, module: Module): void {
  for (const callable of module.functions) executor.unregister(callable.row);
  module.functions.clear();
  moduleReferencesGone(executor, module);
  executor.unregister(module.row);
  client.code.modules.get(module.context)?.delete(module);
  module.library?.modules.delete(module.context);
  memoryOf(client).foreign.remove(module);
}

/** A library's module holds nothing of its own. */
function giveModule(client: Client, module: Module): void {
  if (module.compiled !== null) give(client, module.charge, module.compiled);
}

function moduleUnload(v: Invocation): number {
  const row = v.row(HandleType.module, ModuleUnload.module);
  if (row < 0) return v.invalid(HandleType.module);
  const module = v.handles.object[row] as Module;
  if (module.library !== null) return CUresult.NOT_PERMITTED; // it ends with its library
  const { client, executor } = v;
  dropModule(executor, client, module);
  const context = module.context;
  const later = v.later();
  // A driver waits for the kernels that run; so do we, first. The context stays meanwhile.
  context.eventWaits++;
  executor.whenIdle(client, context, () => {
    context.eventWaits--;
    executor.flushPrinted(client, context);
    executor.enter(context.native);
    const status = executor.driver.cuModuleUnload(module.native);
    giveModule(client, module);
    later.finish(status);
  });
  return DEFERRED;
}

function dropLibrary(executor: Executor, client: Client, library: Library): void {
  for (const kernel of library.kernels) executor.unregister(kernel.row);
  library.kernels.clear();
  for (const module of [...library.modules.values()]) if (module !== null) dropModule(executor, client, module);
  library.modules.clear();
  executor.unregister(library.row);
  client.code.libraries.delete(library);
  memoryOf(client).foreign.remove(library);
}

function giveLibrary(client: Client, library: Library): void {
  for (let i = 1; i < library.contexts.size; i++) give(client, library.compiled.measured.variables, library.compiled);
  library.contexts.clear();
  give(client, library.charge, library.compiled);
}

function libraryUnload(v: Invocation): number {
  const row = v.row(HandleType.library, LibraryUnload.library);
  if (row < 0) return v.invalid(HandleType.library);
  const { client, executor } = v;
  const library = v.handles.object[row] as Library;
  dropLibrary(executor, client, library);
  const later = v.later();
  executor.whenIdle(client, null, () => {
    executor.enter(0);
    const status = executor.driver.cuLibraryUnload(library.native);
    giveLibrary(client, library);
    later.finish(status);
  });
  return DEFERRED;
}

/** A context is about to be destroyed: what lives in it goes with it. Libraries stay. */
export function contextCodeGone(executor: Executor, client: Client, context: Context): void {
  for (const module of [...(client.code.modules.get(context) ?? [])]) {
    dropModule(executor, client, module);
    giveModule(client, module);
  }
  client.code.modules.delete(context);
  contextLinksGone(executor, client, context);
  for (const library of client.code.libraries) leave(client, library, context);
}

/** The client is gone, its contexts are destroyed. */
export function clientCodeGone(executor: Executor, client: Client): void {
  forgetImages(executor, client);
  for (const link of [...client.code.links.values()]) destroyLink(executor, client, link);
  for (const library of client.code.libraries) executor.driver.cuLibraryUnload(library.native);
  client.code.libraries.clear();
  client.code.end();
}

// ---- functions and kernels ----

/** Native address of the name behind the request; 0: there is none, or it has no NUL. */
const nameAt = (v: Invocation): number => v.text(MESSAGES[v.message].request >> 2);

/** The row of a function or kernel that the driver gave, registered at its first sight; a negative CUresult: not. `params`: as the code
 *  describes them, for a driver that does not say; null: nothing is known. */
function callableRow(v: Invocation, type: HandleType, native: number, module: Module | null, library: Library | null, params: Uint16Array | null): number {
  const { executor, client } = v;
  const known = executor.rowOf(type, client, native);
  if (known >= 0) return known;
  const callable = new Callable(native, module, library);
  const status = readParams(executor, callable, params);
  if (status !== 0) return -status;
  if (!v.room(type)) return -v.refuse();
  callable.row = executor.registerObject(type, client, native, callable);
  if (callable.row < 0) return -v.refuse();
  (module?.functions ?? library!.kernels).add(callable);
  return callable.row;
}

/** What the code says of one that the driver listed. */
function describedByName(v: Invocation, native: number, module: Module | null, library: Library | null): Uint16Array | null {
  const { described } = (module ?? library)!;
  if (described === null) return null;
  const status = library !== null ? v.driver.cuKernelGetName(v.scratch, native) : v.driver.cuFuncGetName(v.scratch, native);
  return status === 0 ? paramsOf(described, v.scratch64(0)) : null;
}

const paramsOf = (described: Described | null, name: number): Uint16Array | null => described?.get(textAt(name, NAME_MAX).toString('latin1')) ?? null;

function reply(v: Invocation, row: number): number {
  const callable = v.handles.object[row] as Callable;
  v.replyRow(ModuleFunctionReply.function, row);
  v.replyU32(ModuleFunctionReply.params, callable.params.length >> 1);
  v.replyU32(ModuleFunctionReply.param_bytes, callable.paramBytes);
  v.replyU32(ModuleFunctionReply.max_threads, attribute(v, callable, 0));
  v.replyU32(ModuleFunctionReply.static_shared, attribute(v, callable, 1));
  v.replyU32(ModuleFunctionReply.max_dynamic_shared, attribute(v, callable, MAX_DYNAMIC_SHARED));
  v.replyRow(ModuleFunctionReply.owner, (callable.module ?? callable.library!).row);
  if (callable.module === null) v.replyU64(ModuleFunctionReply.context, 0);
  else v.replyRow(ModuleFunctionReply.context, callable.module.context.row);
  replyParams(v, callable, FUNCTION_BYTES >> 2, 0);
  return CUresult.SUCCESS;
}

/** 0xffffffff: the driver does not say. */
function attribute(v: Invocation, callable: Callable, which: number): number {
  return attributeOf(v, callable, which) === 0 ? v.scratchWords[0] >>> 0 : 0xffffffff;
}

function replyParams(v: Invocation, callable: Callable, word: number, first: number): number {
  const { params } = callable;
  const count = Math.max(0, Math.min((params.length >> 1) - first, (SLOT_PAYLOAD >> 2) - word));
  for (let i = 0; i < count; i++) v.replyU32(word + i, (params[(first + i) * 2] | (params[(first + i) * 2 + 1] << 16)) >>> 0);
  return count;
}

function moduleFunction(v: Invocation): number {
  const row = v.row(HandleType.module, ModuleFunction.module);
  if (row < 0) return v.invalid(HandleType.module);
  const module = v.handles.object[row] as Module;
  const name = nameAt(v);
  if (name === 0) return CUresult.INVALID_VALUE;
  v.enter(module.context.native);
  const status = v.driver.cuModuleGetFunction(v.scratch, module.native, name);
  if (status !== 0) return status;
  const found = callableRow(v, HandleType.function, v.scratch64(0), module, null, paramsOf(module.described, name));
  return found < 0 ? -found : reply(v, found);
}

function libraryKernel(v: Invocation): number {
  const row = v.row(HandleType.library, LibraryKernel.library);
  if (row < 0) return v.invalid(HandleType.library);
  const library = v.handles.object[row] as Library;
  const name = nameAt(v);
  if (name === 0) return CUresult.INVALID_VALUE;
  const status = v.driver.cuLibraryGetKernel(v.scratch, library.native, name);
  if (status !== 0) return status;
  const found = callableRow(v, HandleType.kernel, v.scratch64(0), null, library, paramsOf(library.described, name));
  return found < 0 ? -found : reply(v, found);
}

function moduleFunctions(v: Invocation): number {
  const row = v.row(HandleType.module, ModuleFunctions.module);
  if (row < 0) return v.invalid(HandleType.module);
  const module = v.handles.object[row] as Module;
  v.enter(module.context.native);
  const status = v.driver.cuModuleGetFunctionCount(v.scratch, module.native);
  if (status !== 0) return status;
  return list(v, v.scratchWords[0] >>> 0, v.u32(ModuleFunctions.first), (into, count) => v.driver.cuModuleEnumerateFunctions(into, count, module.native), HandleType.function, module, null);
}

function libraryKernels(v: Invocation): number {
  const row = v.row(HandleType.library, LibraryKernels.library);
  if (row < 0) return v.invalid(HandleType.library);
  const library = v.handles.object[row] as Library;
  const status = v.driver.cuLibraryGetKernelCount(v.scratch, library.native);
  if (status !== 0) return status;
  return list(v, v.scratchWords[0] >>> 0, v.u32(LibraryKernels.first), (into, count) => v.driver.cuLibraryEnumerateKernels(into, count, library.native), HandleType.kernel, null, library);
}

/** Replies the handles from `first` on. The driver lists from the start only. */
function list(v: Invocation, total: number, first: number, enumerate: (into: number, count: number) => number, type: HandleType, module: Module | null, library: Library | null): number {
  const count = Math.max(0, Math.min(total - first, HANDLES_A_REPLY));
  v.replyU32(LibraryKernelsReply.total, total);
  v.replyU32(LibraryKernelsReply.count, count);
  if (count === 0) return CUresult.SUCCESS;
  const natives = v.executor.natives(first + count);
  const status = enumerate(natives.address, first + count);
  if (status !== 0) return status;
  for (let i = 0; i < count; i++) {
    const native = Number(natives.values[first + i]);
    const row = callableRow(v, type, native, module, library, describedByName(v, native, module, library));
    if (row < 0) return -row;
    v.replyRow((LIST_BYTES >> 2) + i * 2, row);
  }
  return CUresult.SUCCESS;
}

/** The library's module in the record's context, registered; a negative CUresult: not. */
function moduleOfLibrary(v: Invocation, library: Library): Module | number {
  const context = v.current;
  if (context === null || v.context === 0) return CUresult.INVALID_CONTEXT;
  const known = library.modules.get(context);
  if (known) return known;
  if (!admit(v.executor, v.client, library, context)) return CUresult.OUT_OF_MEMORY;
  const status = v.driver.cuLibraryGetModule(v.scratch, library.native);
  if (status !== 0) return status;
  if (!v.room(HandleType.module)) return v.refuse();
  const module = new Module(context, v.scratch64(0), library, 0, null, library.described);
  if (!addModule(v.executor, v.client, module)) return v.refuse();
  library.modules.set(context, module);
  return module;
}

function libraryModule(v: Invocation): number {
  const row = v.row(HandleType.library, LibraryModule.library);
  if (row < 0) return v.invalid(HandleType.library);
  const module = moduleOfLibrary(v, v.handles.object[row] as Library);
  if (typeof module === 'number') return module;
  v.replyRow(LibraryModuleReply.module, module.row);
  return CUresult.SUCCESS;
}

function kernelFunction(v: Invocation): number {
  const row = v.row(HandleType.kernel, KernelFunction.kernel);
  if (row < 0) return v.invalid(HandleType.kernel);
  const kernel = v.handles.object[row] as Callable;
  const module = moduleOfLibrary(v, kernel.library!);
  if (typeof module === 'number') return module;
  const status = v.driver.cuKernelGetFunction(v.scratch, kernel.native);
  if (status !== 0) return status;
  const found = callableRow(v, HandleType.function, v.scratch64(0), module, null, kernel.params);
  return found < 0 ? -found : reply(v, found);
}

function kernelLibrary(v: Invocation): number {
  const row = v.row(HandleType.kernel, KernelLibrary.kernel);
  if (row < 0) return v.invalid(HandleType.kernel);
  v.replyRow(KernelLibraryReply.library, (v.handles.object[row] as Callable).library!.row);
  return CUresult.SUCCESS;
}

function functionModule(v: Invocation): number {
  const row = v.row(HandleType.function, FunctionModule.function);
  if (row < 0) return v.invalid(HandleType.function);
  const callable = v.handles.object[row] as Callable;
  const module = callable.module ?? moduleOfLibrary(v, callable.library!);
  if (typeof module === 'number') return module;
  v.replyRow(FunctionModuleReply.module, module.row);
  return CUresult.SUCCESS;
}

function functionInfo(v: Invocation): number {
  const row = v.row(HandleType.function, FunctionInfo.function);
  return row < 0 ? v.invalid(HandleType.function) : reply(v, row);
}

function functionParams(v: Invocation): number {
  const row = v.row(HandleType.function, FunctionParams.function);
  if (row < 0) return v.invalid(HandleType.function);
  const callable = v.handles.object[row] as Callable;
  v.replyU32(FunctionParamsReply.total, callable.params.length >> 1);
  v.replyU32(FunctionParamsReply.count, replyParams(v, callable, PARAMS_BYTES >> 2, v.u32(FunctionParams.first)));
  return CUresult.SUCCESS;
}

function functionName(v: Invocation): number {
  const row = v.row(HandleType.function, FunctionName.function);
  if (row < 0) return v.invalid(HandleType.function);
  const callable = v.handles.object[row] as Callable;
  const status = callable.library !== null ? v.driver.cuKernelGetName(v.scratch, callable.native) : v.driver.cuFuncGetName(v.scratch, callable.native);
  if (status !== 0) return status;
  const name = textAt(v.scratch64(0), NAME_MAX);
  v.replyU32(FunctionNameReply.total, name.length);
  v.replyText(NAME_BYTES >> 2, name, v.u32(FunctionName.from), SLOT_PAYLOAD - NAME_BYTES);
  return CUresult.SUCCESS;
}

// ---- globals ----

function moduleGlobal(v: Invocation): number {
  const row = v.row(HandleType.module, ModuleGlobal.module);
  if (row < 0) return v.invalid(HandleType.module);
  const module = v.handles.object[row] as Module;
  const name = nameAt(v);
  if (name === 0) return CUresult.INVALID_VALUE;
  v.enter(module.context.native);
  return global(v, v.driver.cuModuleGetGlobal_v2(v.scratch, v.scratch + 8, module.native, name), module);
}

function libraryGlobal(v: Invocation): number {
  const row = v.row(HandleType.library, LibraryGlobal.library);
  if (row < 0) return v.invalid(HandleType.library);
  const library = v.handles.object[row] as Library;
  const name = nameAt(v);
  if (name === 0) return CUresult.INVALID_VALUE;
  if (v.u32(LibraryGlobal.managed) !== 0) return global(v, v.driver.cuLibraryGetManaged(v.scratch, v.scratch + 8, library.native, name), library);
  const module = moduleOfLibrary(v, library);
  if (typeof module === 'number') return module;
  return global(v, v.driver.cuLibraryGetGlobal(v.scratch, v.scratch + 8, library.native, name), module);
}

/** Sends the client the pages of a managed variable; null: it is no such variable, or the driver cannot share it. */
function sharePages(v: Invocation, address: number): SharedPages | null {
  const fd = v.driver.managedDescriptor === null ? -1 : v.driver.managedDescriptor(address, v.scratch + 16);
  if (fd < 0) return null;
  const memory = memoryOf(v.client);
  const shared = { id: memory.zone.nextId++, base: v.scratch64(16), bytes: v.scratch64(24) };
  const sent = v.client.sendNotice(NoticeType.pinned, 0, shared.id, 0, shared.bytes, fd);
  close(fd);
  return sent ? shared : null;
}

/** Replies the variable that the scratch names, whose memory the client may use from now on, for as long as `holder` lives. */
function global(v: Invocation, status: number, holder: Module | Library): number {
  if (status !== 0) return status;
  const address = v.scratch64(0);
  const size = v.scratch64(8);
  const memory = memoryOf(v.client);
  const known = memory.foreign.find(address);
  const shared = known !== null && known.holder === holder ? known.shared : sharePages(v, address);
  // The program's own code is about to dereference it.
  if (shared === null && holder instanceof Library) return CUresult.NOT_SUPPORTED;
  const context = holder instanceof Module ? holder.context.native : 0;
  memory.foreign.add({ start: address, bytes: size, holder, context, id: memory.zone.nextId++, managed: holder instanceof Library || shared !== null, shared });
  v.replyU64(ModuleGlobalReply.address, address);
  v.replyU64(ModuleGlobalReply.size, size);
  v.replyU64(ModuleGlobalReply.object, shared === null ? 0 : shared.id);
  v.replyU64(ModuleGlobalReply.object_base, shared === null ? 0 : shared.base);
  v.replyU64(ModuleGlobalReply.object_size, shared === null ? 0 : shared.bytes);
  return CUresult.SUCCESS;
}

export function registerCode(table: HandlerTable): void {
  table[Message.MODULE_LOAD] = moduleLoad;
  table[Message.MODULE_UNLOAD] = moduleUnload;
  table[Message.MODULE_FUNCTION] = moduleFunction;
  table[Message.MODULE_FUNCTIONS] = moduleFunctions;
  table[Message.MODULE_GLOBAL] = moduleGlobal;
  table[Message.LIBRARY_LOAD] = libraryLoad;
  table[Message.LIBRARY_UNLOAD] = libraryUnload;
  table[Message.LIBRARY_KERNEL] = libraryKernel;
  table[Message.LIBRARY_KERNELS] = libraryKernels;
  table[Message.LIBRARY_GLOBAL] = libraryGlobal;
  table[Message.LIBRARY_MODULE] = libraryModule;
  table[Message.KERNEL_FUNCTION] = kernelFunction;
  table[Message.KERNEL_LIBRARY] = kernelLibrary;
  table[Message.FUNCTION_INFO] = functionInfo;
  table[Message.FUNCTION_PARAMS] = functionParams;
  table[Message.FUNCTION_NAME] = functionName;
  table[Message.FUNCTION_MODULE] = functionModule;
}
