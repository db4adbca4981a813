// When executors are told that more zones are busy than there are cores for.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Crowd, type Member } from '../../proxy/supervisor/crowd.ts'

class Listener implements Member {
  heard: boolean[] = []
  calls = 0
  send(message: { crowded: boolean }): void {
    this.heard.push(message.crowded)
  }
}

const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))

async function reports(crowd: Crowd, busy: Listener[], each: number): Promise<void> {
  await sleep(60)
  for (const member of busy) crowd.report(member, (member.calls += each))
}

test('two busy zones crowd two cores, one does not, and silence ends it', async () => {
  const crowd = new Crowd(2)
  const [a, b, late] = [new Listener(), new Listener(), new Listener()]
  crowd.join(a)
  crowd.join(b)
  await reports(crowd, [a], 1000)
  assert.equal([a.heard, b.heard], [[], []], 'a lone zone may spin')
  await reports(crowd, [a, b], 1000)
  assert.equal([a.heard, b.heard], [[true], [true]])
  crowd.join(late)
  assert.equal(late.heard, [true], 'whoever comes later is told too')
  // The timer of a crowd keeps no process alive, hence the wait here.
  await sleep(1700)
  assert.equal([a.heard, b.heard, late.heard], [[true, false], [true, false], [true, false]])
})

test('few calls are no crowd, nor are as many zones as fit', async () => {
  const seldom = new Crowd(2)
  const few = [new Listener(), new Listener(), new Listener()]
  few.forEach((member) => seldom.join(member))
  await reports(seldom, few, 1)
  assert.equal(few.map(({ heard }) => heard), [[], [], []])
  const roomy = new Crowd(8)
  const four = [new Listener(), new Listener(), new Listener(), new Listener()]
  four.forEach((member) => roomy.join(member))
  await reports(roomy, four, 1000)
  assert.equal(four.map(({ heard }) => heard), [[], [], [], []], 'four zones, eight processes, eight cores')
})

test('one that has left is told nothing, and its reports count nothing', async () => {
  const crowd = new Crowd(2)
  const [a, b] = [new Listener(), new Listener()]
  crowd.join(a)
  crowd.join(b)
  crowd.leave(b)
  await reports(crowd, [a, b], 1000)
  assert.equal([a.heard, b.heard], [[], []])
})

test.run()
