// What NVIDIA's assembler takes and what it refuses: acceptance.txt has its word (ptxas of CUDA 13.0, .version 9.0, sm_100a) on each
// instruction, the engine must say the same. It was made by asking ptxas about spellings of the instruction table and about
// what becomes of them with words exchanged, left out or put in, and with other operands. modules.txt has its word on all that is not an
// instruction: directives, declarations, initial values, functions and their calls, labels, constants; and the line that it complains of.
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

/** What a row of modules.txt stands for: a whole text, one after the three usual directives, a kernel's body, or one that calls. */
function moduleText(form: string, text: string): string {
  const head = '.version 9.0\n.target sm_100a\n.address_size 64\n'
  const registers = '.reg .pred %p<8>; .reg .b16 %h<8>; .reg .b32 %r<16>; .reg .b64 %d<16>; .reg .f32 %f<16>; .reg .f64 %fd<8>; .reg .b128 %q<4>;\n'
  const body = `.visible .entry k(.param .u64 a, .param .u32 n)\n{\n${registers}${text}\nret;\n}\n`
  const callees = [
    '.func (.param .u32 r) f(.param .u32 a) { .reg .u32 x; ld.param.u32 x, [a]; st.param.u32 [r], x; ret; } .func g() { ret; }',
    '.func (.reg .u32 r) h(.reg .u32 a) { mov.u32 r, a; ret; } .func s(.param .align 8 .b8 a[16]) { ret; } .func ff(.param .f32 a) { ret; }',
    '.func bb(.param .b32 a) { ret; } .func hh(.param .b16 a) { ret; } .func rf(.reg .f32 a) { ret; } .func rb(.reg .b32 a) { ret; }',
    '.func a1(.param .b8 a[16]) { ret; } .func v4(.reg .v4 .f32 a) { ret; } .func pp(.reg .pred a) { ret; } .func b64(.param .b64 a) { ret; }',
    '.extern .func (.param .u32 r) vprintf(.param .u64 a, .param .u64 b);',
  ].join(' ')
  if (form === 'whole') return `${text}\n`
  return form === 'module' ? `${head}${text}\n` : form === 'body' ? `${head}\n${body}` : `${head}${callees}\n\n${body}`
}

test('modules, declarations and calls are accepted and refused as by ptxas, and the log names the line', () => {
  const rows = readFileSync(join(root, 'tests/ptx/modules.txt'), 'utf8').trimEnd().split('\n').map((row) => row.split('\t') as [string, string, string, string])
  assert.ok(rows.length > 800)
  const file = join(folder, 'modules.ptx')
  writeFileSync(file, rows.map(([form, , , text]) => moduleText(form, text.replaceAll('\\n', '\n'))).join('//====\n'))
  const result = run(engineProgram('rows/refuse', join(folder, 'refuse-modules'), 'none'), [file], {}, 120_000)
  assert.is(result.status, 0, result.stderr)
  const answers = result.stdout.trimEnd().split('\n')
  assert.is(answers.length, rows.length)
  const wrong = rows.flatMap(([form, word, line, text], n) => {
    const answer = answers[n] ?? ''
    const right = word === 'yes' ? /^0( |$)/.test(answer) : !/^0( |$)/.test(answer) && (line === '-' || answer.includes(`line ${line}:`))
    return right ? [] : [`${form} ${text} ptxas: ${word} ${line}, the engine: ${answer}`]
  })
  assert.is(wrong.length, 0, `${wrong.length} of ${rows.length}:\n${wrong.slice(0, 60).join('\n')}`)
})

test.run()
