// What compilers say of a client's images is no quota's: the texts of the last few are kept.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Image, LoadReport } from '../../proxy/executor/code/images.ts'
import { ClientCode, REPORTS_KEPT } from '../../proxy/executor/code/objects.ts'

test('texts of the images loaded last are kept, and no others', () => {
  const code = new ClientCode({ reserveStaging: () => true, releaseStaging: () => undefined })
  const images = [...Array(REPORTS_KEPT + 10)].map(() => new Image(Buffer.alloc(16), 1, 0))
  const load = (image: Image, text: string): void => {
    const report = new LoadReport()
    report.milliseconds = 3
    report.errors = Buffer.from(text)
    code.tell(image, report)
  }
  for (const image of images) load(image, 'wrong')
  for (let i = 0; i < 100; i++) load(images[images.length - 1], 'again') // takes one place
  assert.equal(images.map((image) => image.report.errors.length !== 0), images.map((_, i) => i >= 10))
  assert.is(images[0].report.milliseconds, 3)
  load(images[20], '')
  load(images[0], 'once more')
  assert.is(images[10].report.errors.length, 5, 'there was room: one has nothing to say any more')
})

test.run()
