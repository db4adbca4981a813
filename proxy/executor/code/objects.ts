/**
 * A client's code as the executor knows it. Native values are the driver's and live as long as these objects are registered:
 *
 *   Module    code in one context; ends with it
 *   Library   code of no context; becomes a module in each context that uses it, when that first does
 *   Callable  a function of a module, or a kernel of a library: what can be launched
 */
import type { Context } from '../context.ts';
import type { Reference } from '../textures/references.ts';
import type { Described } from './described.ts';
import { LoadReport, type Image } from './images.ts';
import type { JitOptions } from './jit.ts';

export class Module {
  row = -1;
  readonly functions = new Set<Callable>();
  /** Its texture and surface variables that the client has asked for. */
  readonly references = new Set<Reference>();

  /** `library`: whose module it is; null: one that the client loaded. `charge`: bytes of the zone's quota that it holds.
   *  `described`: what its code says of its kernels, where the driver does not. */
  constructor(readonly context: Context, readonly native: number, readonly library: Library | null, readonly charge: number,
    readonly described: Described | null) {}
}

export class Library {
  row = -1;
  readonly kernels = new Set<Callable>();
  /** By context: what it has become there; null: in use, but nobody has asked for the module. */
  readonly modules = new Map<Context, Module | null>();

  /** Where it is used, and the last of them: where the driver has given its variables memory. */
  readonly contexts = new Set<Context>();
  lastContext: Context | null = null;

  /** `charge`: bytes of the quota that it holds, the variables of one context among them; `variables`: bytes in each further one. */
  constructor(readonly native: number, readonly charge: number, readonly variables: number, readonly described: Described | null) {}
}

export class Callable {
  row = -1;
  /** Offset and size of each parameter, in turn. */
  params: Uint16Array = NONE;
  /** Bytes from the first parameter to behind the last. */
  paramBytes = 0;

  /** A function has a module, a kernel a library. */
  constructor(readonly native: number, readonly module: Module | null, readonly library: Library | null) {}
}

const NONE = new Uint16Array(0);

/** A link state. */
export class Link {
  row = -1;
  /** A step of it is under way. */
  busy = false;
  /** What is linked, in the driver's memory; 0 bytes: nothing yet. */
  address = 0;
  bytes = 0;
  report = new LoadReport();

  /** `jit`: the options that the driver writes logs to as long as the state lives. `log`: its number among the client's images. */
  constructor(readonly context: Context, readonly native: number, readonly jit: JitOptions, readonly log: number) {}
}

/** All code of one client. */
export class ClientCode {
  readonly images = new Map<number, Image>();
  nextImage = 1;
  readonly modules = new Map<Context, Set<Module>>();
  readonly libraries = new Set<Library>();
  readonly links = new Map<number, Link>();

  modulesOf(context: Context): Set<Module> {
    let set = this.modules.get(context);
    if (set === undefined) {
      set = new Set();
      this.modules.set(context, set);
    }
    return set;
  }
}
