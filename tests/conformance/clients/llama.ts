// llama.cpp's CUDA backend, as npm ships it: built with CUDA 13.1, machine code and PTX of its kernels in a library of 150 MB.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { toolkit } from '../../cuda/suite.ts'
import { root } from '../../support/cc.ts'
import { FETCH, fetched, NODE } from '../contrib.ts'
import { type Client, checks, type Zone } from '../suite.ts'
import { type Format, writeModel } from './llama/model.ts'

/** How far, per row of probabilities, a zone's may be from the CPU's (Kullback-Leibler divergence): the CPU's kernels round what they multiply to other 8-bit numbers. */
const BOUNDS: Record<Format, number> = { F16: 1e-4, Q8_0: 0.01, Q4_0: 0.001, Q4_K: 0.05, Q6_K: 0.02 }

interface Said {
  device: string[]
  answers: { of: string; seen: [word: number, probability: number][][] }[]
}

function divergence(cpu: Said, gpu: Said): number {
  let worst = 0
  cpu.answers.forEach(({ seen }, i) => seen.forEach((row, j) => {
    const other = new Map(gpu.answers[i]?.seen[j])
    worst = Math.max(worst, row.reduce((sum, [word, p]) => sum + p * Math.log(p / (other.get(word) ?? 0)), 0))
  }))
  return worst
}

/** Where the stand-in for cuBLAS and the runtime are; the program finds the driver library as any other does. */
function libraries(zone: Zone): string {
  const folder = toolkit()!
  const output = join(zone.folder, 'libcublas.so.13')
  const built = spawnSync('nvcc', ['-arch=compute_80', '-code=compute_80', '-shared', '-cudart', 'shared', '-Xcompiler', '-fPIC', '-Xlinker', '-soname=libcublas.so.13', '-o', output, join(import.meta.dirname, 'llama/cublas.cu')], { encoding: 'utf8' })
  if (built.status !== 0) throw new Error(`nvcc llama/cublas.cu: ${built.stderr}`)
  return [zone.folder, join(folder, 'lib64')].join(':')
}

export const llama: Client = {
  name: 'llama.cpp', packages: [], needs: `a CUDA toolkit's nvcc, and ${FETCH}`, long: true,
  what: "small models of random weights in five formats: what comes next, in a zone as on the software GPU alone (to the last bit) and as on the CPU (with a stand-in for cuBLAS, which nobody packages)",
  version: () => (toolkit() === null ? null : fetched('@node-llama-cpp/linux-x64-cuda')),
  run(zone) {
    const path = libraries(zone)
    const words = (where: string, format: Format, file: string): string[] =>
      [process.execPath, join(import.meta.dirname, 'llama/probabilities.mjs'), join(NODE, 'node_modules/node-llama-cpp/dist/index.js'), where, join(zone.folder, `${format}.gguf`), join(zone.folder, file)]
    const said = (file: string): Said => JSON.parse(readFileSync(join(zone.folder, file), 'utf8')) as Said
    const alone = (where: string, format: Format, file: string): void => {
      const [command, ...args] = words(where, format, file)
      const { status, stderr } = spawnSync(command!, args, { encoding: 'utf8', timeout: 300_000, env: { ...process.env, LD_LIBRARY_PATH: `${join(root, 'build/stub')}:${path}` } })
      if (status !== 0) throw new Error(`${where}, ${format}: ${stderr}`)
    }
    return checks((Object.keys(BOUNDS) as Format[]).flatMap((format): [string, boolean, string][] => {
      writeModel(join(zone.folder, `${format}.gguf`), format)
      alone('cpu', format, 'cpu.json')
      alone('cuda', format, 'alone.json')
      const { status, output } = zone.run(words('cuda', format, 'zone.json'), { libraries: path, seconds: 300 })
      if (status !== 0) return [[`${format} in a zone`, false, output]]
      const [cpu, lone, zoned] = [said('cpu.json'), said('alone.json'), said('zone.json')]
      const far = divergence(cpu, zoned)
      return [
        [`${format}: the zone's device`, zoned.device.length === 1 && zoned.answers.every(({ seen }) => seen.length === 28 && seen.every((row) => row.length === 320)), JSON.stringify(zoned.device)],
        [`${format}: as alone`, JSON.stringify(zoned) === JSON.stringify(lone), 'other probabilities than without a zone'],
        [`${format}: as on the CPU`, far <= BOUNDS[format], `divergence ${far}, at most ${BOUNDS[format]}`],
      ]
    }))
  },
}
