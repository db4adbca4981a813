// What NVIDIA's assembler takes and what it refuses: acceptance.txt has its word (ptxas of CUDA 13.0, .version 9.0, sm_100a) on each
// instruction, the engine must say the same. It was made by asking ptxas about spellings of the instruction table and about
// what becomes of them with words exchanged, left out or put in, and with other operands.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { root, run, scratchFolder } from '../support/cc.ts'
import { engineProgram } from './ptx.ts'

const folder = scratchFolder('ptx-acceptance')

/** A kernel with registers of every type, a variable of every space and a table of branches, and one instruction. */
const kernel = (instruction: string): string => `.version 9.0
.target sm_100a
.address_size 64
.global .align 128 .b8 memory[1024];
.shared .align 128 .b8 smem[1024];
.const .align 16 .b8 cmem[64];
.visible .entry k(.param .align 16 .b8 kp[64]) {
.reg .pred %p<16>; .reg .b8 %b<16>; .reg .b16 %h<16>; .reg .b32 %r<40>; .reg .b64 %d<40>; .reg .b128 %q<16>; .reg .f32 %f<16>; .reg .u32 %ui<16>; .reg .s32 %si<16>; .reg .f64 %fd<16>; .reg .u64 %ul<16>; .reg .f16 %hf<16>; .reg .u16 %us<16>; .reg .s16 %ss<16>; .reg .s64 %sl<16>;
.param .align 32 .b8 parameter[64];
.local .align 16 .b8 lmem[64];
table: .branchtargets end, end;
${instruction}
end: ret;
}
`

test('the engine accepts and refuses what ptxas does', () => {
  const vectors = readFileSync(join(root, 'tests/ptx/acceptance.txt'), 'utf8').trimEnd().split('\n').map((line) => line.split('\t') as [string, string])
  assert.ok(vectors.length > 1000)
  const file = join(folder, 'vectors.ptx')
  writeFileSync(file, vectors.map(([, instruction]) => kernel(instruction)).join('//====\n'))
  const result = run(engineProgram('rows/refuse', join(folder, 'refuse'), 'none'), [file], {}, 120_000)
  assert.is(result.status, 0, result.stderr)
  const answers = result.stdout.trimEnd().split('\n')
  assert.is(answers.length, vectors.length)
  const wrong = vectors.flatMap(([word, instruction], n) => {
    const accepted = /^0( |$)/.test(answers[n] ?? '')
    return accepted === (word === 'yes') ? [] : [`${instruction} ptxas: ${word}, the engine: ${answers[n]}`]
  })
  assert.is(wrong.length, 0, `${wrong.length} of ${vectors.length}:\n${wrong.slice(0, 60).join('\n')}`)
})

test.run()
