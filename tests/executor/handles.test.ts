// The handle table against a model: whatever is added, removed and presented, a handle is found by its owner and type alone.
import fc from '../support/property.ts'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { HandleTable, OWNERS_MAX, TYPE_SHIFT } from '../../proxy/executor/handles.ts'
import { HandleType } from '../../proxy/generated/messages.ts'

const TYPES = [HandleType.context, HandleType.stream, HandleType.event, HandleType.array, HandleType.pool]

interface Known {
  low: number
  high: number
  type: HandleType
  owner: number
  native: number
  row: number
  marked: boolean
}

// The numbers of owners that lie next to the bits of their neighbours in a row.
const OWNERS = [0, 1, OWNERS_MAX / 2, OWNERS_MAX - 1]

test('any sequence of adds and removes agrees with a model', () => {
  const action = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), type: fc.constantFrom(...TYPES), owner: fc.constantFrom(...OWNERS), native: fc.maxSafeNat() }),
    fc.record({ kind: fc.constant('remove' as const), pick: fc.nat() }),
    fc.record({ kind: fc.constant('removeAll' as const), owner: fc.constantFrom(...OWNERS) }),
    fc.record({ kind: fc.constant('mark' as const), pick: fc.nat() }),
  )
  fc.assert(fc.property(fc.array(action, { maxLength: 300 }), (actions) => {
    const table = new HandleTable()
    let live: Known[] = []
    const dead: Known[] = []
    for (const a of actions) {
      if (a.kind === 'add') {
        const row = table.add(a.type, a.owner, a.native, null)
        live.push({ low: table.lowOf(row), high: table.highOf(row), type: a.type, owner: a.owner, native: a.native, row, marked: false })
      } else if (a.kind === 'remove') {
        if (live.length === 0) continue
        const [gone] = live.splice(a.pick % live.length, 1)
        table.remove(gone.row)
        dead.push(gone)
      } else if (a.kind === 'mark') {
        if (live.length === 0) continue
        const marked = live[a.pick % live.length]
        table.mark(marked.row)
        marked.marked = true
      } else {
        for (const row of table.rowsOf(a.owner)) table.remove(row)
        dead.push(...live.filter((h) => h.owner === a.owner))
        live = live.filter((h) => h.owner !== a.owner)
      }
    }
    assert.is(table.live, live.length)
    for (const h of live) {
      assert.is(table.find(h.low, h.high, h.type, h.owner), h.row)
      assert.is(table.nativeOf(h.row), h.native)
      assert.is(h.high >>> TYPE_SHIFT, h.type, 'the type is never 0, so no handle is a special stream value')
      assert.is(table.isMarked(h.row), h.marked)
      for (const owner of OWNERS) if (owner !== h.owner) assert.is(table.find(h.low, h.high, h.type, owner), -1, "another client's")
      for (const bit of [1, 2, 4]) assert.is(table.find(h.low ^ bit, h.high, h.type, h.owner), -1, 'no multiple of 8')
      for (const type of TYPES) if (type !== h.type) assert.is(table.find(h.low, h.high, type, h.owner), -1, 'another type')
      assert.is(table.find(h.low, h.high ^ 1, h.type, h.owner), -1, 'other random bits')
      assert.is(h.low % 8, 0, 'like a pointer');
      assert.is(table.find(h.low ^ (1 << 23), h.high, h.type, h.owner), -1, 'another generation')
    }
    for (const h of dead) assert.is(table.find(h.low, h.high, h.type, h.owner), -1, 'freed')
    for (const owner of OWNERS) {
      const rows = [...table.rowsOf(owner)].sort((x, y) => x - y)
      assert.equal(rows, live.filter((h) => h.owner === owner).map((h) => h.row).sort((x, y) => x - y))
    }
  }), { numRuns: 300 })
})

test('random numbers are no handles', () => {
  const table = new HandleTable()
  for (let i = 0; i < 100_000; i++) table.add(HandleType.stream, 1, i, null)
  fc.assert(fc.property(fc.nat(0xffffffff), fc.nat(0xffffffff), (low, high) => {
    const row = table.find(low, high, HandleType.stream, 1)
    // 100,000 handles in 2^64: found only if it is one.
    return row === -1 || (table.lowOf(row) === low && table.highOf(row) === high)
  }), { numRuns: 20_000 })
  assert.is(table.find(0, 0, HandleType.stream, 1), -1)
  assert.is(table.find(1, 0, HandleType.stream, 1), -1)
  assert.is(table.find(2, 0, HandleType.stream, 1), -1)
})

test('100,000 live handles cost no more to find, add and remove than a few', () => {
  const table = new HandleTable()
  const rows: number[] = []
  for (let i = 0; i < 100_000; i++) rows.push(table.add(HandleType.event, i % 7, i, null))
  assert.is(table.live, 100_000)
  assert.is(new Set(rows).size, 100_000)
  // Freed rows come back first: the table does not grow while rows are free.
  const highest = Math.max(...rows.slice(-1000))
  for (let i = 0; i < 50_000; i++) table.remove(rows[i])
  for (let i = 0; i < 50_000; i++) assert.ok(table.add(HandleType.event, 1, i, null) <= Math.max(highest, 131_071))
  assert.is(table.live, 100_000)
})

test('a row that is used again gives another handle', () => {
  const table = new HandleTable()
  const seen = new Set<string>()
  for (let i = 0; i < 5000; i++) {
    const row = table.add(HandleType.stream, 0, i, null)
    const handle = `${table.highOf(row)}:${table.lowOf(row)}`
    assert.not(seen.has(handle))
    seen.add(handle)
    table.remove(row)
  }
})

test('an owner has its number alone, however many have come and gone', () => {
  const table = new HandleTable()
  const staying = [table.newOwner(), table.newOwner()]
  const leaving = table.newOwner()
  table.ownerGone(leaving)
  let again = false
  for (let i = 0; i < OWNERS_MAX; i++) {
    const owner = table.newOwner()
    assert.ok(owner >= 0 && owner < OWNERS_MAX)
    assert.not(staying.includes(owner))
    if (owner === leaving) again = true
    table.ownerGone(owner)
  }
  assert.ok(again, 'there are no more numbers')
})

test.run()
