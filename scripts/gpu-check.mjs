/**
 * Packs a bundle for a machine with an NVIDIA driver and nothing else (no compiler, no network, no Node), or runs it here. What it does there is in
 * perf/gpu-check/main.ts. The parts of a bundle:
 *
 *   gpu-check                    the launcher, a shell script
 *   node/                        this Node, stripped, and the C++ library that it needs, for machines without one
 *   build/js, build/lib, build/stub   Ringfence as built here, the harness and the check bundled by esbuild
 *   build/perf                   the programs, compiled
 *   node_modules/                the native packages, without their sources
 *   MANIFEST.json                what it was made from
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { root } from './build.mjs';
import { setup } from './setup.mjs';

const NAME = 'ringfence-gpu-check';
const LIMIT_MIB = 60;

const HELP = `Usage: scripts/gpu-check pack [--out FILE]
       scripts/gpu-check run [--driver PATH|stub] [OPTION...]
       scripts/gpu-check --help

pack   makes build/${NAME}.tar.gz (below ${LIMIT_MIB} MiB). Take it to a machine with an NVIDIA driver; it needs neither Node, nor a
       compiler, nor the network, only Linux on the same kind of processor with a C library at least as new as this machine's programs
       want (the pack says which):
           tar xzf ${NAME}.tar.gz && ${NAME}/gpu-check
       There it runs the test programs and the performance harness through Ringfence and on the driver itself, side by side, asks the
       driver the questions of docs/REAL-GPU.md, trains a small net where python3 has torch, and writes gpu-check-report/report.md and
       report.json. \`${NAME}/gpu-check --help\` lists its options.
run    makes the same bundle in a temporary folder and runs it here. Without a GPU: --driver stub, which tests the bundle itself;
       --quick takes a minute; the other options are the bundle's.

Status: of pack 0 or 1; of run the bundle's: 0 all is as it should be, 1 something is not, 2 wrong usage, 3 no driver or one that does not work.`;

/** The programs: source -> name below build/perf of the bundle. */
const programs = () => [
  ...['perf/programs', 'perf/references'].flatMap((folder) => readdirSync(join(root, folder)).filter((file) => file.endsWith('.c')).map((file) => [join(folder, file), basename(file, '.c')])),
  ...['sequence', 'contexts', 'memory', 'streams', 'copies', 'process'].map((name) => [`tests/programs/${name}.c`, `test-${name}`]),
  ['perf/gpu-check/programs/kernels.c', 'test-kernels'],
  ['perf/gpu-check/programs/facts.c', 'facts'],
];

const FLAGS = ['-std=c11', '-D_GNU_SOURCE', '-O2', '-s', '-Wall', '-Wextra', '-Werror', '-pthread'];

/** Makes the bundle in `folder`, which must not exist. */
async function assemble(folder) {
  const into = (...parts) => {
    const path = join(folder, ...parts);
    mkdirSync(dirname(path), { recursive: true });
    return path;
  };
  for (const [source, name] of programs()) {
    const target = into('build/perf', name);
    const output = execFileSync(process.env.CC ?? 'cc', [...FLAGS, '-I', 'idm', '-I', 'idm/generated', '-I', 'tests/programs', source, '-o', target, '-L', 'build/stub', '-lcuda', '-lm'], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
    if (output) process.stderr.write(output);
  }
  const { build } = await import('esbuild');
  await build({
    absWorkingDir: root,
    entryPoints: { perf: 'perf/main.ts', 'gpu-check': 'perf/gpu-check/main.ts' },
    outdir: into('build/js'),
    bundle: true, format: 'esm', platform: 'node', target: 'node20', logLevel: 'warning',
    // Charts are drawn where the documents are.
    external: ['koffi', 'shm-typed-array', './document.ts', 'vega', 'vega-lite'],
    banner: { js: "import { createRequire as rfCreateRequire } from 'node:module';\nconst require = rfCreateRequire(import.meta.url);" },
  });
  for (const file of ['ringfence.js', 'supervisor.js', 'executor.js', 'driver-thread.js', 'package.json']) cpSync(join(root, 'build/js', file), into('build/js', file));
  for (const part of ['lib', 'stub']) {
    for (const file of readdirSync(join(root, 'build', part))) {
      // The linker's names are links.
      if (lstatSync(join(root, 'build', part, file)).isSymbolicLink() || !file.includes('.so')) continue;
      cpSync(join(root, 'build', part, file), into('build', part, file));
      spawnSync('strip', ['--strip-debug', join(folder, 'build', part, file)]);
    }
  }
  cpSync(join(root, 'perf/references/socket.mjs'), into('perf/references/socket.mjs'));
  cpSync(join(root, 'perf/gpu-check/python'), into('python'), { recursive: true });
  nativePackages(into);

  const node = into('node/bin/node');
  cpSync(process.execPath, node, { dereference: true });
  spawnSync('strip', [node]);
  chmodSync(node, 0o755);
  for (const library of cxxLibraries()) cpSync(library, into('node/lib', basename(library)), { dereference: true });
  const git = (...args) => spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout?.trim() ?? '';
  writeFileSync(into('MANIFEST.json'), `${JSON.stringify({ commit: git('rev-parse', '--short=10', 'HEAD') || 'unknown', changed: git('status', '--porcelain', '--untracked-files=no') !== '', made: new Date().toISOString(), node: process.version, arch: process.arch, glibc: neededGlibc(folder) }, null, 1)}\n`);
  // The command line reads its version there.
  const { name, version, type } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  writeFileSync(into('package.json'), `${JSON.stringify({ name, version, type })}\n`);
  writeFileSync(into('gpu-check'), LAUNCHER, { mode: 0o755 });
}

const LAUNCHER = `#!/bin/sh
# Made by scripts/gpu-check: runs this bundle's check with this bundle's Node.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
node="$here/node/bin/node"
export RINGFENCE_PERF_ROOT="$here"
if ! "$node" --version >/dev/null 2>&1; then
    # No C++ library on this machine: ours. Not otherwise, for a Python with its own is to find that.
    LD_LIBRARY_PATH="$here/node/lib\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    export LD_LIBRARY_PATH
    "$node" --version >/dev/null || {
        echo "gpu-check: this bundle's programs do not run here: they want $(uname -m) Linux with the C library that MANIFEST.json names, or a newer one" >&2
        exit 3
    }
fi
exec "$node" "$here/build/js/gpu-check.js" "$@"
`;

/** koffi and shm-typed-array: what is loaded, and no sources. */
function nativePackages(into) {
  const wanted = (source) => !/\.(cc|cpp|c|h|hh|md|d\.ts|map|o|d|asm|S|inc)$/.test(source) && !/\/(doc|vendor|test|obj\.target|\.deps|native)$/.test(source);
  for (const name of ['koffi', 'shm-typed-array']) cpSync(join(root, 'node_modules', name), into('node_modules', name), { recursive: true, dereference: true, filter: wanted });
  const scope = join(root, 'node_modules/@koromix');
  for (const name of existsSync(scope) ? readdirSync(scope) : []) cpSync(join(scope, name), into('node_modules/@koromix', name), { recursive: true, filter: wanted });
}

/** The C++ library and its support, as this Node loads them; none where it was linked statically. */
function cxxLibraries() {
  const list = spawnSync('ldd', [process.execPath], { encoding: 'utf8' }).stdout ?? '';
  return [...list.matchAll(/(?:libstdc\+\+|libgcc_s|libatomic)\.so\.\d+ => (\S+)/g)].map(([, path]) => path);
}

/** The newest version of the C library that anything in the bundle asks for: `2.34`. */
function neededGlibc(folder) {
  const files = ['build/lib/libcuda.so.1', 'build/stub/libcuda.so.1', 'node/bin/node', 'build/perf/facts', 'build/perf/busy'].map((file) => join(folder, file));
  const list = spawnSync('objdump', ['-T', ...files], { encoding: 'utf8', maxBuffer: 64 << 20 }).stdout ?? '';
  return [...list.matchAll(/GLIBC_(\d+)\.(\d+)/g)].map(([, a, b]) => [Number(a), Number(b)]).sort(([a, b], [c, d]) => a - c || b - d).pop()?.join('.') ?? 'unknown';
}

async function pack(args) {
  let out = join(root, 'build', `${NAME}.tar.gz`);
  if (args.length === 2 && args[0] === '--out') out = resolve(args[1]);
  else if (args.length > 0) return usage(`pack takes --out FILE alone, not "${args.join(' ')}"`);
  const temporary = mkdtempSync(join(tmpdir(), 'ringfence-pack-'));
  try {
    await assemble(join(temporary, NAME));
    mkdirSync(dirname(out), { recursive: true });
    const tar = spawnSync('tar', ['--use-compress-program', 'gzip -6', '-cf', out, '-C', temporary, NAME], { stdio: ['ignore', 'inherit', 'inherit'] });
    if (tar.status !== 0) throw new Error('tar failed');
    const mib = statSync(out).size / 2 ** 20;
    const { glibc } = JSON.parse(readFileSync(join(temporary, NAME, 'MANIFEST.json'), 'utf8'));
    console.log(`${out}: ${mib.toFixed(1)} MiB; wants ${process.arch} Linux with glibc ${glibc} or newer, and an NVIDIA driver`);
    if (mib <= LIMIT_MIB) return 0;
    console.error(`gpu-check: more than ${LIMIT_MIB} MiB`);
    return 1;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

async function runHere(args) {
  const temporary = mkdtempSync(join(tmpdir(), 'ringfence-check-'));
  try {
    await assemble(join(temporary, NAME));
    return spawnSync(join(temporary, NAME, 'gpu-check'), args, { stdio: ['ignore', 'inherit', 'inherit'] }).status ?? 1;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

function usage(why) {
  console.error(`gpu-check: ${why}\n\n${HELP}`);
  return 2;
}

const [command, ...rest] = process.argv.slice(2);
if (command === '--help' || command === '-h' || command === 'help') console.log(HELP);
else if (command !== 'pack' && command !== 'run') process.exitCode = usage(command === undefined ? 'say what to do' : `there is no "${command}"`);
else {
  try {
    if ((await setup({ quiet: true })) !== 0) process.exit(1);
    process.exitCode = await (command === 'pack' ? pack(rest) : runHere(rest));
  } catch (error) {
    console.error(`gpu-check: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
