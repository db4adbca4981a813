// The TypeScript that the table makes: message layouts, koffi prototypes, and the handlers of generated calls.
import { CALLS } from '../calls/index.ts'
import { ALLOC_KINDS, PLACES, SYNC_SCOPES } from '../messages.ts'
import { type Call, classify, HANDLES } from '../table.ts'
import { BANNER, LAID, type Laid, TABLE_HASH } from './model.ts'

/** Offsets are in 32-bit words from the start of the payload: the executor reads a Uint32Array. */
const word = (f: Laid) => f.offset / 4
const pascal = (s: string) => s.toLowerCase().replace(/(^|_)(\w)/g, (_, __, c: string) => c.toUpperCase())
const enumName = (name: string) => (/^cu[A-Z]/.test(name) ? `Cu${name.slice(2)}` : pascal(name))

/** What executor/ahead.ts wants to know: 1 + the word of the first handle of a kind of which there may be many; of an address, negative; 0: none is
 *  near the beginning. */
function looksUp(m: (typeof LAID)[number]): number {
  const field = m.request.find((f) => f.kind === 'address' || (f.kind === 'handle' && !['stream', 'context', 'pool'].includes(f.handle!)));
  return field === undefined || field.offset > 8 ? 0 : field.kind === 'address' ? -1 - word(field) : 1 + word(field)
}

export function messages(): string {
  const out = [`// ${BANNER}`, '// Field offsets are in 32-bit words from the start of the payload; sizes in bytes.', '',
    `export const TABLE_HASH = 0x${TABLE_HASH.toString(16)}`, '', 'export enum Message {', ...LAID.map((m) => `  ${m.name} = ${m.id},`), '}', '',
    `export const MESSAGE_COUNT = ${LAID.length + 1}`, '']
  out.push('/** By message id: name, cost class, request bytes, reply bytes, where its first look-up is (executor/ahead.ts). */',
    'export const MESSAGES: readonly { name: string; cost: string; request: number; reply: number; looksUp: number }[] = [',
    "  { name: 'PADDING', cost: 'posted', request: 0, reply: 0, looksUp: 0 },",
    ...LAID.map((m) => `  { name: '${m.name}', cost: '${m.cost}', request: ${m.requestSize}, reply: ${m.replySize}, looksUp: ${looksUp(m)} },`), ']', '')
  const list = (name: string, xs: readonly string[]) => out.push(`export enum ${name} { ${xs.map((x, i) => `${x} = ${i}`).join(', ')} }`)
  list('Place', PLACES)
  list('SyncScope', SYNC_SCOPES)
  list('AllocKind', ALLOC_KINDS)
  out.push('', `export enum HandleType { none = 0, ${Object.values(HANDLES).map((h, i) => `${h} = ${i + 1}`).join(', ')} }`, '')
  for (const m of LAID) {
    if (m.request.length) out.push(`export enum ${enumName(m.name)} { ${m.request.map((f) => `${f.name} = ${word(f)}`).join(', ')} }`)
    if (m.reply.length) out.push(`export enum ${enumName(m.name)}Reply { ${m.reply.map((f) => `${f.name} = ${word(f)}`).join(', ')} }`)
  }
  out.push('')
  return out.join('\n')
}

/** One letter a parameter: p pointer, handle or size (uintptr_t), i int, u unsigned or enumeration, U 64-bit unsigned,
 *  f float, b unsigned char, h unsigned short, B 64 bytes by value, L CUmemLocation by value. '' : cannot be bound. */
function letters(c: Call): string | null {
  let out = ''
  for (const p of c.parameters) {
    const t = p.type.replace(/^const /, '').trim()
    if (t.endsWith('*')) out += 'p'
    else if (t === 'int' || t === 'CUdevice' || t === 'CUdevice_v1' || t === 'EGLint') out += 'i'
    else if (t === 'unsigned int' || t === 'unsigned' || t === 'cuuint32_t' || t === 'GLuint' || t === 'GLenum') out += 'u'
    else if (t === 'size_t' || t === 'CUdeviceptr' || t === 'CUmemGenericAllocationHandle' || t === 'CUtexObject' || t === 'CUsurfObject' || t === 'CUgraphConditionalHandle') out += 'p'
    else if (t === 'unsigned long long' || t === 'cuuint64_t') out += 'U'
    else if (t === 'float') out += 'f'
    else if (t === 'unsigned char') out += 'b'
    else if (t === 'unsigned short') out += 'h'
    else if (t === 'CUipcMemHandle' || t === 'CUipcEventHandle') out += 'B'
    else if (t === 'CUmemLocation') out += 'L'
    else if (t === 'CUeglFrame' || t === 'CUdeviceptr_v1' || t === 'VdpDevice' || t === 'VdpVideoSurface' || t === 'VdpOutputSurface') return null
    else if (/^CU(context|stream|event|array|mipmappedArray|memoryPool|module|function|texref|surfref|graph|graphNode|graphExec|graphicsResource|externalMemory|externalSemaphore|linkState|library|kernel|userObject|devResourceDesc|greenCtx|asyncCallback|asyncCallbackHandle|logsCallback|logsCallbackHandle|streamCallback|hostFn|occupancyB2DSize|coredumpCallbackHandle)$/i.test(t) || /Callback|Handle$|Fn$|^EGL/.test(t)) out += 'p'
    else out += 'u'
  }
  return out
}

export function prototypes(): string {
  const out = [`// ${BANNER}`, '// koffi prototypes of the driver, under the plain (not per-thread) names. One letter a parameter:',
    '// p pointer, handle, address or size (uintptr_t, a JS number) · i int · u unsigned int or enumeration · U 64-bit',
    '// unsigned · f float · b unsigned char · h unsigned short · B 64 bytes by value · L CUmemLocation by value.', '',
    'export const PROTOTYPES = {']
  const params: string[] = []
  for (const c of CALLS) {
    const l = letters(c)
    if (l === null) continue
    out.push(`  ${c.symbol}: '${l}',`)
    if (!/[BL]/.test(l)) params.push(`  ${c.symbol}: (${c.parameters.map((p) => `${p.name === 'function' || p.name === 'in' ? '_' : ''}${p.name}: number`).join(', ')}) => number`)
  }
  out.push('} as const', '', '/** The bound functions: every argument a number, the answer a CUresult. */', 'export interface DriverCalls {', ...params, '}', '')
  return out.join('\n')
}

export function handlers(): string {
  const out = [`// ${BANNER}`, '// Handlers of the calls that need no thought: read, check, call the driver, reply. Each returns a CUresult.', '',
    "import type { Invocation } from '../executor/invocation.ts'", "import { HandleType } from './messages.ts'", '',
    'export type Handler = (v: Invocation) => number', '', '/** By message name. */', 'export const generatedHandlers: Record<string, Handler> = {']
  for (const m of LAID) {
    const c = m.generated
    if (!c) continue
    if (c.serve.how !== 'generated') throw new Error(c.symbol)
    const lines: string[] = []
    const args: string[] = []
    const after: string[] = []
    let scratch = 0
    const created = m.reply.find((f) => f.kind === 'handle')
    if (created) lines.push(`    if (!v.room(HandleType.${created.handle})) return v.refuse()`)
    for (const p of c.parameters) {
      const { direction, pointer, field } = classify(p)
      const at = (direction === 'in' ? m.request : m.reply).find((f) => f.name === p.name)!
      if (direction === 'in') {
        const range = c.serve.range[p.name]
        switch (field.kind) {
          case 'handle':
            lines.push(`    const ${p.name} = v.${field.handle === 'stream' ? `stream(${word(at)})` : `handle(HandleType.${field.handle}, ${word(at)})`}`,
              `    if (${p.name} < 0) return v.invalid(HandleType.${field.handle})`)
            args.push(p.name)
            break
          case 'address':
            if (!range) throw new Error(`${c.symbol}: no range for ${p.name}`)
            lines.push(`    const ${p.name} = v.address(${word(at)}, ${range[0]}, ${range[1] === 'write'})`, `    if (${p.name} < 0) return v.outside()`)
            args.push(p.name)
            break
          case 'device':
            lines.push(`    const ${p.name} = v.device(${word(at)})`, `    if (${p.name} < 0) return v.noDevice()`)
            args.push(p.name)
            break
          case 'bytes':
            lines.push(`    v.scratchPut(${scratch}, ${word(at)}, ${field.size})`)
            args.push(`v.scratch + ${scratch}`)
            scratch += Math.ceil(field.size / 8) * 8
            break
          default:
            args.push(`v.${field.kind}(${word(at)})`)
        }
        if (pointer && field.kind !== 'bytes') throw new Error(`${c.symbol}: const pointer to a scalar`)
      } else {
        args.push(`v.scratch + ${scratch}`)
        if (field.kind === 'handle') after.push(`    if (!v.replyHandle(${word(at)}, HandleType.${field.handle}, ${scratch})) return v.refuse()`)
        else after.push(`    v.replyBytes(${word(at)}, ${scratch}, ${field.size})`)
        scratch += Math.ceil(field.size / 8) * 8
      }
    }
    lines.push(`    const status = v.driver.${c.symbol}(${args.join(', ')})`)
    if (after.length) lines.push('    if (status !== 0) return status', ...after)
    lines.push('    return status')
    out.push(`  ${m.name}: (v) => {`, ...lines, '  },')
  }
  out.push('}', '')
  return out.join('\n')
}
