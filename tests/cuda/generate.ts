// `npm run generate:kernels`: writes tests/cuda/ptx from tests/cuda/programs, which needs nvcc. What is up to date stays as it is;
// a program's file says by a hash what it was made of, and tests/cuda/driver.test.ts fails where that is not what the program says now.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { COMPRESSIONS, compileFatbin, compilePtx, fatbinOf, IN_FATBINS, programs, ptxHead, ptxOf, toolkit } from './suite.ts'

if (toolkit() === null) throw new Error('nvcc is not on PATH: the PTX of tests/cuda/programs cannot be made here')
const queue = programs.filter((name) => !existsSync(ptxOf(name)) || !readFileSync(ptxOf(name), 'utf8').startsWith(ptxHead(name)))
const worker = async (): Promise<void> => {
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    // Comments of the compiler are left out: they name its build and the temporary files.
    const text = (await compilePtx(name)).split('\n').filter((line) => !line.startsWith('//')).join('\n').trimStart()
    writeFileSync(ptxOf(name), ptxHead(name) + text)
    console.log(`nvcc   tests/cuda/ptx/${name}.ptx`)
  }
}
await Promise.all([worker(), worker()])

const folder = dirname(ptxOf(IN_FATBINS))
const wanted = COMPRESSIONS.map(fatbinOf)
for (const file of readdirSync(folder)) if (file.endsWith('.fatbin') && !wanted.includes(join(folder, file))) rmSync(join(folder, file))
for (const compression of COMPRESSIONS) if (!existsSync(fatbinOf(compression))) writeFileSync(fatbinOf(compression), await compileFatbin(IN_FATBINS, compression))
