// The C that the table makes: messages, prototypes, the client's entry points, the cuGetProcAddress table, and the
// software GPU's answers for what it does not implement.
import { CALLS } from '../calls/index.ts'
import { ALLOC_KINDS, PLACES, SYNC_SCOPES } from '../messages.ts'
import { type Call, classify, type Parameter, STRUCTS } from '../table.ts'
import { BANNER, implementation, LAID, type Laid, TABLE_HASH } from './model.ts'

const declare = (p: Parameter) => (p.type.endsWith('*') ? `${p.type}${p.name}` : `${p.type} ${p.name}`)
const parameters = (c: Call, lead = '') => [lead, ...c.parameters.map(declare)].filter(Boolean).join(', ') || 'void'
const names = (c: Call, lead = '') => [lead, ...c.parameters.map((p) => p.name)].filter(Boolean).join(', ')
const symbols = (c: Call) => [c.symbol, ...(c.twin ? [`${c.symbol}_${c.twin.suffix}`] : [])]

const C_TYPES: Record<string, string> = { u32: 'uint32_t', i32: 'int32_t', device: 'int32_t', u64: 'uint64_t', address: 'uint64_t', handle: 'uint64_t', f32: 'float' }

function struct(name: string, fields: Laid[], size: number): string {
  if (size === 0) return ''
  const lines: string[] = []
  let at = 0
  let pads = 0
  const pad = (to: number) => {
    if (to > at) lines.push(`    uint8_t padding${pads++}[${to - at}];`)
    at = to
  }
  for (const f of fields) {
    pad(f.offset)
    lines.push(f.kind === 'bytes' ? `    _Alignas(8) uint8_t ${f.name}[${f.size}];` : `    ${C_TYPES[f.kind]} ${f.name};`)
    at += f.size
  }
  pad(size)
  return `struct ${name} {\n${lines.join('\n')}\n};\n_Static_assert(sizeof(struct ${name}) == ${size}, "${name}");\n`
}

export function messagesHeader(): string {
  const out = [`/* ${BANNER}\n * The messages: ids, and the layout of requests and replies. */`, '#ifndef RINGFENCE_MESSAGES_H', '#define RINGFENCE_MESSAGES_H', '', '#include <stdint.h>', '']
  out.push(`#define RF_TABLE_HASH 0x${TABLE_HASH.toString(16).padStart(8, '0')}u`, '')
  out.push('enum rf_message {', ...LAID.map((m) => `    RF_${m.name} = ${m.id},`), `    RF_MESSAGES = ${LAID.length + 1}`, '};', '')
  const list = (tag: string, prefix: string, xs: readonly string[]) =>
    out.push(`enum ${tag} { ${xs.map((x, i) => `${prefix}${x.toUpperCase()} = ${i}`).join(', ')} };`)
  list('rf_place', 'RF_PLACE_', PLACES)
  list('rf_sync_scope', 'RF_SYNC_', SYNC_SCOPES)
  list('rf_alloc_kind', 'RF_ALLOC_', ALLOC_KINDS)
  out.push('')
  for (const m of LAID) {
    if (m.what) out.push(`/* ${m.name}: ${m.what} */`)
    out.push(struct(`rf_${m.name}`, m.request, m.requestSize), struct(`rf_${m.name}_reply`, m.reply, m.replySize))
  }
  out.push('#endif', '')
  return out.join('\n').replace(/\n{3,}/g, '\n\n')
}

export function prototypes(): string {
  const out = [`/* ${BANNER}\n * Every function of the CUDA 13.0 driver API, under its exported names. */`, '#ifndef RINGFENCE_CUDA_H', '#define RINGFENCE_CUDA_H', '', '#include "../cuda_types.h"', '', '#ifdef __cplusplus', 'extern "C" {', '#endif', '']
  // A probed function's exported name belongs to idm/probed.c.
  for (const c of CALLS) for (const s of symbols(c)) out.push(`CUresult CUDAAPI ${s}(${parameters(c)})${c.probed ? ` __asm__("ringfence_${s}")` : ''};`)
  out.push('', '#ifdef __cplusplus', '}', '#endif', '', '#endif', '')
  return out.join('\n')
}

/** One generated call: marshal, post or wait, unmarshal. */
function body(c: Call): string {
  const serve = c.serve
  if (serve.how !== 'generated') throw new Error(c.symbol)
  const waits = serve.cost === 'waited'
  const ps = c.parameters.map((p) => ({ p, ...classify(p) }))
  const ins = ps.filter((x) => x.direction === 'in')
  const outs = ps.filter((x) => x.direction === 'out')
  const lines: string[] = []
  const needed = ps.filter((x) => x.pointer && !serve.optional.includes(x.p.name)).map((x) => `!${x.p.name}`)
  if (needed.length) lines.push(`    if (${needed.join(' || ')}) return CUDA_ERROR_INVALID_VALUE;`)
  if (serve.capture) lines.push('    CUresult captured;', `    if (vgpu_may_capture() && vgpu_captured_${c.symbol}(${names(c, 'abi')}, &captured)) return captured;`)
  lines.push('    struct vgpu_call call;')
  if (!waits) lines.push(`    const int sure = ${serve.sure};`)
  lines.push(`    CUresult error = vgpu_begin(&call, RF_${c.symbol}, ${ins.length ? `sizeof(struct rf_${c.symbol})` : '0'}, ${waits ? 'VGPU_WAITED' : 'sure ? VGPU_POSTED : VGPU_ACCEPTED'}, abi);`)
  lines.push('    if (error != CUDA_SUCCESS) return error;')
  if (ins.length) lines.push(`    struct rf_${c.symbol} *request = call.payload;`)
  for (const { p, field } of ins) {
    if (field.kind === 'bytes') lines.push(`    memcpy(request->${p.name}, ${p.name}, ${field.size});`)
    else if (field.kind === 'handle') lines.push(`    request->${p.name} = (uint64_t)(uintptr_t)${p.name};`)
    else lines.push(`    request->${p.name} = (${C_TYPES[field.kind]})${p.name};`)
  }
  if (!waits) {
    lines.push('    return vgpu_post(&call);')
  } else if (!outs.length) {
    lines.push('    return vgpu_wait(&call, NULL, 0);')
  } else {
    lines.push(`    struct rf_${c.symbol}_reply reply;`)
    lines.push('    error = vgpu_wait(&call, &reply, sizeof reply);')
    lines.push('    if (error != CUDA_SUCCESS) return error;')
    for (const { p, field, ctype } of outs) {
      if (field.kind === 'bytes') lines.push(`    memcpy(${p.name}, reply.${p.name}, ${field.size});`)
      else if (field.kind === 'handle') lines.push(`    *${p.name} = (${ctype})(uintptr_t)reply.${p.name};`, ...(field.handle === 'stream' || field.handle === 'event' ? [`    vgpu_sure_learn(reply.${p.name});`] : []))
      else lines.push(`    ${serve.optional.includes(p.name) ? `if (${p.name}) ` : ''}*${p.name} = (${ctype})reply.${p.name};`)
    }
    lines.push('    return CUDA_SUCCESS;')
  }
  return `static CUresult call_${c.symbol}(${parameters(c, 'unsigned abi')})\n{\n${lines.join('\n')}\n}\n`
}

export function handHeader(): string {
  const out = [`/* ${BANNER}\n * What libvgpu's own files must define: one function a call that is local or written by hand.\n * \`abi\` is RF_FLAG_PER_THREAD when the call came by its _ptds/_ptsz name. All but the early ones run after cuInit. */`, '#ifndef VGPU_HAND_H', '#define VGPU_HAND_H', '', '#include "cuda.h"', '']
  for (const c of CALLS)
    if ((c.serve.how === 'local' || c.serve.how === 'hand') && implementation(c) === c)
      out.push(`CUresult vgpu_${c.symbol}(${parameters(c, c.twin ? 'unsigned abi' : '')});`)
  out.push('', '/* Asked before a generated call while streams capture: whether they have answered it, with *result. */')
  for (const c of CALLS)
    if (c.serve.how === 'generated' && c.serve.capture && implementation(c) === c) out.push(`int vgpu_captured_${c.symbol}(${parameters(c, 'unsigned abi')}, CUresult *result);`)
  out.push('', '#endif', '')
  return out.join('\n')
}

export function entries(): string {
  const out = [
    `/* ${BANNER}\n * libcuda.so.1's entry points: every symbol that CUDA 13.0's driver exports. */`,
    '#include <string.h>', '', '#include "call.h"', '#include "capture.h"', '#include "context.h"', '#include "hand.h"', '#include "messages.h"', '#include "sure.h"', '',
    '#define EXPORT __attribute__((visibility("default")))', '',
    ...Object.entries(STRUCTS).map(([t, n]) => `_Static_assert(sizeof(${t}) == ${n}, "${t}");`), '',
  ]
  for (const c of CALLS) if (c.serve.how === 'generated' && implementation(c) === c) out.push(body(c))
  for (const c of CALLS) {
    const target = implementation(c)
    for (const s of symbols(c)) {
      const abi = s === c.symbol ? '0' : 'RF_FLAG_PER_THREAD'
      out.push(`EXPORT CUresult CUDAAPI ${s}(${parameters(c)})`, '{')
      if (c.serve.how === 'refused') {
        for (const p of c.parameters) out.push(`    (void)${p.name};`)
        out.push(`    return vgpu_refuse("${s}", ${c.serve.error});`)
      } else {
        if (!c.early) out.push('    CUresult ready = vgpu_ready();', '    if (ready != CUDA_SUCCESS) return ready;')
        const call = c.serve.how === 'generated' ? `call_${target.symbol}(${names(c, abi)})` : `vgpu_${target.symbol}(${names(c, target.twin ? abi : '')})`
        // What destroys, and what only describes work, is told nothing of a context's fault.
        const objects = /Destroy|^cuGraph.*Node|^cuIpc|^cuCtx/.test(c.symbol) ? [] : c.parameters
        const [event, end] = objects.filter((p) => p.type === 'CUevent')
        const named = objects.find((p) => p.type === 'CUstream') ?? end ?? event
        out.push(named ? `    VGPU_IN_CONTEXT_OF(${named.name}, ${event && event !== named ? event.name : 0}, ${call});` : `    return ${call};`)
      }
      out.push('}', '')
    }
  }
  return out.join('\n')
}

/** cuGetProcAddress: base name, version, per-thread or not -> symbol; sorted by name, then version. */
export function procs(): string {
  const rows: { base: string; since: number; perThread: number; symbol: string }[] = []
  for (const c of CALLS) {
    rows.push({ base: c.base, since: c.since, perThread: 0, symbol: c.symbol })
    if (c.twin) rows.push({ base: c.base, since: c.twin.since, perThread: 1, symbol: `${c.symbol}_${c.twin.suffix}` })
  }
  rows.sort((a, b) => (a.base < b.base ? -1 : a.base > b.base ? 1 : a.since - b.since || a.perThread - b.perThread))
  return [`/* ${BANNER}\n * RF_PROC(base name, version since which, 1 for per-thread default streams, symbol), sorted by name and version. */`,
    ...rows.map((r) => `RF_PROC("${r.base}", ${r.since}, ${r.perThread}, ${r.symbol})`), ''].join('\n')
}

/** The software GPU: weak answers for every exported symbol; its own files override them. */
export function fallbacks(): string {
  const out = [`/* ${BANNER}\n * Every exported symbol, answered with NOT_SUPPORTED unless a file of the software GPU defines it. */`,
    '#define CUDA_ERROR_NOT_SUPPORTED 801', '#define FALLBACK(name) __attribute__((weak, visibility("default"))) int name(void); int name(void) { return CUDA_ERROR_NOT_SUPPORTED; }', '']
  for (const c of CALLS) for (const s of symbols(c)) out.push(`FALLBACK(${s})`)
  out.push('')
  return out.join('\n')
}

export function exportsList(): string {
  return [`/* ${BANNER} RF_EXPORT(symbol): every exported symbol. */`, ...exported().map((s) => `RF_EXPORT(${s})`), ''].join('\n')
}

const exported = (): string[] => CALLS.flatMap(symbols)

/** For the linker. The software GPU has one symbol more, by which it is known. */
export function exportsMap(more: string[] = []): string {
  return `/* ${BANNER} */\n{\n  global:\n${[...exported(), ...more].map((s) => `    ${s};\n`).join('')}  local: *;\n};\n`
}
