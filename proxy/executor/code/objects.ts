/**
 * A client's code as the executor knows it. Native values are the driver's and live as long as these objects are registered:
 *
 *   Module    code in one context; ends with it
 *   Library   code of no context; becomes a module in each context that uses it, when that first does
 *   Callable  a function of a module, or a kernel of a library: what can be launched
 */
import type { Context } from '../context.ts';
import type { ZoneMemory } from '../memory/types.ts';
import type { Reference } from '../textures/references.ts';
import type { Described } from './described.ts';
import { LoadReport, type Image } from './images.ts';
import type { JitOptions } from './jit.ts';
import type { Measured } from './measure.ts';

/** What an image has been turned into: its modules share it. */
export class Compiled {
  users = 0;

  constructor(readonly measured: Measured) {}
}

export class Module {
  row = -1;
  readonly functions = new Set<Callable>();
  /** Its texture and surface variables that the client has asked for. */
  readonly references = new Set<Reference>();

  /** `library`: whose module it is; null: one that the client loaded. `charge`: bytes of the zone's quota that it holds; `compiled`: null for a library's module, which holds nothing.
   *  `described`: what its code says of its kernels, where the driver does not. */
  constructor(readonly context: Context, readonly native: number, readonly library: Library | null, readonly charge: number, readonly compiled: Compiled | null,
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

  /** `charge`: bytes of the quota that it holds, the variables of one context among them. */
  constructor(readonly native: number, readonly charge: number, readonly compiled: Compiled, readonly described: Described | null) {}
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
  /** What it holds of the zone's staging: its inputs, and what is linked. */
  charge = 0;
  /** What is linked, in the driver's memory; 0 bytes: nothing yet. */
  address = 0;
  bytes = 0;
  report = new LoadReport();

  /** `jit`: the options that the driver writes logs to as long as the state lives. `log`: its number among the client's images. */
  constructor(readonly context: Context, readonly native: number, readonly jit: JitOptions, readonly log: number) {}
}

/** Logs of up to twice 64 KiB that are kept for a client. */
export const REPORTS_KEPT = 64;

/** All code of one client. */
export class ClientCode {
  readonly images = new Map<number, Image>();
  nextImage = 1;
  readonly modules = new Map<Context, Set<Module>>();
  readonly libraries = new Set<Library>();
  readonly links = new Map<number, Link>();
  /** What loaded and linked code holds of the zone's staging. */
  private held = 0;
  /** Images of which the compiler had something to say, the last one last. */
  private readonly told: Image[] = [];

  constructor(private readonly memory: Pick<ZoneMemory, 'reserveStaging' | 'releaseStaging'>) {}

  /** Keeps what the compiler said of an image: a client asks for it at once, so the texts of the last few are enough. */
  tell(image: Image, report: LoadReport): void {
    image.report = report;
    const before = this.told.indexOf(image);
    if (before >= 0) this.told.splice(before, 1);
    if (report.info.length + report.errors.length === 0) return;
    if (this.told.push(image) > REPORTS_KEPT) this.told.shift()!.report.forget();
  }

  /** Takes bytes of the driver domain's memory for code; false: the zone's limit says no. */
  hold(bytes: number): boolean {
    if (this.held < 0 || !this.memory.reserveStaging(bytes)) return false;
    this.held += bytes;
    return true;
  }

  letGo(bytes: number): void {
    if (this.held < 0) return; // end() gave it back in one sum
    this.held -= bytes;
    this.memory.releaseStaging(bytes);
  }

  /** Takes what one more user of an image's code needs; false: the zone's limit says no. */
  use(compiled: Compiled): boolean {
    const { code, instance } = compiled.measured;
    if (!this.hold(compiled.users === 0 ? code + instance : instance)) return false;
    compiled.users++;
    return true;
  }

  drop(compiled: Compiled): void {
    const { code, instance } = compiled.measured;
    this.letGo(--compiled.users === 0 ? code + instance : instance);
  }

  /** All of it goes back, and nothing is held any more. */
  end(): void {
    if (this.held >= 0) this.memory.releaseStaging(this.held);
    this.held = -1;
  }

  modulesOf(context: Context): Set<Module> {
    let set = this.modules.get(context);
    if (set === undefined) {
      set = new Set();
      this.modules.set(context, set);
    }
    return set;
  }
}
