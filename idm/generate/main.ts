// `npm run generate`: writes every file that the call table makes. `--check` writes nothing and fails if one is stale.
// `--into FOLDER` writes to, or checks, another checkout.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as c from './c.ts'
import { coverage } from './coverage.ts'
import * as nvml from './nvml.ts'
import * as ts from './typescript.ts'

const into = process.argv.indexOf('--into')
const root = into < 0 ? join(dirname(fileURLToPath(import.meta.url)), '../..') : process.argv[into + 1]

export const FILES: Record<string, () => string> = {
  'idm/generated/messages.h': c.messagesHeader,
  'idm/generated/cuda.h': c.prototypes,
  'libvgpu/generated/hand.h': c.handHeader,
  'libvgpu/generated/entries.c': c.entries,
  'idm/generated/procs.inc': c.procs,
  'idm/generated/exports.inc': c.exportsList,
  'libvgpu/generated/exports.map': () => c.exportsMap(),
  'stub-driver/generated/exports.map': () => c.exportsMap(['ringfence_software_gpu', 'ringfence_managed_descriptor', 'ringfence_image_memory', 'ringfence_code_limit', 'ringfence_context_stop']),
  'stub-driver/generated/fallbacks.c': c.fallbacks,
  'proxy/generated/messages.ts': ts.messages,
  'proxy/generated/prototypes.ts': ts.prototypes,
  'proxy/generated/handlers.ts': ts.handlers,
  'docs/COVERAGE.md': coverage,
  'libvgpu/nvml/generated/calls.c': nvml.calls,
  'libvgpu/nvml/generated/exports.map': nvml.exportsMap,
  'docs/NVML.md': nvml.page,
}

const check = process.argv.includes('--check')
let stale = 0
for (const [file, make] of Object.entries(FILES)) {
  const path = join(root, file)
  const text = make()
  if (existsSync(path) && readFileSync(path, 'utf8') === text) continue
  stale++
  if (check) console.error(`stale: ${file}; run npm run generate`)
  else {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
    console.log(`wrote ${file}`)
  }
}
if (check && stale) process.exit(1)
