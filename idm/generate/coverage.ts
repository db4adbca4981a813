// docs/COVERAGE.md: what Ringfence does with each function of the CUDA 13.0 driver API.
import { AREAS } from '../calls/index.ts'
import type { Call } from '../table.ts'
import { BANNER, implementation, LAID } from './model.ts'

const service = (c: Call): [string, string] => {
  switch (c.serve.how) {
    case 'local': return ['implemented', 'local']
    case 'generated': return ['implemented', c.serve.cost]
    case 'hand': return ['implemented', `${c.serve.cost}: ${c.serve.messages.join(', ')}`]
    case 'refused': return ['refused', `\`${c.serve.error}\``]
  }
}

/** What a served call answers, by the messages that it sends. */
function errors(c: Call): string {
  if (c.serve.how === 'refused') return ''
  const sent = c.serve.how === 'hand' ? c.serve.messages : c.serve.how === 'generated' ? [implementation(c).symbol] : []
  const all = new Set(sent.flatMap((name) => LAID.find((m) => m.name === name)?.errors ?? []))
  if (c.serve.how === 'local' && c.parameters.length) all.add('INVALID_VALUE')
  if (c.parameters.some((p) => p.type.startsWith('CUdevice') && p.name.startsWith('dev') && !p.type.endsWith('*') && p.type !== 'CUdeviceptr' && p.type !== 'CUdeviceptr_v1')) all.add('INVALID_DEVICE')
  return [...all].sort().join(', ')
}

export function coverage(): string {
  const all = Object.values(AREAS).flat()
  const exported = all.reduce((n, c) => n + 1 + (c.twin ? 1 : 0), 0)
  const served = all.filter((c) => c.serve.how !== 'refused')
  const local = served.filter((c) => c.serve.how === 'local').length
  const out = [`<!-- ${BANNER} -->`, '# Coverage of the CUDA 13.0 driver API', '',
    `libvgpu exports ${exported} symbols: ${all.length} functions, ${all.filter((c) => c.twin).length} of them with a per-thread twin, and ${all.filter((c) => c.probed).length} whose exported symbol takes a context that is none for the current one, unlike what cuGetProcAddress hands out (\`idm/probed.c\`).`,
    `${served.length} functions are implemented (${local} of them answered in the client without a message), ${all.length - served.length} are refused.`, '',
    '*local*: no message. *posted*: written to the ring and not waited for. *waited*: answered. Names in capitals are the', 'messages of `idm/messages.ts` that the call sends; without one, the call is a message of its own. *Errors* are without', '`CUDA_ERROR_`; every call also answers NOT_INITIALIZED before cuInit (but for the few that may come earlier),', 'DEVICE_UNAVAILABLE once the broker has gone, and errors of earlier asynchronous work, as CUDA does.', '']
  for (const [area, calls] of Object.entries(AREAS)) {
    const done = calls.filter((c) => c.serve.how !== 'refused').length
    out.push(`## ${area} (${done} of ${calls.length})`, '', '| function | since | twin | | how | errors |', '| --- | --- | --- | --- | --- | --- |')
    for (const c of calls) {
      const [what, how] = service(c)
      out.push(`| ${c.symbol} | ${c.since / 1000 | 0}.${(c.since % 1000) / 10} | ${c.twin ? `_${c.twin.suffix}` : c.probed ? 'probed' : ''} | ${what} | ${how} | ${errors(c)} |`)
    }
    out.push('')
  }
  return out.join('\n')
}
