// test: timeout 600
// Every row of the instruction table, with each type and modifier: the arithmetic against exact references, the rest in
// scenarios; then what was executed is held against the table, so that a row without a test fails. The seed of the random
// operands is printed with a failure; RINGFENCE_PTX_SEED repeats it.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { root, run, scratchFolder } from '../support/cc.ts'
import { engineProgram } from './ptx.ts'
import { check, fillOperands, kernel, SLOTS_IN, SLOTS_OUT, VECTORS, type Case } from './rows/arithmetic.ts'
import { isAsync } from './rows/async.ts'
import { missing, programsIn, readExecuted } from './rows/coverage.ts'
import { BATCH, HEAD, seed, tableOf } from './rows/harness.ts'
import { choices, instruction, spellings, type Row } from './rows/instruction.ts'
import { Random } from './rows/operands.ts'
import { isTensor } from './rows/tensors.ts'
import { referenceOf } from './rows/reference.ts'
import { anyOrder, aroundInstructions, refusalsOf, tooOld } from './rows/refusals.ts'
import { checkScenario, fillScenario, IN, OUT, scenarioKernel, scenariosOf, type Scenario } from './rows/scenarios.ts'

const folder = scratchFolder('ptx-rows')
const rows = tableOf(folder)

/** All spellings that have a reference. lop3's table is a constant: several a spelling. */
function cases(): Case[] {
  const list: Case[] = []
  for (const row of rows)
    for (const choice of choices(row)) {
      const i = instruction(row, choice)
      const reference = referenceOf(i)
      if (!reference) break // rows have one or have none
      const random = new Random(seed + list.length)
      const tables = i.operands.some((o) => o.role === 'I') ? [0n, 0x96n, 0xcan, 0xe8n, 0xffn, BigInt(random.below(256))] : [0n]
      for (const table of tables) list.push({ instruction: i, reference, constants: [table], seed: seed + 7 * list.length })
    }
  return list
}

/** Runs the cases and returns what was wrong, one line a case. */
function runCases(list: Case[], program: string): string[] {
  const wrong: string[] = []
  for (let at = 0; at < list.length; at += BATCH) {
    const batch = list.slice(at, at + BATCH)
    const operands = new BigUint64Array(batch.length * VECTORS * SLOTS_IN)
    batch.forEach((c, n) => fillOperands(c, operands.subarray(n * VECTORS * SLOTS_IN, (n + 1) * VECTORS * SLOTS_IN)))
    const [ptx, input, output] = ['ptx', 'in', 'out'].map((name) => join(folder, `batch.${name}`)) as [string, string, string]
    writeFileSync(ptx, HEAD + batch.map((c, n) => kernel(c, `k${n}`)).join(''))
    writeFileSync(input, operands)
    const result = run(program, [ptx, input, output, String(batch.length), String(VECTORS), String(SLOTS_IN), String(SLOTS_OUT)], {}, 300_000)
    assert.is(result.status, 0, result.stderr)
    const bytes = readFileSync(output)
    const results = new BigUint64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8)
    batch.forEach((c, n) => {
      const text = check(c, operands.subarray(n * VECTORS * SLOTS_IN, (n + 1) * VECTORS * SLOTS_IN), results.subarray(n * VECTORS * SLOTS_OUT, (n + 1) * VECTORS * SLOTS_OUT))
      if (text) wrong.push(text)
    })
  }
  return wrong
}

const all = cases()

test('every spelling of the instruction table loads with the operands that its row names', () => {
  const result = run(engineProgram('spellings', join(folder, 'spellings'), 'none'), [], {}, 120_000)
  assert.is(result.status, 0, result.stdout)
})

test('modifiers in another order than the documented one mean the same, where ptxas takes them', () => {
  const result = run(engineProgram('orders', join(folder, 'orders'), 'none'))
  assert.is(result.status, 0, result.stdout)
})

for (const [sanitizer, part] of [['none', 1], ['address', 16]] as const) {
  // The sanitizers see one spelling in sixteen, others with each seed.
  const some = all.filter((_, n) => (n + seed) % part === 0)
  test(`${some.length} spellings of arithmetic compute what the exact reference says (sanitizer: ${sanitizer})`, () => {
    const wrong = runCases(some, engineProgram('rows/run', join(folder, `run-${sanitizer}`), sanitizer))
    assert.is(wrong.length, 0, `seed ${seed}: ${wrong.length} wrong:\n${wrong.slice(0, 60).join('\n')}`)
  })
}

/** Those of shfl and vote without .sync last: they need texts of a version that has them. */
const isOld = (s: Scenario): boolean => /^(shfl|vote)\.(?!sync)/.test(s.name)
const scenarios = rows.flatMap((row) => scenariosOf(row)).sort((a, b) => Number(isOld(a)) - Number(isOld(b)))

test(`${scenarios.length} scenarios of memory, atomics, lanes, barriers and control flow`, () => {
  const program = engineProgram('rows/run', join(folder, 'run-coverage'), 'none', [], true)
  const wrong: string[] = []
  for (let at = 0, batch: Scenario[] = []; at < scenarios.length; at += batch.length) {
    batch = scenarios.slice(at, at + BATCH)
    const old = batch[0] !== undefined && isOld(batch[0])
    batch = batch.filter((s) => isOld(s) === old)
    const operands = new BigUint64Array(batch.length * VECTORS * IN)
    batch.forEach((s, n) => fillScenario(s, new Random(seed + n), operands.subarray(n * VECTORS * IN, (n + 1) * VECTORS * IN)))
    const [ptx, input, output] = ['ptx', 'in', 'out'].map((name) => join(folder, `scenarios.${name}`)) as [string, string, string]
    writeFileSync(ptx, (old ? '.version 6.3\n.target sm_70\n.address_size 64\n' : HEAD) + batch.map((s, n) => scenarioKernel(s, `k${n}`)).join(''))
    writeFileSync(input, operands)
    const result = run(program, [ptx, input, output, String(batch.length), String(VECTORS), String(IN), String(OUT)], { PTX_COVERAGE: join(folder, 'coverage') }, 300_000)
    assert.is(result.status, 0, result.stderr)
    const bytes = readFileSync(output)
    const results = new BigUint64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8)
    batch.forEach((s, n) => {
      const text = checkScenario(s, operands.subarray(n * VECTORS * IN, (n + 1) * VECTORS * IN), results.subarray(n * VECTORS * OUT, (n + 1) * VECTORS * OUT))
      if (text) wrong.push(text)
    })
  }
  assert.is(wrong.length, 0, `seed ${seed}: ${wrong.length} wrong:\n${wrong.slice(0, 60).join('\n')}`)
})

test('wrong uses of every row are refused, with instruction and line', () => {
  const known = new Set<string>()
  for (const row of rows) if (spellings(row) < 5000) for (const choice of choices(row)) known.add(anyOrder(instruction(row, choice).spelling))
  const list = [...rows.flatMap((row) => refusalsOf(row, known)), ...tooOld(), ...aroundInstructions()]
  const file = join(folder, 'refusals.ptx')
  writeFileSync(file, list.map((each) => each.text).join('//====\n'))
  const result = run(engineProgram('rows/refuse', join(folder, 'refuse'), 'none'), [file], {}, 120_000)
  assert.is(result.status, 0, result.stderr)
  const lines = result.stdout.trimEnd().split('\n')
  assert.is(lines.length, list.length)
  const wrong = list.flatMap(({ what, opcode, line }, n) => {
    const [, status, log] = /^(\d+) (.*)$/.exec(lines[n] ?? '') ?? []
    if (status !== '1' && status !== '2') return [`${what} is accepted`]
    return log?.includes(opcode) && log.includes(`line ${line}:`) ? [] : [`${what}: the log names not both '${opcode}' and line ${line}: ${log}`]
  })
  console.log(`${list.length} wrong uses`)
  assert.is(wrong.length, 0, `${wrong.length} of ${list.length}:\n${wrong.slice(0, 80).join('\n')}`)
})

/** Rows of which a test of their own executes every spelling. */
const elsewhere = (row: Row): boolean => row.section === 'Textures and surfaces' || (row.section === 'Matrices' && row.kind !== 'NOP') || isAsync(row) || isTensor(row)

/** What a program of tests/ptx wants; none where it is not here. */
const programFolder = join(root, 'tests/ptx/programs')
const argumentsOf: Record<string, string[][]> = {
  programs: ['basics', 'basics_debug', 'half'].map((file) => [programFolder, '2', file]),
  faults: [[programFolder]],
  speed: [], // measures
  describe: [],
  spellings: [], // loads, and runs nothing
}

test('every row, type and modifier was executed by a test with a checked result', () => {
  const file = join(folder, 'coverage')
  for (const name of programsIn(join(root, 'tests/ptx')))
    for (const args of argumentsOf[name] ?? [[]]) {
      const result = run(engineProgram(name, join(folder, `covered-${name}`), 'none', [], true), args, { PTX_COVERAGE: file }, 120_000)
      assert.is(result.status, 0, `${name}: ${result.stdout}${result.stderr}`)
    }
  const checked = new Set(all.map((c) => c.instruction.row.index)) // all their spellings are
  const left = missing(rows.filter((row) => !checked.has(row.index) && !elsewhere(row)), readExecuted(file))
  assert.is(left.length, 0, `${left.length} not tested:\n${left.join('\n')}`)
})

test.run()
