// Every offset and size that C and TypeScript each write down for themselves: what the compiler says of ring.h, region.h,
// hello.h and of every message in the generated messages.h, against the numbers of ring.ts, region.ts, hello.ts and the
// generated messages.ts. The C program that prints them is made here, from the table's names alone.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { LAID } from '../../idm/generate/model.ts'
import * as hello from '../../idm/hello.ts'
import * as monitor from '../../idm/monitor.ts'
import { ALLOC_KINDS, PLACES, SYNC_SCOPES } from '../../idm/messages.ts'
import * as region from '../../idm/region.ts'
import * as ring from '../../idm/ring.ts'
import * as messages from '../../proxy/generated/messages.ts'
import { run, scratchFolder } from '../support/cc.ts'
import { program } from './program.ts'

const { Region, Slot, Info, DeviceInfo } = region
const { RecordWord } = ring

/** C expression -> what TypeScript believes. */
const expected = new Map<string, number | bigint>()
const offsets = (struct: string, fields: Record<string, number>) => {
  for (const [field, offset] of Object.entries(fields)) expected.set(`offsetof(struct ${struct}, ${field})`, offset)
}
const size = (struct: string, bytes: number) => expected.set(`sizeof(struct ${struct})`, bytes)
const constant = (name: string, value: number | bigint) => expected.set(name, value)

// ring.h
const w = (word: number) => word * 4
size('rf_record', ring.RECORD_HEADER)
offsets('rf_record', { length: w(RecordWord.length), call: w(RecordWord.callAndSlot), slot: w(RecordWord.callAndSlot) + 2, sequence: w(RecordWord.sequence), ticket: w(RecordWord.ticket),
  context: w(RecordWord.contextLow), thread: w(RecordWord.thread), flags: w(RecordWord.flags) })
expected.set('offsetof(struct rf_record, context) + 4', w(RecordWord.contextHigh))
expected.set('sizeof(struct rf_record) + 0', w(RecordWord.payload))
constant('RF_RECORD_HEADER', ring.RECORD_HEADER)
constant('RF_RECORD_MAX', ring.RECORD_MAX)
constant('RF_CALL_PADDING', ring.CALL_PADDING)
constant('RF_SLOT_POSTED', ring.SLOT_POSTED)
constant('RF_FLAG_PER_THREAD', ring.FLAG_PER_THREAD)
constant('RF_UNBLOCK_NANOSECONDS', ring.UNBLOCK_MS * 1e6)

// region.h
size('rf_region', Region.bytes)
offsets('rf_region', { magic: Region.magic, protocol: Region.protocol, table_hash: Region.tableHash, size: Region.size, info_offset: Region.infoOffset, slots_offset: Region.slotsOffset,
  slot_count: Region.slotCount, chunks_offset: Region.chunksOffset, ring_offset: Region.ringOffset, ring_units: Region.ringUnits, staging_offset: Region.stagingOffset,
  staging_chunk: Region.stagingChunk, staging_chunks: Region.stagingChunks, holds_offset: Region.holdsOffset, 'ring.tail': Region.tail, 'ring.head': Region.head, 'ring.asleep': Region.asleep, 'ring.away': Region.away, 'ring.served_on': Region.servedOn, 'ring.core': Region.core,
  'ring.producers_waiting': Region.producersWaiting, staging_waiting: Region.stagingWaiting, staging_epoch: Region.stagingEpoch, printed: Region.printed })
expected.set('sizeof(((struct rf_region *)0)->package_word)', region.PACKAGE_BYTES)
size('rf_slot', region.SLOT_SIZE)
offsets('rf_slot', { state: Slot.state, sleeping: Slot.sleeping, status: Slot.status, length: Slot.length, payload: Slot.payload })
size('rf_hold', region.Hold.bytes)
offsets('rf_hold', { due: region.Hold.due, done: region.Hold.done })
size('rf_info', region.INFO_BYTES)
offsets('rf_info', { driver_version: Info.driverVersion, device_count: Info.deviceCount, window_base: Info.windowBase, window_size: Info.windowSize, granularity: Info.granularity, zone: Info.zone, host_window_base: Info.hostWindowBase, host_window_size: Info.hostWindowSize, devices: Info.devices })
expected.set('sizeof(((struct rf_info *)0)->zone)', Info.zoneBytes)
size('rf_device_info', DeviceInfo.bytes)
offsets('rf_device_info', { name: DeviceInfo.name, uuid: DeviceInfo.uuid, total_memory: DeviceInfo.totalMemory, primary_context: DeviceInfo.primaryContext, present: DeviceInfo.present, attributes: DeviceInfo.attributes })
expected.set('sizeof(((struct rf_device_info *)0)->name)', DeviceInfo.nameBytes)
expected.set('sizeof(((struct rf_device_info *)0)->attributes) / 4', region.ATTRIBUTES)
constant('RF_REGION_MAGIC', region.REGION_MAGIC)
constant('RF_PROTOCOL', region.PROTOCOL)
constant('RF_SLOT_SIZE', region.SLOT_SIZE)
constant('RF_SLOT_PAYLOAD', region.SLOT_PAYLOAD)
constant('RF_HOLDS', region.HOLDS)
constant('RF_DEVICES_MAX', region.DEVICES_MAX)
constant('RF_ATTRIBUTES', region.ATTRIBUTES)

// hello.h (the fields' places are pinned by the byte vectors)
size('rf_hello', hello.HELLO_BYTES)
size('rf_welcome', hello.WELCOME_BYTES)
size('rf_notice', hello.NOTICE_BYTES)
constant('RF_HELLO_MAGIC', hello.HELLO_MAGIC)
constant('RF_WELCOME_MAGIC', hello.WELCOME_MAGIC)
const { Refusal, NoticeType } = hello
for (const [c, ts] of Object.entries({ RF_WELCOME_OK: Refusal.none, RF_REFUSED_PROTOCOL: Refusal.protocol, RF_REFUSED_TOKEN: Refusal.token, RF_REFUSED_CLIENTS: Refusal.clients, RF_REFUSED_STAGING: Refusal.staging,
  RF_REFUSED_UID: Refusal.uid, RF_REFUSED_DRIVER: Refusal.driver, RF_REFUSED_HELLO: Refusal.hello, RF_NOTICE_HOST_CALL: NoticeType.hostCall, RF_NOTICE_PINNED: NoticeType.pinned, RF_NOTICE_FAREWELL: NoticeType.farewell }))
  constant(c, ts)

// monitor.h
const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
size('rf_snapshot', monitor.SNAPSHOT_BYTES)
size('rf_process', monitor.PROCESS_BYTES)
constant('RF_SNAPSHOT_MAGIC', monitor.SNAPSHOT_MAGIC)
constant('RF_SNAPSHOT_PROCESSES', monitor.SNAPSHOT_PROCESSES)
constant('RF_FEATURE_MONITOR', monitor.FEATURE_MONITOR)
for (const [field, offset] of Object.entries(monitor.Snapshot)) expected.set(`offsetof(struct rf_snapshot, ${snake(field)})`, offset)
for (const [field, offset] of Object.entries(monitor.ProcessEntry)) expected.set(`offsetof(struct rf_process, ${snake(field)})`, offset)
for (const [name, bit] of Object.entries(monitor.Sensor)) if (typeof bit === 'number') constant(`RF_SENSOR_${snake(name).toUpperCase()}`, bit)

// The generated messages: ids, sizes, every field of every request and reply, as messages.ts has them.
const enums = messages as unknown as Record<string, Record<string, number>>
const enumName = (name: string) => (/^cu[A-Z]/.test(name) ? `Cu${name.slice(2)}` : name.toLowerCase().replace(/(^|_)(\w)/g, (_, __, letter: string) => letter.toUpperCase()))
let fields = 0
constant('RF_TABLE_HASH', messages.TABLE_HASH)
constant('RF_MESSAGES', messages.MESSAGE_COUNT)
for (const m of LAID) {
  const id = (messages.Message as unknown as Record<string, number>)[m.name]
  constant(`RF_${m.name}`, id)
  const row = messages.MESSAGES[id]
  for (const [struct, ts, list, bytes] of [[`rf_${m.name}`, enumName(m.name), m.request, row?.request], [`rf_${m.name}_reply`, `${enumName(m.name)}Reply`, m.reply, row?.reply]] as const) {
    if (list.length === 0) continue
    size(struct, bytes)
    for (const f of list) {
      expected.set(`offsetof(struct ${struct}, ${f.name})`, (enums[ts]?.[f.name] ?? NaN) * 4)
      expected.set(`sizeof(((struct ${struct} *)0)->${f.name})`, f.size)
      fields++
    }
  }
}
const listed = (prefix: string, names: readonly string[], ts: string) => names.forEach((n) => constant(`${prefix}${n.toUpperCase()}`, enums[ts][n]))
listed('RF_PLACE_', PLACES, 'Place')
listed('RF_SYNC_', SYNC_SCOPES, 'SyncScope')
listed('RF_ALLOC_', ALLOC_KINDS, 'AllocKind')

test('C and TypeScript agree on every offset, size and constant', () => {
  const source = join(scratchFolder('layout'), 'layout.c')
  writeFileSync(source, ['#include <stddef.h>', '#include <stdio.h>', '#include "region.h"', '#include "hello.h"', '#include "monitor.h"', '#include "messages.h"', 'int main(void)', '{',
    ...[...expected.keys()].map((e) => `    printf("%llu\\n", (unsigned long long)(${e}));`), '    return 0;', '}', ''].join('\n'))
  const r = run(program(source, 'none', ['-O0']))
  assert.is(r.status, 0, r.stderr)
  const c = r.stdout.trim().split('\n')
  assert.is(c.length, expected.size)
  const wrong = [...expected].map(([e, value], i) => ({ e, ts: String(value), c: c[i] })).filter((x) => x.ts !== x.c)
  assert.equal(wrong, [], wrong.map((x) => `${x.e}: C ${x.c}, TypeScript ${x.ts}`).join('\n'))
})

test('every message is in messages.ts, with its enum of fields, and nothing else is', () => {
  assert.is(messages.MESSAGES.length, LAID.length + 1)
  assert.is(Object.keys(messages.Message).length, 2 * LAID.length) // names and reverse
  assert.ok(fields > 200, `only ${fields} fields compared`)
  for (const m of LAID) {
    assert.is(messages.MESSAGES[m.id].name, m.name)
    for (const [ts, list] of [[enumName(m.name), m.request], [`${enumName(m.name)}Reply`, m.reply]] as const)
      assert.equal(Object.keys(enums[ts] ?? {}).filter((k) => Number.isNaN(Number(k))), list.map((f) => f.name), ts)
  }
})

test('requests fit a record and replies fit a slot', () => {
  for (const m of LAID) {
    assert.ok(ring.RECORD_HEADER + m.requestSize <= ring.RECORD_MAX, m.name)
    assert.ok(m.replySize <= region.SLOT_PAYLOAD, m.name)
  }
})

test('a region is laid out without overlap, and its ring can hold the largest record with its padding', () => {
  const g = region.geometry({ slotCount: 64, ringBytes: 1 << 20, stagingChunk: 1 << 20, stagingChunks: 8 })
  const parts = [[0, Region.bytes], [g.info, region.INFO_BYTES], [g.slots, g.slotCount * region.SLOT_SIZE], [g.chunks, g.stagingChunks * 4], [g.ring, g.ringUnits * 8], [g.staging, g.stagingChunk * g.stagingChunks]]
  for (let i = 1; i < parts.length; i++) assert.ok(parts[i][0] >= parts[i - 1][0] + parts[i - 1][1], `part ${i}`)
  assert.is(g.size, g.staging + g.stagingChunk * g.stagingChunks)
  assert.is(g.ring % 64, 0)
  assert.is(g.staging % region.PAGE, 0)
  assert.throws(() => region.geometry({ slotCount: 1, ringBytes: 1 << 14, stagingChunk: 4096, stagingChunks: 1 }), /32 KiB/)
  assert.throws(() => region.geometry({ slotCount: 1, ringBytes: 100000, stagingChunk: 4096, stagingChunks: 1 }), /power of two/)
  assert.throws(() => region.geometry({ slotCount: 1, ringBytes: 1 << 16, stagingChunk: 1000, stagingChunks: 1 }), /multiple of 4096/)
})

test.run()
