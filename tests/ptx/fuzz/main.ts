// npm run fuzz -- TARGET SECONDS: fuzzes one target (ptx, link, fatbin) and says what it reached.
import { buildTarget, findClang, fuzz, targets, type Target } from './build.ts'

const [name, seconds] = process.argv.slice(2)
if (!targets.includes(name as Target) || !/^[1-9]\d{0,5}$/.test(seconds ?? '')) {
  console.error(`usage: npm run fuzz -- ${targets.join('|')} SECONDS`)
  process.exit(2)
}
const clang = findClang()
if (clang === undefined) {
  console.error('no clang with libFuzzer: install clang-14 and libclang-rt-14-dev, or name one in RINGFENCE_CLANG')
  process.exit(1)
}
const target = name as Target
const result = await fuzz(target, buildTarget(target, clang), Number(seconds), (text) => process.stderr.write(text))
console.log(`${target}: ${result.executions} inputs, ${result.edges} edges, ${result.features} features, ${result.status === 0 ? 'no finding' : `status ${result.status}: see build/fuzz/findings/${target}`}`)
process.exit(result.status === 0 ? 0 : 1)
