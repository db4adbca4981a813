#!/usr/bin/env node
/**
 * Builds everything: the two `libcuda.so.1` (client and software GPU) and the client's `libnvidia-ml.so.1`, `libnvidia-encode.so.1` and `nvidia-smi` with `cc`,
 * the programs of the driver domain with esbuild.
 *
 *   node scripts/build.mjs [--variant release|asan|tsan]... [--only c|js] [--without-cudart] [--into FOLDER] [--quiet]
 *
 * `--without-cudart` leaves the CUDA runtime's private tables out (idm/cudart_tables.c says what they are); programs of the driver
 * API need none. `--into` puts the libraries below another folder than `build/`.
 *
 * Plain Node and `cc`, no make: the only dependency graph is source -> object -> library, and the compiler writes it (`-MMD`).
 * An object is compiled again when its flags changed or when it is older than a file it was made of. A part whose sources do
 * not exist yet is skipped with a line, so that one part's absence does not stop another.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const root = resolve(fileURLToPath(new URL('..', import.meta.url)));
const run = promisify(execFile);

/** Compilers at once: small on purpose, CI machines and laptops have two cores. */
const JOBS = 2;

const COMMON_FLAGS = ['-std=c11', '-D_GNU_SOURCE', '-g', '-fPIC', '-fvisibility=hidden', '-Wall', '-Wextra', '-Werror', '-pthread'];
const COMMON_LINK = ['-pthread'];
const LIBRARIES = ['-lpthread', '-ldl', '-lrt', '-lm'];

/** `folder` is below `build/`. The sanitizers' own symbols come with the process, so `-z defs` is for the release alone. */
export const variants = {
  release: { folder: '', flags: ['-O2'], link: ['-Wl,-z,defs'] },
  asan: {
    folder: 'asan',
    flags: ['-O1', '-fno-omit-frame-pointer', '-fsanitize=address,undefined', '-fno-sanitize-recover=undefined'],
    link: ['-fsanitize=address,undefined'],
  },
  tsan: { folder: 'tsan', flags: ['-O1', '-fno-omit-frame-pointer', '-fsanitize=thread'], link: ['-fsanitize=thread'] },
};

/** Sources of idm/ that client and software GPU are both compiled with, for neither may know the other; the tables can be left out. */
const CUDART_TABLES = 'idm/cudart_tables.c';
const CUDA_SHARED = [CUDART_TABLES, 'idm/visible_devices.c', 'idm/probed.c'];

/**
 * The C parts: the folders whose .c files they are made of (and files of others that they share), the library's name, and where it
 * goes below the variant's folder. Named one by one: a folder that is being written next to them is built when it is listed here.
 * A part with `beside` is a program, and that the libraries of its folder that it is linked with.
 */
const parts = [
  { name: 'libvgpu', folders: ['libvgpu', 'libvgpu/generated', 'idm/graphs'], shared: CUDA_SHARED, file: 'libcuda.so.1', out: 'lib' },
  { name: 'nvml', folders: ['libvgpu/nvml', 'libvgpu/nvml/generated'], shared: ['libvgpu/settings.c'], include: ['libvgpu'], file: 'libnvidia-ml.so.1', out: 'lib' },
  { name: 'nvenc', folders: ['libvgpu/nvenc'], shared: [], file: 'libnvidia-encode.so.1', out: 'lib' },
  { name: 'nvidia-smi', folders: ['libvgpu/smi'], shared: [], include: ['libvgpu/nvml'], file: 'nvidia-smi', beside: ['libnvidia-ml.so.1'], out: 'lib' },
  { name: 'stub-driver', folders: ['stub-driver', 'stub-driver/generated', 'stub-driver/ptx', 'idm/graphs'], shared: CUDA_SHARED, file: 'libcuda.so.1', out: 'stub' },
];

const bundles = [
  { name: 'ringfence', entry: 'proxy/cli/main.ts', banner: '#!/usr/bin/env node\n' },
  { name: 'supervisor', entry: 'proxy/supervisor/main.ts', banner: '' },
  { name: 'executor', entry: 'proxy/executor/main.ts', banner: '' },
  { name: 'driver-thread', entry: 'proxy/executor/driver-thread-worker.ts', banner: '' },
];

/** Native packages cannot be bundled; they are found in node_modules beside `build/`. */
const EXTERNAL = ['koffi', 'shm-typed-array'];

const filesIn = (folder, ending) =>
  existsSync(join(root, folder)) ? readdirSync(join(root, folder)).filter((f) => f.endsWith(ending)).sort().map((f) => join(folder, f)) : [];

const mtime = (file) => {
  try {
    return statSync(file).mtimeMs;
  } catch {
    return -1;
  }
};

const hash = (text) => createHash('sha256').update(text).digest('hex').slice(0, 16);

const writeIfChanged = (file, text) => {
  if (!existsSync(file) || readFileSync(file, 'utf8') !== text) writeFileSync(file, text);
};

/** Files an object was made of, from the compiler's dependency file (make's syntax: `target: a b \` …). */
const prerequisites = (depFile) =>
  readFileSync(depFile, 'utf8').replace(/\\\n/g, ' ').replace(/^[^:]*:/, '').split(/\s+/).filter(Boolean);

const isFresh = (object, stamp) => {
  const made = mtime(object);
  if (made < 0 || !existsSync(`${object}.d`) || !existsSync(`${object}.flags`)) return false;
  if (readFileSync(`${object}.flags`, 'utf8') !== stamp) return false;
  return prerequisites(`${object}.d`).every((file) => {
    const changed = mtime(resolve(root, file));
    return changed >= 0 && changed <= made;
  });
};

async function inParallel(items, work) {
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: JOBS }, worker));
}

async function cc(args) {
  const compiler = process.env.CC ?? 'cc';
  try {
    await run(compiler, args, { cwd: root, maxBuffer: 16 << 20 });
  } catch (error) {
    throw new Error(`${compiler} failed:\n${error.stderr || error.message}`);
  }
}

/** Writes `file` through a temporary name: a process that has the old library mapped keeps it, no one sees half of the new. */
async function replacing(file, make) {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    await make(temporary);
    renameSync(temporary, file);
  } finally {
    rmSync(temporary, { force: true });
  }
}

async function buildPart(part, variantName, { say, cudart, into }) {
  const variant = variants[variantName];
  const { folders } = part;
  const sources = [...folders.flatMap((folder) => filesIn(folder, '.c')), ...part.shared.filter((file) => cudart || file !== CUDART_TABLES)];
  if (sources.length === 0) {
    say(`skip   ${part.name}: no .c file in ${folders[0]}/`);
    return;
  }
  const objects = join(root, 'build/obj', variantName, part.name);
  const target = join(into, variant.folder, part.out, part.file);
  mkdirSync(objects, { recursive: true });
  mkdirSync(join(target, '..'), { recursive: true });
  const include = ['idm', 'idm/generated', ...folders, ...(part.include ?? [])].flatMap((folder) => ['-I', folder]);
  const flags = [...COMMON_FLAGS, ...variant.flags, ...include];
  const stamp = hash(JSON.stringify([process.env.CC ?? 'cc', flags]));

  const made = [];
  const stale = [];
  for (const source of sources) {
    const object = join(objects, `${source.replaceAll('/', '.')}.o`);
    made.push(object);
    if (!isFresh(object, stamp)) stale.push({ source, object });
  }
  await inParallel(stale, async ({ source, object }) => {
    say(`cc     ${source}${variantName === 'release' ? '' : ` (${variantName})`}`);
    await replacing(object, (file) => cc([...flags, '-MMD', '-MF', `${object}.d`, '-MT', 'object', '-c', source, '-o', file]));
    writeFileSync(`${object}.flags`, stamp);
  });

  // A version script of the part, if it has one (checked in or generated), names the exported symbols; else visibility alone does.
  const script = folders.flatMap((folder) => filesIn(folder, '.map'))[0];
  const kind = part.beside === undefined ? ['-shared', '-Wl,-Bsymbolic', `-Wl,-soname,${part.file}`] : ['-Wl,-rpath,$ORIGIN'];
  const needed = (part.beside ?? []).map((file) => join(into, variant.folder, part.out, file));
  const link = [...COMMON_LINK, ...kind, ...variant.link, ...(script ? [`-Wl,--version-script=${script}`] : [])];
  const linkStamp = hash(JSON.stringify([link, LIBRARIES, made]));
  const stampFile = join(objects, `link-${hash(target)}.flags`);
  const newest = Math.max(...made.map(mtime), ...needed.map(mtime), script ? mtime(join(root, script)) : 0);
  if (mtime(target) < newest || !existsSync(stampFile) || readFileSync(stampFile, 'utf8') !== linkStamp) {
    say(`link   ${relative(root, target)}`);
    await replacing(target, (file) => cc([...link, ...made, ...needed, ...LIBRARIES, '-o', file]));
    writeFileSync(stampFile, linkStamp);
  } else {
    // "Checked at": scripts/ringfence asks for files newer than the library, headers that it does not include among them.
    const now = new Date();
    utimesSync(target, now, now);
  }
  if (part.beside !== undefined) return;
  const plain = target.replace(/\.1$/, '');
  if (!existsSync(plain)) {
    rmSync(plain, { force: true });
    symlinkSync(basename(target), plain);
  }
}

async function buildPrograms(say) {
  const present = bundles.filter((bundle) => existsSync(join(root, bundle.entry)));
  for (const bundle of bundles) if (!present.includes(bundle)) say(`skip   ${bundle.name}.js: no ${bundle.entry}`);
  if (present.length === 0) return;
  const { build } = await import('esbuild');
  const out = join(root, 'build/js');
  mkdirSync(out, { recursive: true });
  // `.mjs` semantics for build/js even when the folder is copied elsewhere.
  writeIfChanged(join(out, 'package.json'), '{ "type": "module" }\n');
  for (const bundle of present) {
    const file = join(out, `${bundle.name}.js`);
    const result = await build({
      absWorkingDir: root,
      entryPoints: [bundle.entry],
      outfile: file,
      write: false,
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      sourcemap: true,
      external: EXTERNAL,
      logLevel: 'warning',
      // CommonJS packages inside an ESM bundle still call `require` for Node's own modules.
      banner: { js: `${bundle.banner}import { createRequire as rfCreateRequire } from 'node:module';\nconst require = rfCreateRequire(import.meta.url);` },
    });
    say(`bundle build/js/${bundle.name}.js`);
    for (const output of result.outputFiles) {
      const path = output.path;
      const temporary = `${path}.${process.pid}.tmp`;
      writeFileSync(temporary, output.contents, { mode: path.endsWith('.js') ? 0o755 : 0o644 });
      renameSync(temporary, path);
    }
  }
}

/**
 * Builds `only` ('c', 'js' or both when undefined) for the variants named; libraries go below `into`. Returns the failures, one text each: a part that
 * does not compile does not keep the others from being built.
 */
export async function buildAll({ variantNames = ['release'], only, say = console.log, cudart = true, into = join(root, 'build') } = {}) {
  const failures = [];
  const attempt = async (work) => {
    try {
      await work();
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
  };
  if (only !== 'js') {
    for (const variant of variantNames) for (const part of parts) await attempt(() => buildPart(part, variant, { say, cudart, into }));
  }
  if (only !== 'c') await attempt(() => buildPrograms(say));
  return failures;
}

function options(argv) {
  const result = { variantNames: [], only: undefined, say: console.log, cudart: true, into: join(root, 'build') };
  for (let i = 0; i < argv.length; i++) {
    if (argv[i] === '--variant' && argv[i + 1] in variants) result.variantNames.push(argv[++i]);
    else if (argv[i] === '--only' && ['c', 'js'].includes(argv[i + 1])) result.only = argv[++i];
    else if (argv[i] === '--without-cudart') result.cudart = false;
    else if (argv[i] === '--into' && argv[i + 1]) result.into = resolve(argv[++i]);
    else if (argv[i] === '--quiet') result.say = () => {};
    else {
      console.error(`build: cannot use "${argv[i]}"; usage: node scripts/build.mjs [--variant release|asan|tsan]... [--only c|js] [--without-cudart] [--into FOLDER] [--quiet]`);
      process.exit(2);
    }
  }
  if (result.variantNames.length === 0) result.variantNames.push('release');
  return result;
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const failures = await buildAll(options(process.argv.slice(2)));
  for (const failure of failures) console.error(failure);
  process.exit(failures.length > 0 ? 1 : 0);
}
