// The CUDA C++ programs of tests/cuda/programs, as test files build and run them: with g++ and the checked-in PTX on every machine,
// and with nvcc (static and shared libcudart, per-thread default streams) where there is one.
import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, realpathSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { makeFolder, root } from '../support/cc.ts'

const run = promisify(execFile)
const here = join(root, 'tests/cuda')
const built = makeFolder(join(root, 'build/tests/cuda'))

export const sourceOf = (name: string): string => join(root, relativeSource(name))
/** As compilers are given it, from the checkout's root: an assertion's text names its file. */
const relativeSource = (name: string): string => `tests/cuda/programs/${name}.cu`
export const ptxOf = (name: string): string => join(here, 'ptx', `${name}.ptx`)

export const programs = readdirSync(join(here, 'programs')).filter((file) => file.endsWith('.cu')).map((file) => file.slice(0, -3)).sort()

/** How a program is built: `driver` is the host part alone, on driver_runtime.h. */
export type Build = 'driver' | 'static' | 'shared' | 'per-thread'

const read = (file: string): string => readFileSync(file, 'utf8')
const hash = (...texts: string[]): string => createHash('sha256').update(texts.join('\0')).digest('hex').slice(0, 16)

/** What of a program its PTX is made of: the text between `#ifdef __CUDACC__` and its `#else` or `#endif`, and variables of the device. */
export function deviceHash(name: string): string {
  const parts: string[] = []
  let inside = 0
  for (const line of read(sourceOf(name)).split('\n')) {
    if (/^#ifdef __CUDACC__/.test(line)) inside = 1
    else if (inside && /^#(else|endif)/.test(line)) inside = 0
    else if (inside || /__(constant|device|managed)__/.test(line)) parts.push(line)
  }
  return hash(...parts)
}

/** The first line of a generated PTX file says what it was made of. */
export const ptxHead = (name: string): string => `// Made of ${name}.cu by tests/cuda/generate.ts; device part ${deviceHash(name)}\n`

/** A program's checked-in fat binaries, by how nvcc compressed them. Their names say what they were made of, as the PTX does. */
export const COMPRESSIONS = ['none', 'speed', 'size'] as const
export const IN_FATBINS = 'vector_add'
export const fatbinOf = (compression: string): string => join(here, 'ptx', `${IN_FATBINS}-${deviceHash(IN_FATBINS)}-${compression}.fatbin`)

/** The toolkit's folder, or null: no nvcc, or no library to link with. */
export function toolkit(): string | null {
  // Asked, not guessed from its path: nvcc may be a link or a script somewhere else.
  const said = spawnSync('nvcc', ['-dryrun', '-E', '-x', 'cu', '/dev/null'], { encoding: 'utf8' })
  const top = /^#\$ TOP=(.*)$/m.exec(said.stderr ?? '')?.[1]
  if (said.status !== 0 || top === undefined) return null
  const folder = realpathSync(top)
  return existsSync(join(folder, 'lib64/libcudart_static.a')) && existsSync(join(folder, 'lib64/libcudart.so')) ? folder : null
}

const NVCC = ['-std=c++17', '-arch=sm_80', '-Wno-deprecated-gpu-targets']

async function made(key: string, ending: string, command: (output: string) => [string, string[]]): Promise<string> {
  const output = join(built, `${key}${ending}`)
  if (existsSync(output)) return output
  const temporary = `${join(built, `${process.pid}-${key}`)}${ending}`
  const [compiler, args] = command(temporary)
  try {
    await run(compiler, args, { cwd: root, maxBuffer: 16 << 20 })
  } catch (error) {
    throw new Error(`${compiler} ${args.join(' ')}\n${(error as { stderr?: string }).stderr || String(error)}`)
  }
  renameSync(temporary, output)
  return output
}

/** Compiles the device part to PTX; the text. */
export async function compilePtx(name: string): Promise<string> {
  const file = await made(`${name}-${hash(read(sourceOf(name)), read(join(here, 'suite.h')), ...NVCC)}`, '.ptx', (output) => ['nvcc', [...NVCC, '-ptx', relativeSource(name), '-o', output]])
  return read(file)
}

/** Compiles the device part to a fat binary with machine code and PTX in it, as nvcc puts into programs. */
export async function compileFatbin(name: string, compression: string): Promise<Buffer> {
  const file = await made(`${name}-${hash(read(sourceOf(name)), read(join(here, 'suite.h')), compression, ...NVCC)}`, '.fatbin', (output) => ['nvcc', [...NVCC, `--compress-mode=${compression}`, '-fatbin', relativeSource(name), '-o', output]])
  return readFileSync(file)
}

/** Builds a program; its path. Kept in build/tests/cuda by the content of its sources. */
export async function buildProgram(name: string, build: Build): Promise<string> {
  const texts = [read(sourceOf(name)), read(join(here, 'suite.h'))]
  if (build === 'driver') {
    const headers = readdirSync(here).filter((file) => file.endsWith('.h')).sort()
    const key = hash(build, ...texts, ...headers.map((file) => read(join(here, file))), read(join(root, 'idm/cuda_types.h')), read(join(root, 'idm/generated/cuda.h')))
    const args = ['-std=c++17', '-O1', '-g', '-Wall', '-Wextra', '-Werror', '-pthread', '-rdynamic', '-Iidm', '-Iidm/generated', '-x', 'c++', relativeSource(name), '-Lbuild/stub', '-lcuda', '-ldl']
    return made(`${name}-driver-${key}`, '', (output) => [process.env['CXX'] ?? 'g++', [...args, '-o', output]])
  }
  const folder = toolkit()
  if (folder === null) throw new Error('no CUDA toolkit')
  const stream = build === 'per-thread' ? ['--default-stream', 'per-thread'] : []
  const key = hash(...NVCC, ...stream, folder, ...texts)
  const object = await made(`${name}-${key}`, '.o', (output) => ['nvcc', [...NVCC, ...stream, '-Xcompiler', '-pthread', '-c', relativeSource(name), '-o', output]])
  const libraries = build === 'shared' ? ['-lcudart', `-Wl,-rpath,${folder}/lib64`] : ['-lcudart_static', '-ldl', '-lrt']
  return made(`${name}-${build}-${key}`, '', (output) => ['g++', [object, `-L${folder}/lib64`, ...libraries, '-pthread', '-o', output]])
}

/** Builds several, two at a time. */
export async function buildAll(wanted: [name: string, build: Build][]): Promise<void> {
  const queue = [...wanted]
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await buildProgram(...next)
  }
  await Promise.all([worker(), worker()])
}
