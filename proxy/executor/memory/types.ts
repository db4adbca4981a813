/**
 * The border between a zone's memory (this folder) and the executor's core: what each needs of the other.
 *
 * The core makes one `ZoneMemory` when it adopts a zone (`createZoneMemory(core, limits)` in `zone.ts`) and one
 * `ClientMemory` for every client. All numbers are bytes or device addresses below 2^53. Nothing here blocks: what must
 * wait for the GPU is polled by `core.poll`, and the answer of the call that waits is deferred.
 *
 * THE ORDER IN WHICH A CLIENT ENDS (the core follows it):
 *   1. the core stops serving the client's ring; from here `check` is not asked for this client any more
 *   2. `clientMemory.close()`: the ledger gets everything back at once, handlers' deferred answers are dropped,
 *      and all memory waits for the client's work. Nothing is unmapped yet.
 *   3. the core destroys the client's streams and contexts (asynchronously, if it must wait for them)
 *   4. `clientMemory.contextsGone()`: no work of this client can run any more: memory is zeroed (polled) and recycled
 */
import type { DriverCalls } from '../../generated/prototypes.ts'
import type { ZoneLimits } from '../../supervisor/messages.ts'

/** What the memory of a zone needs of the executor. */
export interface MemoryCore {
  readonly driver: DriverCalls
  /** CUdevice of the zone. */
  readonly device: number
  /** A context of the executor's own (not any client's), made at the first call; 0 when the driver refuses. Zeroing runs in it. */
  internalContext(): number
  /** Makes a driver's context current. Cheap when it is already; nobody has to switch back. */
  enter(context: number): void
  /** Calls `check` soon and again and again (each turn of the loop) until it answers true. Never calls it from inside poll(). */
  poll(check: () => boolean): void
  /** Takes registered host memory back from the driver, which may wait for kernels meanwhile, and then calls `then`. */
  unregisterHost(address: number, then: () => void): void
  /** Something in `usage()` changed. */
  usageChanged(): void
}

/** What the memory of a client needs of it. */
export interface MemoryClient {
  readonly id: number
  /** Runs `then` when all that this client has given the GPU so far is done: now if it is already (answers true), else from
   *  the core's polling. Work that failed or whose context was destroyed is done. Never after contextsGone(). */
  afterWork(then: () => void): boolean
  /** The same, at a moment when nothing of this client is under way: before a call of the driver that waits for all of it. */
  whenIdle(then: () => void): boolean
  /** Runs `then` when `stream` (an invocation's `found`) has got to here, or is gone with its context; never at once. */
  afterStream(stream: object, then: () => void): void
  /** Frees the handle under which this client has `native`, if it has one: what it stood for is gone (arrays of a context). */
  dropHandle(type: number, native: number): void
  /** Sends `struct rf_notice` with a descriptor; the caller closes its own `fd` afterwards. false: the client is gone. */
  sendNotice(type: number, status: number, cookie: number, offset: number, length: number, fd: number): boolean
}

/** What a zone uses of each quota; `refused` counts requests that a quota refused. Bytes. */
export interface MemoryUsage {
  memory: number
  memoryPeak: number
  allocations: number
  /** Bytes of pinned host memory; regions' staging is the core's own count: `reserveStaging`. */
  staging: number
  refused: number
}

export interface ZoneMemory {
  /** The address window of the zone: written into every client's info block. */
  readonly windowBase: number
  readonly windowSize: number
  /** The window of host addresses (host-window.ts): pinned and managed memory. */
  readonly hostWindowBase: number
  readonly hostWindowSize: number
  /** Granularity of the virtual memory calls, bytes. */
  readonly granularity: number
  openClient(client: MemoryClient): ClientMemory
  /** Whether `client` may read (write) `bytes` bytes at `address` now: all of it live memory of that client, with access
   *  set. 0 bytes: whether the address lies in one. Allocates nothing; flat up to 100,000s of allocations. */
  check(client: ClientMemory, address: number, bytes: number, write: boolean): boolean
  /** Live allocations. */
  readonly allocations: number
  /** Has the memory come that check() will look at for an address, in two words, whatever it is; decides nothing (executor/ahead.ts). */
  touch(low: number, high: number): number
  /** Whether its windows are those that a zone of these limits gets. */
  hasWindowsFor(limits: ZoneLimits): boolean
  setLimits(limits: ZoneLimits): void
  usage(): MemoryUsage
  /** The one ledger of staging memory: regions (the core) and pinned memory share `limits.staging`. */
  reserveStaging(bytes: number): boolean
  releaseStaging(bytes: number): void
  /** Gives everything back to the driver, blocking; the executor is about to exit. */
  destroy(): void
}

export interface ClientMemory {
  /** THE CORE ADDS 1 whenever it submits work for this client to the driver (copy, set, launch, wait, ...). Freed memory is
   *  used again at once only if nothing has been submitted since all work was last known to be done. */
  submitted: number
  /** What the ledger counts for this client, bytes. */
  readonly used: number
  /** The client's pinned memory `id` (HOST_ALLOC): where the executor has it mapped, and its size. */
  pinned(id: number): { address: number; bytes: number } | undefined
  /** A context is destroyed or reset, or about to be: everything allocated in it goes with it (device memory, arrays; not
   *  what the virtual memory calls made). The ledger gets it back at once, the memory when afterWork() says so.
   *  In steps, between which others may be served; it is all gone when there is no other. */
  contextGoing(context: number): Generator<void, void>
  /** Step 2 of the order above. */
  close(): void
  /** Step 4. */
  contextsGone(): void
}

/** What the handlers here ask of an invocation; the core's `Invocation` is one. Words count from the payload's start. */
export interface MemoryInvocation {
  readonly memory: ClientMemory
  /** The driver's context that the call runs in (0: the client has none current); it is current when a handler runs. */
  readonly context: number
  u32(word: number): number
  i32(word: number): number
  /** Two words; exact below 2^53, at least 2^53 for anything larger. */
  u64(word: number): number
  /** What `addHandle` stored, or -1 for no live handle of this type of this client. */
  handle(type: number, word: number): number
  /** The driver's stream or -1; the core's object for it is then in `found`. */
  stream(word: number): number
  readonly found: object | null
  /** Whether the zone has a handle left; refuse() counts it and gives the error. */
  room(type: number): boolean
  refuse(): number
  invalid(type: number): number
  /** Stores `native` under a new handle and writes that at the reply's word. false: none left. */
  addHandle(word: number, type: number, native: number): boolean
  /** Writes the handle under which this client has `native` already at the reply's word; false, and 0 there: under none. */
  findHandle(word: number, type: number, native: number): boolean
  removeHandle(type: number, word: number): void
  isNull(word: number): boolean
  replyU32(word: number, value: number): void
  replyU64(word: number, value: number): void
  /** The answer comes later: the handler returns DEFERRED. Only one of `Later`'s calls may finish it. */
  later(): Later
}

/** A deferred answer. All of it does nothing once the client is gone. */
export interface Later {
  replyU32(word: number, value: number): void
  replyU64(word: number, value: number): void
  addHandle(word: number, type: number, native: number): boolean
  finish(status: number): void
}
