// Our declarations of the driver API's types against NVIDIA's: each enumerator's value, each type's size, each member's
// offset, printed by two programs that share no header. Without a toolkit the comparison cannot be made (and says so);
// the layouts are then still held by the static asserts in cuda_types.h.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { compile, root, run, scratchFolder } from '../support/cc.ts'

const header = readFileSync(join(root, 'idm/cuda_types.h'), 'utf8')
const text = header.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\\\n/g, ' ')
const toolkit = ['/usr/local/cuda/include', '/usr/local/cuda-13.0/include'].find((folder) =>
  existsSync(join(folder, 'cuda.h')),
)

function enumerators(): string[] {
  const names = new Set<string>()
  for (const match of text.matchAll(/\b((?:CU|CIG)_[A-Za-z0-9_]+)\s*=/g)) names.add(match[1]!)
  for (const match of text.matchAll(/X\((CUDA_[A-Z0-9_]+),/g)) names.add(match[1]!)
  for (const match of text.matchAll(/#define\s+((?:CU|CUDA)_(?:MEMHOST|ARRAY3D_|MEM_CREATE_|MEM_POOL_)\w+)\s/g)) names.add(match[1]!)
  return [...names].filter((name) => !/^CU_(EGL|GL|OUT)_/.test(name)) // not in cuda.h; cudaEGL.h and cudaGL.h want others' headers
}

function types(): string[] {
  const names = new Set<string>()
  for (const match of text.matchAll(/\}\s*(CU\w+);/g)) names.add(match[1]!)
  for (const match of text.matchAll(/RF_OPAQUE\((CU\w+),/g)) names.add(match[1]!)
  for (const match of text.matchAll(/typedef [\w ]+?\s(CU\w+);/g)) names.add(match[1]!)
  return [...names].filter((name) => !/^CU(egl|GL|output)/.test(name))
}

/** Members of the outer level of each struct that we declare in full. */
function members(): [string, string][] {
  const found: [string, string][] = []
  for (const match of text.matchAll(/typedef (?:struct|union) \w+ \{\n([\s\S]*?)\n\}\s*(CU\w+);/g)) {
    let body = match[1]!
    while (/\{[^{}]*\}/.test(body)) body = body.replace(/\b(?:struct|union)(?: \w+)?\s*\{[^{}]*\}/g, 'nested')
    for (const declaration of body.split(';')) {
      const words = declaration.trim()
      if (words === '' || words === 'nested') continue
      words.split(',').forEach((piece) => {
        const name = /(\w+)(?:\[\w+\])?$/.exec(piece.trim())?.[1]
        if (name && !/^(?:reserved\d?|pad)$/.test(name)) found.push([match[2]!, name])
      })
    }
  }
  return found
}

function program(include: string): string {
  const lines = [
    ...enumerators().map((name) => `printf("${name} = %lld\\n", (long long)${name});`),
    ...types().map((name) => `printf("sizeof ${name} = %zu, aligned %zu\\n", sizeof(${name}), _Alignof(${name}));`),
    ...members().map(([type, name]) => `printf("${type}.${name} at %zu\\n", offsetof(${type}, ${name}));`),
  ]
  return `#define __CUDA_API_VERSION_INTERNAL\n#include <stddef.h>\n#include <stdio.h>\n#include <${include}>\nint main(void) {\n${lines.join('\n')}\nreturn 0;\n}\n`
}

function output(include: string, folders: string[]): string[] {
  const folder = scratchFolder('types')
  const source = join(folder, 'print.c')
  writeFileSync(source, program(include))
  const result = run(compile({ sources: [source], output: join(folder, 'print'), includes: folders }))
  assert.is(result.status, 0)
  return result.stdout.trim().split('\n')
}

test('our header compiles and says as much as the test asks of it', () => {
  assert.ok(enumerators().length > 400, 'the parser sees the enumerators')
  assert.ok(members().length > 150, 'the parser sees the members')
  assert.ok(output('cuda_types.h', [join(root, 'idm')]).includes('CUDA_ERROR_ILLEGAL_ADDRESS = 700'))
})

test(
  toolkit
    ? `every value, size and offset agrees with ${toolkit}/cuda.h`
    : 'NOT COMPARED with cuda.h: no CUDA toolkit on this machine',
  () => {
    if (!toolkit) return
    const ours = output('cuda_types.h', [join(root, 'idm')])
    const theirs = output('cuda.h', [toolkit])
    assert.is(ours.length, theirs.length)
    ours.forEach((line, index) => assert.is(line, theirs[index]))
  },
)

test.run()
