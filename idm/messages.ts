// The messages that hand-written calls send: what crosses the ring when one message serves many CUDA functions.
// Every generated call adds a message of its own, with its symbol's name. Fields lie in the order given, each aligned to
// its size; the payload starts right behind the 32-byte record header (ring.h), a reply's at the slot's payload.
//
//   message(name, cost, request, reply, what, errors)      fields as 'name:kind', kinds: u32 i32 u64 f32 device address handle(type)
//
// errors: the CUresults (without CUDA_ERROR_) that the executor answers besides those that the fields imply (errorsOf).
//
// `address` is a device address; `handle(type)` an opaque handle; `u64` a size or a number. `tail` says that raw bytes follow.
import { type Field, fieldSize } from './table.ts'

export interface Message {
  name: string
  cost: 'posted' | 'waited' | 'either'
  request: Field[]
  reply: Field[]
  what: string
  errors: string[]
}

function fields(text: string): Field[] {
  return text.split(/\s+/).filter(Boolean).map((part) => {
    const m = /^(\w+):(\w+)(?:\((\w+)\))?$/.exec(part)
    if (!m) throw new Error(`messages: cannot read field '${part}'`)
    const kind = m[2] as Field['kind']
    return { name: m[1], kind, size: fieldSize(kind, Number(m[3] ?? 0)), ...(kind === 'handle' ? { handle: m[3] } : {}) }
  })
}

const message = (name: string, cost: Message['cost'], request: string, reply: string, what: string, errors = ''): Message => ({
  name, cost, request: fields(request), reply: fields(reply), what, errors: errorsOf(fields(request), fields(reply), errors.split(' ')),
})

/** Which errors a message can be answered with for what its fields are, and `more`. Sorted. */
export function errorsOf(request: Field[], reply: Field[], more: string[]): string[] {
  const out = new Set(more.filter(Boolean))
  for (const f of request) {
    if (f.kind === 'address') out.add('INVALID_VALUE')
    else if (f.kind === 'device') out.add('INVALID_DEVICE')
    else if (f.kind === 'handle') {
      if (f.handle === 'context') out.add('INVALID_CONTEXT').add('CONTEXT_IS_DESTROYED')
      else out.add(f.handle === 'pool' || f.handle === 'allocation' ? 'INVALID_VALUE' : 'INVALID_HANDLE')
      if (f.handle === 'stream') out.add('INVALID_CONTEXT').add('CONTEXT_IS_DESTROYED') // default streams are the current context's
    }
  }
  for (const f of reply) if (f.kind === 'handle') out.add('OUT_OF_MEMORY') // the zone's limit of handles
  return [...out].sort()
}

/** One end of a copy. `place` is enum rf_place (generate/main.ts): where `base` points.
 *  base: device address, array handle, staging offset (from the start of staging), or pinned memory's id.
 *  x, y, z: start, x in bytes; lod: mipmap level; pitch, height: of the whole box (bytes, rows) for y and z.
 *  Every place but an array is linear: its first byte is base + (z * height + y) * pitch + x. Pinned memory counts from its
 *  first usable byte (`offset` of its notice), so a plain pointer into it is x alone. One row of one slice is sent with
 *  pitch >= width and height 1.
 *  inline, source:       the bytes follow the request, packed (pitch = width, height = rows).
 *  inline, destination:  only in a waited copy of at most 1008 bytes: they are the reply's payload, packed.
 *  staging, source:      chunks [chunk, chunk + chunks) belong to the executor from the commit on; it frees them when done,
 *                        also when the copy was refused, waited or posted.
 *  staging, destination: always waited, with chunks 0: the client reads the bytes after the reply and frees the chunk itself. */
const end = (p: string) => `${p}_place:u32 ${p}_lod:u32 ${p}_base:u64 ${p}_x:u64 ${p}_y:u64 ${p}_z:u64 ${p}_pitch:u64 ${p}_height:u64`

export const PLACES = ['device', 'array', 'staging', 'inline', 'pinned'] as const
export const SYNC_SCOPES = ['context', 'stream', 'event'] as const
/** Kinds of GPU_ALLOC, and behind them what only POINTER_QUERY answers. */
export const ALLOC_KINDS = ['device', 'pitch', 'managed', 'async', 'mapping', 'pinned'] as const

/** What a client needs to know of a function or kernel to launch it; owner: the module or library that it ends with; context: a function's, none for a kernel; the first parameters follow as pairs of u16, offset and size
 *  (FUNCTION_PARAMS has the others). */
const FUNCTION = 'function:handle(function) params:u32 param_bytes:u32 max_threads:u32 static_shared:u32 max_dynamic_shared:u32 pad:u32 owner:u64 context:handle(context)'
const FUNCTION_ERRORS = 'INVALID_CONTEXT NOT_FOUND NOT_SUPPORTED INVALID_VALUE OUT_OF_MEMORY'
/** What loading code can be answered with. NOT_FOUND: the image is not kept any more, send it again. */
const LOAD_ERRORS = 'NOT_FOUND INVALID_VALUE INVALID_CONTEXT INVALID_IMAGE INVALID_PTX INVALID_SOURCE NO_BINARY_FOR_GPU UNSUPPORTED_PTX_VERSION JIT_COMPILER_NOT_FOUND OUT_OF_MEMORY NOT_SUPPORTED SHARED_OBJECT_SYMBOL_NOT_FOUND SHARED_OBJECT_INIT_FAILED'

export const MESSAGES: Message[] = [
  message('PING', 'either', '', '', 'nothing: a waited null call'),
  message('CTX_PRIMARY_RETAIN', 'waited', 'device:device flags:u32', 'context:handle(context)', 'activate the primary context; the handle is the one in the info block', 'INVALID_VALUE'),
  message('CTX_PRIMARY_RESET', 'waited', 'device:device', '', 'destroy all the primary context holds; its handle stays'),
  message('CTX_CREATE', 'waited', 'device:device flags:u32', 'context:handle(context)', '', 'INVALID_VALUE'),
  message('CTX_DESTROY', 'waited', 'target:handle(context)', '', ''),
  message('GPU_ALLOC', 'waited', 'kind:u32 element:u32 bytes:u64 width:u64 height:u64 pool:handle(pool) stream:handle(stream)', 'address:address pitch:u64 object:u64 object_base:address object_size:u64', 'memory of the first four ALLOC_KINDS; pitch: width x height rows; async: from pool (0: current) on stream; managed: inside the shared pages `object`, to be mapped at `object_base`, whose descriptor came as a notice when they were made', 'INVALID_VALUE OUT_OF_MEMORY NOT_SUPPORTED'),
  message('GPU_FREE', 'either', 'address:address stream:handle(stream) async:u32 pad:u32', '', 'async 1: in the order of `stream`'),
  message('MEM_INFO', 'waited', '', 'free:u64 total:u64', "the zone's numbers", 'INVALID_CONTEXT'),
  message('POINTER_QUERY', 'waited', 'address:address', 'base:address size:u64 context:handle(context) pool:handle(pool) kind:u32 device:device id:u64', 'the allocation around an address; kind: ALLOC_KINDS; CUDA_ERROR_INVALID_VALUE if none'),
  message('GPU_COPY', 'either', `${end('dst')} ${end('src')} width:u64 rows:u64 depth:u64 stream:handle(stream) chunk:u32 chunks:u32`, '', 'width bytes x rows x depth; waited: answered when done; posted: in stream order; what becomes of inline bytes and staging chunks: see idm/messages.ts', 'INVALID_VALUE'),
  message('GPU_SET', 'either', 'address:address pitch:u64 width:u64 rows:u64 value:u32 element:u32 stream:handle(stream)', '', 'width elements of `element` bytes (1, 2, 4) x rows; waited: answered when done'),
  message('GPU_SYNC', 'waited', 'scope:u32 pad:u32 target:u64', '', 'SYNC_SCOPES; target: context, stream or event handle', 'INVALID_VALUE INVALID_CONTEXT CONTEXT_IS_DESTROYED INVALID_HANDLE'),
  message('STREAM_DESTROY', 'waited', 'stream:handle(stream)', '', ''),
  message('EVENT_DESTROY', 'waited', 'event:handle(event)', '', ''),
  message('HOST_ALLOC', 'waited', 'bytes:u64 flags:u32 pad:u32', 'id:u64 address:address size:u64', "pinned memory, at `address` for the GPU and to be mapped there; its descriptor comes as a notice, sent before this reply", 'INVALID_VALUE INVALID_CONTEXT OUT_OF_MEMORY OPERATING_SYSTEM'),
  message('HOST_FREE', 'waited', 'id:u64 retire:u32 pad:u32', '', 'retire 1: nothing may use it any more and nothing does when this is answered, but its bytes stay until it is freed', 'INVALID_VALUE'),
  message('IPC_GET', 'waited', 'address:address', 'token0:u64 token1:u64 token2:u64 token3:u64', 'the handle of device memory for other clients of the zone'),
  message('IPC_OPEN', 'waited', 'token0:u64 token1:u64 token2:u64 token3:u64 flags:u32 pad:u32', 'address:address size:u64', 'the right to memory of another client, at its address', 'INVALID_VALUE INVALID_CONTEXT OUT_OF_MEMORY'),
  message('IPC_CLOSE', 'waited', 'address:address', '', ''),
  message('EVENT_SHARE', 'waited', 'event:handle(event)', 'token0:u64 token1:u64 token2:u64 token3:u64', 'the handle of an event for other clients of the zone'),
  message('EVENT_OPEN', 'waited', 'token0:u64 token1:u64 token2:u64 token3:u64', 'event:handle(event)', 'another name for an event of another client', 'INVALID_VALUE INVALID_CONTEXT'),
  message('HOST_CALL', 'posted', 'stream:handle(stream) cookie:u64 hold:u32 number:u32', '', 'let the stream stand at use `number` of a hold (region.h), send RF_NOTICE_HOST_CALL when it gets here or never will', 'INVALID_VALUE OUT_OF_MEMORY NOT_SUPPORTED'),
  message('HOST_DONE', 'posted', 'cookie:u64', '', 'the host function returned, and its hold says so'),
  message('THREAD_GONE', 'posted', 'gone:u32 pad:u32', '', "a client thread ended: its per-thread default streams go"),
  message('ADDRESS_RESERVE', 'waited', 'size:u64 alignment:u64 hint:address flags:u64', 'address:address', '', 'OUT_OF_MEMORY NOT_SUPPORTED'),
  message('ADDRESS_FREE', 'waited', 'address:address size:u64', '', ''),
  message('MEM_CREATE', 'waited', 'size:u64 flags:u64 type:u32 handle_types:u32 location_type:u32 location:i32', 'allocation:handle(allocation)', '', 'INVALID_VALUE INVALID_DEVICE OUT_OF_MEMORY NOT_SUPPORTED'),
  message('MEM_RELEASE', 'waited', 'allocation:handle(allocation)', '', ''),
  message('MEM_MAP', 'waited', 'address:address size:u64 offset:u64 allocation:handle(allocation) flags:u64', '', '', 'OUT_OF_MEMORY NOT_SUPPORTED'),
  message('MEM_UNMAP', 'waited', 'address:address size:u64', '', ''),
  message('MEM_SET_ACCESS', 'waited', 'address:address size:u64 location_type:u32 location:i32 flags:u32 pad:u32', '', '', 'INVALID_DEVICE NOT_SUPPORTED'),
  message('MEM_GET_ACCESS', 'waited', 'address:address location_type:u32 location:i32', 'flags:u64', '', 'INVALID_DEVICE'),
  message('MEM_RETAIN', 'waited', 'address:address', 'allocation:handle(allocation)', ''),
  message('MEM_PROPERTIES', 'waited', 'allocation:handle(allocation)', 'type:u32 handle_types:u32 location_type:u32 location:i32 size:u64', ''),
  message('MEM_EXPORT', 'waited', 'allocation:handle(allocation)', 'token0:u64 token1:u64 token2:u64 token3:u64', 'the number under which other clients of the zone find it'),
  message('MEM_IMPORT', 'waited', 'token0:u64 token1:u64 token2:u64 token3:u64', 'allocation:handle(allocation)', 'a handle of what another client has exported', 'INVALID_VALUE OUT_OF_MEMORY'),
  message('POOL_CREATE', 'waited', 'type:u32 handle_types:u32 location_type:u32 location:i32 max_size:u64', 'pool:handle(pool)', '', 'INVALID_VALUE INVALID_DEVICE NOT_SUPPORTED'),
  message('POOL_DESTROY', 'waited', 'pool:handle(pool)', '', ''),
  message('POOL_TRIM', 'waited', 'pool:handle(pool) keep:u64', '', ''),
  message('POOL_SET', 'waited', 'pool:handle(pool) attribute:u32 pad:u32 value:u64', '', '', 'NOT_SUPPORTED'),
  message('POOL_GET', 'waited', 'pool:handle(pool) attribute:u32 pad:u32', 'value:u64', '', 'INVALID_DEVICE NOT_SUPPORTED'),
  message('POOL_EXPORT', 'waited', 'pool:handle(pool)', 'token0:u64 token1:u64 token2:u64 token3:u64', 'the number under which other clients of the zone find it'),
  message('POOL_IMPORT', 'waited', 'token0:u64 token1:u64 token2:u64 token3:u64', 'pool:handle(pool)', 'a pool from which another client allocates', 'INVALID_VALUE'),
  message('POOL_GIVE', 'waited', 'address:address', 'token0:u64 token1:u64 token2:u64 token3:u64', 'the number of an allocation from a pool that is exported'),
  message('POOL_TAKE', 'waited', 'pool:handle(pool) token0:u64 token1:u64 token2:u64 token3:u64', 'address:address size:u64', 'the right to it, at its address, until it is freed', 'INVALID_VALUE OUT_OF_MEMORY'),
  message('POOL_OF_DEVICE', 'waited', 'device:device which:u32 pool:handle(pool)', 'pool:handle(pool)', 'which 0: the default pool, 1: the current pool, 2: make `pool` current'),
  message('ARRAY_CREATE', 'waited', 'width:u64 height:u64 depth:u64 format:u32 channels:u32 flags:u32 pad:u32', 'array:handle(array)', '', 'INVALID_VALUE INVALID_CONTEXT OUT_OF_MEMORY NOT_SUPPORTED'),
  message('ARRAY_DESCRIBE', 'waited', 'array:handle(array)', 'width:u64 height:u64 depth:u64 format:u32 channels:u32 flags:u32 pad:u32', ''),
  message('ARRAY_DESTROY', 'waited', 'array:handle(array)', '', ''),
  message('MIPMAP_CREATE', 'waited', 'width:u64 height:u64 depth:u64 format:u32 channels:u32 flags:u32 levels:u32', 'mipmap:handle(mipmappedArray)', '', 'INVALID_VALUE INVALID_CONTEXT OUT_OF_MEMORY NOT_SUPPORTED'),
  message('MIPMAP_LEVEL', 'waited', 'mipmap:handle(mipmappedArray) level:u32 pad:u32', 'array:handle(array)', '', 'INVALID_VALUE'),
  message('MIPMAP_DESTROY', 'waited', 'mipmap:handle(mipmappedArray)', '', ''),
  message('STREAM_CONTEXT', 'waited', 'stream:handle(stream)', 'context:handle(context)', 'the context that the stream belongs to; never asked about the default streams'),
  message('IMAGE_OPEN', 'waited', 'bytes:u64 parts:u32 pad:u32', 'image:u64', 'room for the bytes of an image, which IMAGE_DATA brings; parts: 0, or how many fat binaries of one wrapper lie in it, each from a multiple of 16 bytes on', 'INVALID_VALUE OUT_OF_MEMORY'),
  message('IMAGE_DATA', 'posted', 'image:u64 offset:u64 bytes:u32 chunk:u32 chunks:u32 pad:u32', '', 'the next bytes of an image: inline behind the request (chunks 0), or at the start of a staging chunk, which the executor frees', 'INVALID_VALUE'),
  message('IMAGE_CLOSE', 'posted', 'image:u64', '', 'the client will not name the image again', 'INVALID_VALUE'),
  message('JIT_LOG', 'waited', 'image:u64 which:u32 from:u32', 'total:u32 milliseconds:f32', 'of the last loading of an image: how long it took, and what the compiler said (which 0: information, 1: errors); bytes from `from` on follow', 'INVALID_VALUE'),
  message('MODULE_LOAD', 'waited', 'image:u64 options:u32 pad:u32', 'module:handle(module)', 'options, which follow: pairs of u64, CUjit_option and value', LOAD_ERRORS),
  message('MODULE_UNLOAD', 'waited', 'module:handle(module)', '', 'in the module\'s own context, whichever is current', 'NOT_PERMITTED'),
  message('MODULE_FUNCTION', 'waited', 'module:handle(module)', FUNCTION, 'by name; the name follows, with its NUL', FUNCTION_ERRORS),
  message('MODULE_FUNCTIONS', 'waited', 'module:handle(module) first:u32 pad:u32', 'total:u32 count:u32', 'all functions, a reply full of handles (u64) at a time', FUNCTION_ERRORS),
  message('MODULE_GLOBAL', 'waited', 'module:handle(module)', 'address:address size:u64 object:u64 object_base:address object_size:u64', 'by name; the name follows, with its NUL; of a managed variable also the pages that hold it, as in GPU_ALLOC (object 0: none)', 'INVALID_CONTEXT NOT_FOUND INVALID_VALUE'),
  message('LIBRARY_LOAD', 'waited', 'image:u64 options:u32 library_options:u32', 'library:handle(library)', 'both kinds of options follow: pairs of u64', LOAD_ERRORS),
  message('LIBRARY_UNLOAD', 'waited', 'library:handle(library)', '', ''),
  message('LIBRARY_KERNEL', 'waited', 'library:handle(library)', FUNCTION, 'by name; the name follows, with its NUL', FUNCTION_ERRORS),
  message('LIBRARY_KERNELS', 'waited', 'library:handle(library) first:u32 pad:u32', 'total:u32 count:u32', 'all kernels, a reply full of handles (u64) at a time', FUNCTION_ERRORS),
  message('LIBRARY_GLOBAL', 'waited', 'library:handle(library) managed:u32 pad:u32', 'address:address size:u64 object:u64 object_base:address object_size:u64', 'as MODULE_GLOBAL', 'INVALID_CONTEXT NOT_FOUND INVALID_VALUE OUT_OF_MEMORY NOT_SUPPORTED'),
  message('LIBRARY_MODULE', 'waited', 'library:handle(library)', 'module:handle(module)', "the library's module in the current context", FUNCTION_ERRORS),
  message('KERNEL_FUNCTION', 'waited', 'kernel:handle(kernel)', FUNCTION, "the kernel's function in the current context", FUNCTION_ERRORS),
  message('KERNEL_LIBRARY', 'waited', 'kernel:handle(kernel)', 'library:handle(library)', ''),
  message('FUNCTION_INFO', 'waited', 'function:handle(function)', FUNCTION, 'of a handle that came in a list'),
  message('FUNCTION_PARAMS', 'waited', 'function:handle(function) first:u32 pad:u32', 'total:u32 count:u32', 'pairs of u16 follow: offset and size of each parameter from `first` on'),
  message('FUNCTION_NAME', 'waited', 'function:handle(function) from:u32 pad:u32', 'total:u32 pad:u32', 'bytes of the name from `from` on follow', 'NOT_FOUND'),
  message('FUNCTION_MODULE', 'waited', 'function:handle(function)', 'module:handle(module)', '', 'INVALID_CONTEXT'),
  message('FUNCTION_GET', 'waited', 'function:handle(function) attribute:u32 pad:u32', 'value:i32 pad:u32', 'an attribute', 'INVALID_VALUE INVALID_CONTEXT'),
  message('FUNCTION_SET', 'waited', 'function:handle(function) attribute:u32 value:i32', 'max_dynamic_shared:u32 pad:u32', "sets an attribute; replies what a launch's shared memory is now held against", 'INVALID_VALUE INVALID_CONTEXT NOT_SUPPORTED'),
  message('FUNCTION_PREFER', 'waited', 'function:handle(function) what:u32 value:u32', '', 'what 0: cache configuration, 1: shared memory configuration', 'INVALID_VALUE INVALID_CONTEXT'),
  message('FUNCTION_LOAD', 'waited', 'function:handle(function) load:u32 pad:u32', 'state:u32 pad:u32', 'whether it is loaded; load 1: load it', FUNCTION_ERRORS),
  message('OCCUPANCY', 'waited', 'function:handle(function) shared:u64 block:i32 flags:u32 blocks:i32 what:u32', 'value:u64', 'what 0: blocks of `block` threads with `shared` bytes that a multiprocessor holds; 1: dynamic shared memory of each of `blocks`', 'INVALID_VALUE INVALID_CONTEXT'),
  message('OCCUPANCY_CLUSTERS', 'waited', 'function:handle(function) grid_x:u32 grid_y:u32 grid_z:u32 block_x:u32 block_y:u32 block_z:u32 shared:u32 what:u32 attributes:u32 pad:u32', 'value:i32 pad:u32', 'what 0: the largest cluster, 1: how many clusters are active; attributes follow as in LAUNCH', 'INVALID_VALUE INVALID_CONTEXT INVALID_CLUSTER_SIZE NOT_SUPPORTED'),
  message('LINK_CREATE', 'waited', 'options:u32 pad:u32', 'state:handle(linkState) log:u64', 'options follow as in MODULE_LOAD; log: what JIT_LOG calls it', 'INVALID_VALUE INVALID_CONTEXT NOT_SUPPORTED'),
  message('LINK_ADD', 'waited', 'state:handle(linkState) image:u64 type:u32 options:u32', '', 'an image (sent by IMAGE_DATA) of CUjitInputType `type`; options follow, then a name with its NUL', LOAD_ERRORS),
  message('LINK_COMPLETE', 'waited', 'state:handle(linkState)', 'bytes:u64', 'links; LINK_READ brings the bytes', LOAD_ERRORS),
  message('LINK_READ', 'waited', 'state:handle(linkState) offset:u64 chunk:u32 pad:u32', 'bytes:u32 pad:u32', 'copies what is linked, from `offset` on, to the start of a staging chunk of the caller', 'INVALID_VALUE'),
  message('LINK_DESTROY', 'waited', 'state:handle(linkState)', '', ''),
  message('PRINT_READ', 'waited', '', 'bytes:u32 left:u32 file:u32 pad:u32', 'what kernels have printed, the oldest first; the bytes follow; file 1: for standard output, 2: for standard error'),
  message('LAUNCH', 'either', 'function:handle(function) stream:handle(stream) grid_x:u32 grid_y:u32 grid_z:u32 block_x:u32 block_y:u32 block_z:u32 shared:u32 flags:u32 bytes:u32 attributes:u32 chunk:u32 chunks:u32', '', "a kernel's launch; flags 1: cooperative. The parameters follow as the kernel sees them, `bytes` of them (or lie in a staging chunk, which the executor frees), padded to 8, then attributes of 72 bytes as in cuda.h, handles in them ours", 'INVALID_VALUE LAUNCH_OUT_OF_RESOURCES COOPERATIVE_LAUNCH_TOO_LARGE INVALID_CLUSTER_SIZE OUT_OF_MEMORY NOT_SUPPORTED'),
  message('GRAPH_NODES', 'posted', 'build:u64 words:u32 pad:u32', '', 'nodes follow, `words` words of 32 bits: what GRAPH_MAKE makes of the same number `build`, in turn; proxy/executor/graphs/nodes.ts says how they look', 'INVALID_VALUE OUT_OF_MEMORY'),
  message('GRAPH_MAKE', 'waited', 'build:u64 context:handle(context) nodes:u32 graphs:u32', 'graph:handle(graphExec)', 'an executable graph of the nodes sent; graphs: 1 and the number of bodies of conditionals', 'INVALID_VALUE INVALID_HANDLE OUT_OF_MEMORY NOT_SUPPORTED'),
  message('GRAPH_SET', 'either', 'graph:handle(graphExec) node:u32 words:u32', '', 'other parameters for node number `node`, which follows as in GRAPH_NODES', 'INVALID_VALUE CONTEXT_IS_DESTROYED NOT_SUPPORTED'),
  message('GRAPH_LAUNCH', 'posted', 'graph:handle(graphExec) stream:handle(stream)', '', '', 'INVALID_VALUE OUT_OF_MEMORY'),
  message('GRAPH_END', 'posted', 'graph:handle(graphExec)', '', ''),
  message('TEXTURE_CREATE', 'waited', 'surface:u32 view:u32', 'object:u64', "a texture or surface object; the object is the driver's own number. The descriptors follow as in cuda.h, arrays in them ours: resource (144 bytes), texture (104), view (112)", 'INVALID_VALUE INVALID_CONTEXT OUT_OF_MEMORY NOT_SUPPORTED'),
  message('TEXTURE_DESTROY', 'waited', 'object:u64 surface:u32 pad:u32', '', '', 'INVALID_VALUE INVALID_CONTEXT'),
  message('TEXTURE_DESCRIBE', 'waited', 'object:u64 surface:u32 what:u32', 'bytes:u32 pad:u32', 'what 0: resource, 1: texture, 2: view; the descriptor follows', 'INVALID_VALUE INVALID_CONTEXT'),
  message('TENSOR_MAP', 'waited', 'what:u32 type:u32 rank:u32 interleave:u32 swizzle:u32 promotion:u32 fill:u32 mode:u32 channels:u32 pixels:u32 lower:i32 upper:i32 address:u64', 'bytes:u32 pad:u32', 'what 0: tiled, 1: im2col, 2: im2col wide, 3: another address for a map. The map (128 bytes), five dimensions and five strides (u64), six numbers of the box (im2col: three lower corners, three upper) and six element strides (u32) follow; the map follows the reply', 'INVALID_VALUE NOT_SUPPORTED NOT_FOUND'),
  message('MODULE_REF', 'waited', 'module:handle(module) surface:u32 pad:u32', 'ref:u64', 'a texture or surface reference by name; the name follows, with its NUL', 'INVALID_CONTEXT NOT_FOUND INVALID_VALUE OUT_OF_MEMORY'),
  message('TEXREF_CREATE', 'waited', '', 'ref:handle(texref)', '', 'INVALID_CONTEXT'),
  message('TEXREF_DESTROY', 'waited', 'ref:handle(texref)', '', '', 'INVALID_VALUE INVALID_CONTEXT'),
  message('TEXREF_BIND', 'waited', 'ref:handle(texref) address:address bytes:u64 width:u64 height:u64 pitch:u64 format:u32 channels:u32 pitched:u32 pad:u32', 'offset:u64', 'binds linear memory (pitched 0: `bytes`) or rows of it', 'INVALID_VALUE INVALID_CONTEXT'),
  message('TEXREF_BOUND', 'waited', 'ref:u64 what:u32 pad:u32', 'array:u64', 'the array that is bound; what 0: to a texture reference, 1: a mipmapped one, 2: to a surface reference', 'INVALID_VALUE INVALID_CONTEXT INVALID_HANDLE'),
  message('TEXREF_BORDER', 'waited', 'ref:handle(texref) r:f32 g:f32 b:f32 a:f32 set:u32 pad:u32', 'r:f32 g:f32 b:f32 a:f32', 'set 0: asks', 'INVALID_VALUE INVALID_CONTEXT'),
  message('TEXREF_FORMAT', 'waited', 'ref:handle(texref)', 'format:u32 channels:u32', '', 'INVALID_VALUE INVALID_CONTEXT'),
]
