// Clients with no tests of their own: what they print or write is the proof.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { compile } from '../../support/cc.ts'
import { LIBRARIES, NEEDS, unpacked } from '../contrib.ts'
import { type Client, checks, debian, type Zone } from '../suite.ts'

const NAME = 'Ringfence Software GPU'

function pipeline(zone: Zone, size: string, format: string, gpu: boolean): string {
  const file = join(zone.folder, `${size}-${format}-${gpu ? 'gpu' : 'cpu'}.raw`)
  rmSync(file, { force: true })
  const through = gpu ? 'cudaupload ! video/x-raw(memory:CUDAMemory) ! cudadownload !' : ''
  const [width, height] = size.split('x')
  // videoconvert packs the rows again, whatever pitch the frames came down with.
  const words = `gst-launch-1.0 -q videotestsrc pattern=ball num-buffers=5 ! video/x-raw,format=${format},width=${width},height=${height} ! ${through} videoconvert ! video/x-raw,format=I420 ! filesink location=${file}`.split(/\s+/)
  // A registry of its own: GStreamer remembers for the user which elements there were.
  zone.run(words, { env: { GST_REGISTRY: join(zone.folder, 'registry') } })
  try {
    return readFileSync(file).toString('base64')
  } catch {
    return ''
  }
}

export const gstreamer: Client = {
  name: 'GStreamer nvcodec', packages: ['gstreamer1.0-tools', 'gstreamer1.0-plugins-base', 'gstreamer1.0-plugins-bad'], what: 'cudaupload and cudadownload, byte for byte',
  version: () => (debian('gstreamer1.0-tools') && debian('gstreamer1.0-plugins-base') ? debian('gstreamer1.0-plugins-bad') : null),
  run: (zone) => checks([['320x240', 'NV12'], ['512x256', 'I420']].map(([size, format]) => {
    const plain = pipeline(zone, size!, format!, false)
    return [`${format} ${size}`, plain !== '' && pipeline(zone, size!, format!, true) === plain, 'differs from the pipeline without the GPU'] as [string, boolean, string]
  })),
}

export const hashcat: Client = {
  name: 'hashcat -I', packages: ['hashcat'], what: "lists the zone's device (with a stand-in for NVRTC, which hashcat wants to be there and Debian does not package)",
  version: () => debian('hashcat'),
  run(zone) {
    const source = join(zone.folder, 'nvrtc.c')
    const names = ['nvrtcAddNameExpression', 'nvrtcCompileProgram', 'nvrtcCreateProgram', 'nvrtcDestroyProgram', 'nvrtcGetLoweredName', 'nvrtcGetPTX', 'nvrtcGetPTXSize', 'nvrtcGetProgramLog', 'nvrtcGetProgramLogSize', 'nvrtcGetErrorString']
    writeFileSync(source, `${names.map((name) => `__attribute__((visibility("default"))) int ${name}(void) { return 7; }`).join('\n')}\n__attribute__((visibility("default"))) int nvrtcVersion(int *major, int *minor) { *major = 13; *minor = 0; return 0; }\n`)
    compile({ sources: [source], output: join(zone.folder, 'libnvrtc.so'), sanitizer: 'none', shared: true })
    const { output } = zone.run(['hashcat', '-I'], { libraries: zone.folder })
    const block = output.slice(output.indexOf('CUDA Info'))
    return checks([
      ['CUDA block', output.includes('CUDA Info'), output],
      ['name', block.includes(NAME), block],
      ['memory is the quota', /Memory\.Total\.*: 2048 MB/.test(block), block],
    ])
  },
}

/** Kernels compiled by NVRTC 11.8 at run time; hashcat tries each on a hash it knows before it begins. Few threads: this GPU is software. */
export const hashcatCracks: Client = {
  name: 'hashcat, NVRTC 11.8', packages: ['hashcat'], needs: NEEDS, long: true, what: 'finds the word of an MD5, a SHA-1, a SHA-256 and a SHA-512',
  version: () => (unpacked('libnvrtc11.2') && unpacked('libnvrtc-builtins11.8') ? debian('hashcat') : null),
  run(zone) {
    for (const name of ['libnvrtc.so.11.2', 'libnvrtc-builtins.so.11.8']) {
      const link = join(zone.folder, name === 'libnvrtc.so.11.2' ? 'libnvrtc.so' : name)
      rmSync(link, { force: true })
      symlinkSync(join(LIBRARIES, name), link)
    }
    writeFileSync(join(zone.folder, 'words'), 'password\nhashcat\nringfence\n123456\n')
    return checks(([['0', 'md5'], ['100', 'sha1'], ['1400', 'sha256'], ['1700', 'sha512']] as const).map(([mode, algorithm]) => {
      const hash = createHash(algorithm).update('ringfence').digest('hex')
      const words = ['hashcat', '-D', '2', '--backend-ignore-opencl', '-m', mode, hash, 'words', '--potfile-disable', '--force', '-n', '1', '-u', '1', '-T', '32', '-O']
      const { output } = zone.run(words, { libraries: zone.folder, seconds: 600, env: { HOME: zone.folder } })
      return [algorithm, output.includes(`${hash}:ringfence`), output] as [string, boolean, string]
    }))
  },
}

export const boinc: Client = {
  name: 'boinc --detect_gpus', packages: ['boinc-client'], what: "finds the zone's device",
  version: () => debian('boinc-client'),
  run(zone) {
    mkdirSync(zone.folder, { recursive: true })
    const file = join(zone.folder, 'coproc_info.xml')
    rmSync(file, { force: true })
    const { output } = zone.run(['boinc', '--detect_gpus', '--dir', zone.folder])
    let text = ''
    try {
      text = readFileSync(file, 'utf8')
    } catch {
      // told below
    }
    const block = /<coproc_cuda>[^]*?<\/coproc_cuda>/.exec(text)?.[0] ?? ''
    return checks([
      ['device', block.includes(`<name>${NAME}</name>`), output || text],
      ['memory is the quota', /<totalGlobalMem>2147483648/.test(block), block],
    ])
  },
}

const HALIDE = `
import halide as hl, numpy as np
x, y, xi, yi = hl.Var('x'), hl.Var('y'), hl.Var('xi'), hl.Var('yi')
target = hl.get_jit_target_from_environment().with_feature(hl.TargetFeature.CUDA)
def realize(f, gpu, size=(96, 64)):
    if gpu:
        f.gpu_tile(x, y, xi, yi, 16, 8)
    b = f.realize(list(size), target if gpu else hl.get_jit_target_from_environment())
    if gpu:
        b.copy_to_host()
    return np.array(b)
def root(gpu):
    f = hl.Func('root')
    f[x, y] = hl.sqrt(hl.cast(hl.Float(32), x * x + y * y))
    return realize(f, gpu)
def integers(gpu):
    f = hl.Func('integers')
    f[x, y] = (x * 7919 + y * 104729) % 1021 - hl.select(x > y, x // 3, y // 5)
    return realize(f, gpu)
def blur(gpu):
    source, across, f = hl.Func('source'), hl.Func('across'), hl.Func('blur')
    source[x, y] = hl.cast(hl.UInt(16), (x * 31 + y * 17) % 256)
    across[x, y] = (source[x, y] + source[x + 1, y] + source[x + 2, y]) // 3
    f[x, y] = (across[x, y] + across[x, y + 1] + across[x, y + 2]) // 3
    if gpu:
        f.gpu_tile(x, y, xi, yi, 16, 8)
        across.compute_at(f, x).gpu_threads(x, y)
        b = f.realize([96, 64], target); b.copy_to_host()
        return np.array(b)
    return realize(f, False)
for case in (root, integers, blur):
    cpu, gpu = case(False), case(True)
    print('case', case.__name__, 'right' if np.array_equal(cpu, gpu) else 'wrong by %s' % np.max(np.abs(cpu.astype(float) - gpu.astype(float))))
`

export const halide: Client = {
  name: 'Halide JIT', packages: ['python3-halide'], what: 'three pipelines compiled for the GPU at run time, against the same on the CPU',
  version: () => debian('python3-halide'),
  run(zone) {
    writeFileSync(join(zone.folder, 'pipelines.py'), HALIDE)
    const { output } = zone.run(['/usr/bin/python3', 'pipelines.py'], { seconds: 200 })
    return checks(['root', 'integers', 'blur'].map((name) => [name, output.includes(`case ${name} right`), output] as [string, boolean, string]))
  },
}

export const offload: Client = {
  name: 'GCC offloading', packages: ['gcc-12-offload-nvptx', 'libgomp-plugin-nvptx1'], what: "OpenMP and OpenACC programs of tests/stub/offload against the host's results",
  version: () => (debian('libgomp-plugin-nvptx1') ? debian('gcc-12-offload-nvptx') : null),
  run: (zone) => checks(([['openmp', '-fopenmp'], ['openacc', '-fopenacc']] as const).map(([name, flag]) => {
    const program = join(zone.folder, name)
    const built = zone.run(['/usr/bin/gcc-12', '-O2', flag, '-foffload=nvptx-none', '-foffload-options=-misa=sm_80 -lm', join(import.meta.dirname, `../../stub/offload/${name}.c`), '-o', program, '-lm'], { env: { PATH: '/usr/bin:/bin' }, seconds: 200 })
    const ran = zone.run([program], { seconds: 300 })
    return [name, ran.status === 0 && ran.output.includes('0 failures'), built.status === 0 ? ran.output : built.output] as [string, boolean, string]
  })),
}
