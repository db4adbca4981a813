// numba's own CUDA tests, as Debian packages them. They compile kernels with NVIDIA's libNVVM, so they need a CUDA toolkit.
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Client, debian, type Outcome, type Zone } from '../suite.ts'

const TOOLKITS = ['/usr/local/cuda', '/usr/local/cuda-13.0']
const firstOf = (toolkit: string, ...places: string[]): string | undefined => places.map((place) => join(toolkit, place)).find(existsSync)

/** The toolkit's parts that numba looks for; null: there is none. */
function toolkit(): { nvvm: string; libdevice: string; cudart: string } | null {
  for (const home of TOOLKITS) {
    const nvvm = firstOf(home, 'nvvm/lib64/libnvvm.so', 'lib/libnvvm.so', 'lib64/libnvvm.so')
    const libdevice = firstOf(home, 'nvvm/libdevice')
    const cudart = firstOf(home, 'lib64/libcudart.so', 'lib/libcudart.so', 'targets/x86_64-linux/lib/libcudart.so')
    if (nvvm && libdevice && cudart) return { nvvm, libdevice, cudart }
  }
  return null
}

/** CUDA_HOME laid out as numba expects it. */
function home(folder: string): string {
  const found = toolkit()!
  const made = join(folder, 'cuda')
  rmSync(made, { recursive: true, force: true })
  mkdirSync(join(made, 'nvvm/lib64'), { recursive: true })
  mkdirSync(join(made, 'lib64'))
  symlinkSync(found.nvvm, join(made, 'nvvm/lib64/libnvvm.so'))
  symlinkSync(found.libdevice, join(made, 'nvvm/libdevice'))
  symlinkSync(found.cudart, join(made, 'lib64/libcudart.so'))
  return made
}

/** numba 0.56 writes NVVM IR 1.6 for compute capabilities that libNVVM 13 no longer compiles for: this changes those two values. */
const SHIM = `import sys
class _Shim:
    def find_spec(self, name, path=None, target=None):
        if name != 'numba.cuda.cudadrv.nvvm':
            return None
        sys.meta_path.remove(self)
        import importlib.util
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        def exec_module(module):
            load(module)
            def add_ir_version(mod):
                from llvmlite import ir
                i32 = ir.IntType(32)
                mod.add_named_metadata('nvvmir.version', mod.add_metadata([i32(2), i32(0), i32(3), i32(1)]))
            module.add_ir_version = add_ir_version
            module._supported_cc = ((7, 5), (8, 0), (8, 6))
        spec.loader.exec_module = exec_module
        return spec
sys.meta_path.insert(0, _Shim())
`

function outcome(output: string, status: number | null, why: (line: string) => string | null): Outcome {
  const ran = Number(/^Ran (\d+) tests? in/m.exec(output)?.[1] ?? 0)
  const count = (name: string): number => Number(new RegExp(`\\b${name}=(\\d+)`).exec(/^(?:OK|FAILED)(?: \(.*\))?$/m.exec(output)?.[0] ?? '')?.[1] ?? 0)
  if (ran === 0) return { passed: 0, failed: 1, skipped: 0, notes: [`it did not end (status ${status}): ${output.trim().slice(-300).replaceAll('\n', ' ')}`] }
  const failed = count('failures') + count('errors') + count('unexpected successes')
  const skipped = count('skipped')
  const causes = new Map<string, number>()
  for (const block of output.split(/^={60,}$/m).slice(1)) {
    const cause = why(block)
    if (cause !== null) causes.set(cause, (causes.get(cause) ?? 0) + 1)
  }
  return { passed: ran - failed - skipped, failed, skipped, notes: [...causes].sort((a, b) => b[1] - a[1]).map(([cause, times]) => `${times}: ${cause}`) }
}

const cause = (block: string): string | null => {
  if (/IR version [\d.]+ incompatible/.test(block)) return "libNVVM 13 refuses numba's IR version before any driver call"
  if (/-arch=compute_\d+ is an unsupported option/.test(block)) return 'libNVVM 13 has no compute capability 3.5'
  const last = block.trim().split('\n').filter((line) => /^\S*(Error|Exception)\b/.test(line)).at(-1)
  return last === undefined ? null : last.slice(0, 160)
}

function run(zone: Zone, module: string, shim: boolean, seconds: number): Outcome {
  const env: Record<string, string> = { CUDA_HOME: home(zone.folder), NUMBA_CACHE_DIR: join(zone.folder, 'cache') }
  if (shim) {
    writeFileSync(join(zone.folder, 'sitecustomize.py'), SHIM)
    env['PYTHONPATH'] = zone.folder
  }
  const { status, output } = zone.run(['/usr/bin/python3', '-m', 'numba.runtests', '-v', module], { env, seconds })
  writeFileSync(join(zone.folder, 'output.txt'), output)
  return outcome(output, status, cause)
}

const version = (): string | null => (toolkit() === null ? null : debian('python3-numba'))
const common = { packages: ['python3-numba'], needs: "a CUDA toolkit's libNVVM", version }

export const numba: Client[] = [
  { ...common, name: 'numba cudadrv', what: "numba's driver tests, as they are", run: (zone) => run(zone, 'numba.cuda.tests.cudadrv', false, 300) },
  { ...common, name: 'numba cudadrv, IR version shim', what: "numba's driver tests, with libNVVM told numba's IR is of its own version", run: (zone) => run(zone, 'numba.cuda.tests.cudadrv', true, 400) },
  { ...common, name: 'numba cudapy, IR version shim', what: "numba's kernel tests", long: true, run: (zone) => run(zone, 'numba.cuda.tests.cudapy', true, 3000) },
]
