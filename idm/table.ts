// The call table's columns, and the words that rows are written with.
//
// One row is one exported CUDA driver function (base name or versioned name; its per-thread twin rides along):
//
//   row(symbol, since, parameters, serve, twin?, early?, probed?)
//
//   symbol      the ELF name without _ptds/_ptsz; `cuMemAlloc_v2` is version 2 of `cuMemAlloc`
//   since       the CUDA version at which cuGetProcAddress hands this symbol out for the base name
//   parameters  as in C, with the field's own names; kinds and directions are read off the types (see `parse`)
//   serve       how the call is answered:
//                 local()             in the client, from what it knows; written by hand: libvgpu's vgpu_<symbol>
//                 waited(), posted()  generated on both sides: one message with the row's parameters
//                 hand(cost, ...)     written by hand in the client (vgpu_<symbol>), which sends the messages named
//                 refused(error)      not served: answers that error
//   twin        ptds(since) or ptsz(since): also exported with that suffix, for per-thread default streams
//   early       may be called before cuInit
//   probed      the ELF symbol of that name is another, lenient function (idm/probed.c): this one is handed out by cuGetProcAddress
//
// Everything that can be generated from the rows is; see generate/main.ts. To add a call is to change a row.

export type Cost = 'local' | 'posted' | 'waited'

/** What a generated call checks: a device range that the driver will touch, as a C expression over the parameters. */
export type Range = readonly [bytes: string, access: 'read' | 'write']

export type Serve =
  | { how: 'local' }
  | { how: 'generated'; cost: 'posted' | 'waited'; range: Record<string, Range>; capture: boolean; sure: string; optional: string[] }
  | { how: 'hand'; cost: 'posted' | 'waited'; messages: string[] }
  | { how: 'refused'; error: string }

export interface Twin {
  suffix: 'ptds' | 'ptsz'
  since: number
}

export interface Call {
  symbol: string
  base: string
  since: number
  parameters: Parameter[]
  serve: Serve
  twin: Twin | null
  early: boolean
  probed: boolean
}

/** `capture`: libvgpu's vgpu_captured_<symbol> is asked first while streams capture; it may answer the call.
 *  `sure`: of a posted call, when the client vouches for its arguments (libvgpu/sure.h), as a C expression over the parameters; when it
 *  does not, the call waits until the executor has accepted it. */
interface Generated {
  range?: Record<string, Range>
  capture?: boolean
  optional?: string[] // results that the program may leave out with NULL
}

export const local = (): Serve => ({ how: 'local' })
export const waited = (o: Generated = {}): Serve => ({ how: 'generated', cost: 'waited', range: o.range ?? {}, capture: o.capture ?? false, sure: '', optional: o.optional ?? [] })
export const posted = (o: Generated & { sure: string }): Serve => ({ how: 'generated', cost: 'posted', range: o.range ?? {}, capture: o.capture ?? false, sure: o.sure, optional: [] })
export const hand = (cost: 'posted' | 'waited', ...messages: string[]): Serve => ({ how: 'hand', cost, messages })
export const refused = (error = 'CUDA_ERROR_NOT_SUPPORTED'): Serve => ({ how: 'refused', error })
export const ptds = (since: number): Twin => ({ suffix: 'ptds', since })
export const ptsz = (since: number): Twin => ({ suffix: 'ptsz', since })
export const early = 'early' as const
export const probed = 'probed' as const

export function row(symbol: string, since: number, parameters: string, serve: Serve, ...rest: (Twin | typeof early | typeof probed)[]): Call {
  return {
    symbol,
    base: symbol.replace(/_v\d+$/, ''),
    since,
    parameters: parse(parameters),
    serve,
    twin: rest.find((x): x is Twin => typeof x === 'object') ?? null,
    early: rest.includes(early),
    probed: rest.includes(probed),
  }
}

// ---- parameters ----

/** Handle types: opaque 64-bit values that the executor looks up by type, generation and zone. */
export const HANDLES: Record<string, string> = {
  CUcontext: 'context',
  CUstream: 'stream',
  CUevent: 'event',
  CUarray: 'array',
  CUmipmappedArray: 'mipmappedArray',
  CUmemoryPool: 'pool',
  CUmemGenericAllocationHandle: 'allocation',
  CUmodule: 'module',
  CUfunction: 'function',
  CUlibrary: 'library',
  CUkernel: 'kernel',
  CUlinkState: 'linkState',
  CUgraphExec: 'graphExec',
  CUtexref: 'texref',
  CUsurfref: 'surfref',
  // The numbers themselves are the driver's, because kernels get them; a row of the handle table counts each against the zone.
  CUtexObject: 'texObject',
  CUsurfObject: 'surfObject',
}

/** Scalars by C type: wire width in bytes and whether signed or floating. Enumerations are u32. */
const SCALARS: Record<string, Field['kind']> = {
  int: 'i32',
  'unsigned int': 'u32',
  unsigned: 'u32',
  size_t: 'u64',
  'unsigned long long': 'u64',
  cuuint32_t: 'u32',
  cuuint64_t: 'u64',
  float: 'f32',
  CUdevice: 'device',
  CUdeviceptr: 'address',
  CUlimit: 'u32',
  CUfunc_cache: 'u32',
  CUsharedconfig: 'u32',
  CUstreamAttrID: 'u32',
  CUaddress_mode: 'u32',
  CUfilter_mode: 'u32',
  CUarray_format: 'u32',
}

/** Structures that a generated call carries by value: sizeof, checked by a static assertion in the generated C. */
export const STRUCTS: Record<string, number> = {
  CUstreamAttrValue: 64,
}

export interface Parameter {
  name: string
  type: string // C type without the name, e.g. 'const CUstreamAttrValue *'
}

function parse(text: string): Parameter[] {
  if (text.trim() === '') return []
  return text.split(',').map((part) => {
    const m = /^(.*?)(\w+)$/.exec(part.trim())
    if (!m) throw new Error(`call table: cannot read parameter '${part}'`)
    return { type: m[1].trim(), name: m[2] }
  })
}

/** One field of a message, request or reply. */
export interface Field {
  name: string
  kind: 'i32' | 'u32' | 'u64' | 'f32' | 'device' | 'address' | 'handle' | 'bytes'
  handle?: string // kind handle: which type
  size: number // bytes on the wire
}

export const fieldSize = (kind: Field['kind'], bytes = 0): number =>
  kind === 'bytes' ? bytes : kind === 'u64' || kind === 'address' || kind === 'handle' ? 8 : 4

/** How a generated call's parameter travels. */
export function classify(p: Parameter): { direction: 'in' | 'out'; field: Field; pointer: boolean; ctype: string } {
  const pointer = p.type.endsWith('*')
  const isConst = p.type.startsWith('const ')
  const ctype = p.type.replace(/^const /, '').replace(/\s*\*$/, '').trim()
  const direction = pointer && !isConst ? 'out' : 'in'
  const make = (kind: Field['kind'], extra: Partial<Field> = {}, bytes = 0) => ({
    direction: direction as 'in' | 'out',
    pointer,
    ctype,
    field: { name: p.name, kind, size: fieldSize(kind, bytes), ...extra },
  })
  if (ctype in HANDLES) return make('handle', { handle: HANDLES[ctype] })
  if (ctype in SCALARS) return make(SCALARS[ctype])
  if (ctype in STRUCTS && pointer) return make('bytes', {}, STRUCTS[ctype])
  throw new Error(`call table: a generated call cannot carry '${p.type} ${p.name}'; serve it by hand or teach table.ts the type`)
}
