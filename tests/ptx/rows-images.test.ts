// test: timeout 600
// Every spelling of the rows of textures and surfaces, on images of every shape, format and sampler. The seed of the random
// images and coordinates is printed with a failure; RINGFENCE_PTX_SEED repeats it.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { run, scratchFolder } from '../support/cc.ts'
import { engineProgram } from './ptx.ts'
import { BATCH, HEAD, seed, tableOf, uncovered } from './rows/harness.ts'
import { STORAGE } from './rows/image.ts'
import { BYTES_IN, BYTES_OUT, imageCases, IMAGES, imageVariables, pictures, THREADS } from './rows/images.ts'
import { Random } from './rows/operands.ts'
import { scenarioKernel } from './rows/scenarios.ts'

const folder = scratchFolder('ptx-rows-images')
const imageRows = tableOf(folder).filter((row) => row.section === 'Textures and surfaces')

for (const [sanitizer, part] of [['none', 1], ['address', 8]] as const)
  test(`${part > 1 ? 'some' : 'all'} spellings of textures and surfaces, on images of every shape, format and sampler (sanitizer: ${sanitizer})`, () => {
    const random = new Random(seed)
    const { text, samplers } = imageVariables(random)
    const all = imageRows.flatMap((row) => imageCases(row, random, samplers))
    assert.equal(uncovered(imageRows, all), [])
    const list = all.filter((_, n) => (n + seed) % part === 0)
    const wrong: string[] = []
    for (let at = 0; at < list.length; at += BATCH) {
      const batch = list.slice(at, at + BATCH)
      const [ptx, input, output, images] = ['ptx', 'in', 'out', 'images'].map((name) => join(folder, `images.${name}`)) as [string, string, string, string]
      writeFileSync(ptx, HEAD + text + batch.map((c, n) => scenarioKernel({ ...c, name: '', inputs: [], expect: () => [] }, `k${n}`, BYTES_IN, BYTES_OUT)).join(''))
      writeFileSync(input, Buffer.concat(batch.map((c) => c.operands)))
      writeFileSync(images, Buffer.concat(batch.map(pictures)))
      const result = run(engineProgram('rows/images', join(folder, `images-${sanitizer}`), sanitizer), [ptx, input, output, ...[batch.length, THREADS, BYTES_IN, BYTES_OUT].map(String), images], {}, 300_000)
      assert.is(result.status, 0, `seed ${seed}: ${result.stderr}`)
      const bytes = readFileSync(output)
      const each = THREADS * BYTES_OUT + IMAGES * STORAGE
      batch.forEach((c, n) => {
        const of = bytes.subarray(n * each, (n + 1) * each)
        const after = Array.from({ length: IMAGES }, (_, k) => of.subarray(THREADS * BYTES_OUT + k * STORAGE, THREADS * BYTES_OUT + (k + 1) * STORAGE))
        const wrongHere = c.check(of, after)
        if (wrongHere) wrong.push(wrongHere)
      })
    }
    assert.is(wrong.length, 0, `seed ${seed}: ${wrong.length} of ${list.length} wrong:\n${wrong.slice(0, 60).join('\n')}`)
  })


test.run()
