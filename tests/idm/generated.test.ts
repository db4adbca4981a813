// The call table and what is generated from it: the files are fresh, the table makes sense, and a changed row shows.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CALLS } from '../../idm/calls/index.ts'
import * as c from '../../idm/generate/c.ts'
import { coverage } from '../../idm/generate/coverage.ts'
import { implementation, LAID } from '../../idm/generate/model.ts'
import * as ts from '../../idm/generate/typescript.ts'
import { MESSAGES } from '../../idm/messages.ts'
import { type Call, classify, refused } from '../../idm/table.ts'
import { root, scratchFolder } from '../support/cc.ts'

const generate = (...args: string[]) => spawnSync(process.execPath, ['--import', 'tsx', join(root, 'idm/generate/main.ts'), ...args], { cwd: root, encoding: 'utf8', timeout: 60_000 })

test('the generated files are fresh', () => {
  const r = generate('--check')
  assert.is(r.status, 0, r.stderr)
})

const symbols = (call: Call) => [call.symbol, ...(call.twin ? [`${call.symbol}_${call.twin.suffix}`] : [])]

test('every exported symbol appears once', () => {
  const seen = new Set<string>()
  for (const s of CALLS.flatMap(symbols)) {
    assert.not.ok(seen.has(s), `${s} twice`)
    seen.add(s)
  }
  assert.ok(seen.size > 400)
  const exported = [...readFileSync(join(root, 'idm/generated/exports.inc'), 'utf8').matchAll(/^RF_EXPORT\((\w+)\)$/gm)].map((m) => m[1])
  assert.equal(exported.sort(), [...seen].sort())
})

test('versions: a newer symbol of a function is handed out from a newer CUDA, a twin not before its function exists', () => {
  const number = (call: Call) => Number(/_v(\d+)$/.exec(call.symbol)?.[1] ?? 1)
  const families = new Map<string, Call[]>()
  for (const call of CALLS) families.set(call.base, [...(families.get(call.base) ?? []), call])
  for (const [base, family] of families) {
    const sorted = [...family].sort((a, b) => number(a) - number(b))
    assert.is(new Set(sorted.map(number)).size, sorted.length, base)
    for (let i = 1; i < sorted.length; i++) assert.ok(sorted[i].since > sorted[i - 1].since, `${sorted[i].symbol} since ${sorted[i].since}, ${sorted[i - 1].symbol} since ${sorted[i - 1].since}`)
    for (const call of family) {
      assert.ok(call.since >= 2000 && call.since <= 13000, `${call.symbol} since ${call.since}`)
      if (call.twin) assert.ok(call.twin.since >= 7000 && call.twin.since <= 13000 && call.twin.since >= call.since, `${call.symbol}_${call.twin.suffix} since ${call.twin.since}`)
    }
  }
})

test('one implementation answers for each symbol, and is itself its own', () => {
  for (const call of CALLS) {
    const target = implementation(call)
    assert.ok(CALLS.includes(target))
    assert.is(implementation(target), target, call.symbol)
    assert.is(target.base, call.base)
    assert.is(target.serve.how, call.serve.how)
    assert.equal(target.parameters, call.parameters, call.symbol)
    if (call.twin) assert.is(Boolean(target.twin), true, `${call.symbol} has a twin, ${target.symbol}, which answers for it, has none`)
  }
})

test('parameters: named, once, and generated calls carry only what they can', () => {
  for (const call of CALLS) {
    const names = call.parameters.map((p) => p.name)
    assert.is(new Set(names).size, names.length, call.symbol)
    for (const p of call.parameters) assert.match(`${p.type} ${p.name}`, /^[A-Za-z][\w ]*( ?\*+| \*const \*)? ?\w+$/, call.symbol)
    if (call.serve.how !== 'generated') continue
    for (const p of call.parameters) classify(p) // throws
    for (const p of Object.keys(call.serve.range)) assert.ok(names.includes(p), `${call.symbol}: range of ${p}`)
    if (call.serve.cost === 'posted') assert.not.ok(call.parameters.some((p) => classify(p).direction === 'out'), `${call.symbol} is posted and gives something back`)
  }
})

/** What the protocol itself sends, and no call of the table. */
const OF_THE_PROTOCOL = new Set(['PING', 'HOST_DONE', 'THREAD_GONE'])

test('every message has a sender', () => {
  const senders = new Map<string, Call[]>()
  for (const call of CALLS) if (call.serve.how === 'hand') for (const m of call.serve.messages) senders.set(m, [...(senders.get(m) ?? []), call])
  for (const m of MESSAGES) assert.ok(senders.has(m.name) || OF_THE_PROTOCOL.has(m.name), `nobody sends ${m.name}`)
  for (const name of OF_THE_PROTOCOL) assert.ok(MESSAGES.some((m) => m.name === name), name)
})

test('messages: distinct names and ids, from 1 on; fields aligned, apart, within the size; sizes multiples of 8', () => {
  assert.equal(LAID.map((m) => m.id), LAID.map((_, i) => i + 1))
  assert.is(new Set(LAID.map((m) => m.name.toLowerCase())).size, LAID.length)
  for (const m of LAID)
    for (const [fields, size] of [[m.request, m.requestSize], [m.reply, m.replySize]] as const) {
      let end = 0
      assert.is(new Set(fields.map((f) => f.name)).size, fields.length, m.name)
      for (const f of fields) {
        assert.ok(f.offset >= end && f.offset % Math.min(f.size, 8) === 0, `${m.name}.${f.name}`)
        end = f.offset + f.size
      }
      assert.ok(size >= end && size - end < 8 && size % 8 === 0, m.name)
    }
  for (const m of LAID) if (m.cost === 'posted') assert.is(m.reply.length, 0, `${m.name} is posted and has a reply`)
})

// A changed row must change what is generated: without this, --check could pass on emitters that look at nothing.
const EMITTERS = { messagesHeader: c.messagesHeader, prototypes: c.prototypes, handHeader: c.handHeader, entries: c.entries, procs: c.procs, fallbacks: c.fallbacks, exportsList: c.exportsList,
  messages: ts.messages, koffiPrototypes: ts.prototypes, handlers: ts.handlers, coverage }

/** An emitter that refuses the table noticed the change, too. */
const emit = (f: () => string) => {
  try {
    return f()
  } catch (e) {
    return `refused: ${(e as Error).message}`
  }
}

/** Which emitters' text a change of the table changes. */
function changed(change: () => () => void): string[] {
  const before = Object.fromEntries(Object.entries(EMITTERS).map(([k, f]) => [k, f()]))
  const undo = change()
  try {
    return Object.entries(EMITTERS).filter(([k, f]) => emit(f) !== before[k]).map(([k]) => k)
  } finally {
    undo()
    for (const [k, f] of Object.entries(EMITTERS)) assert.is(f(), before[k], 'the table was put back')
  }
}

const with_ = <T extends object, K extends keyof T>(o: T, key: K, value: T[K]) => () => {
  const old = o[key]
  o[key] = value
  return () => void (o[key] = old)
}

const generated = CALLS.find((x) => x.serve.how === 'generated' && x.twin && implementation(x) === x)!

test('a row that changes shows in the generated files', () => {
  assert.equal(changed(() => () => {}), [])
  assert.equal(changed(with_(generated, 'since', generated.since + 10)), ['procs', 'coverage'])
  const renamed = changed(with_(generated, 'symbol', 'cuRenamed'))
  for (const k of ['prototypes', 'entries', 'procs', 'fallbacks', 'exportsList', 'koffiPrototypes', 'coverage']) assert.ok(renamed.includes(k), k)
  const untwinned = changed(with_(generated, 'twin', null))
  for (const k of ['prototypes', 'entries', 'procs', 'exportsList', 'coverage']) assert.ok(untwinned.includes(k), k)
  const unserved = changed(with_(generated, 'serve', refused('CUDA_ERROR_UNKNOWN')))
  for (const k of ['entries', 'handlers', 'coverage']) assert.ok(unserved.includes(k), k)
  const retyped = changed(with_(generated.parameters[0], 'type', 'CUevent'))
  for (const k of ['prototypes', 'entries', 'handlers']) assert.ok(retyped.includes(k), k)
  const [local] = CALLS.filter((x) => x.serve.how === 'local' && implementation(x) === x && x.parameters.length > 0)
  assert.ok(changed(with_(local.parameters[0], 'name', 'other')).includes('handHeader'))
})

test('a message that changes shows in the generated files', () => {
  const m = LAID.find((x) => x.name === 'GPU_ALLOC')!
  for (const change of [with_(m, 'requestSize', m.requestSize + 8), with_(m.request[2], 'name', 'other'), with_(m, 'name', 'OTHER')]) {
    const seen = changed(change)
    assert.ok(seen.includes('messagesHeader') && seen.includes('messages'), String(seen))
  }
  assert.equal(changed(with_(m.request[0], 'offset', 4)).includes('messages'), true)
})

test('--check names what is stale or missing, and writes nothing', () => {
  const into = scratchFolder('generated')
  assert.is(generate('--into', into).status, 0)
  assert.is(generate('--check', '--into', into).status, 0)
  const file = join(into, 'idm/generated/exports.inc')
  const stale = readFileSync(file, 'utf8').replace('RF_EXPORT(', 'RF_EXPORT( ')
  writeFileSync(file, stale)
  rmSync(join(into, 'docs/COVERAGE.md'))
  const r = generate('--check', '--into', into)
  assert.is(r.status, 1)
  assert.match(r.stderr, /stale: idm\/generated\/exports\.inc/)
  assert.match(r.stderr, /stale: docs\/COVERAGE\.md/)
  assert.is(r.stderr.trim().split('\n').filter((l) => l.startsWith('stale')).length, 2)
  assert.is(readFileSync(file, 'utf8'), stale)
  assert.not.ok(existsSync(join(into, 'docs/COVERAGE.md')))
})

test.run()
