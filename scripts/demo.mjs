#!/usr/bin/env node
/**
 * `npm run demo`: what Ringfence does, in one run: two zones at once on one GPU (the real one where a GPU answers, else the
 * software one), kernels in both, a quota that holds, one zone trying another's handles, and what each used.
 *
 * Everything it starts ends with it, and it leaves nothing behind. Exit 0 only if every step showed what it says.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setup } from './setup.mjs';

const root = resolve(fileURLToPath(new URL('..', import.meta.url)));
const began = Date.now();
if ((await setup({})) !== 0) process.exit(1);

const color = process.stdout.isTTY && !process.env.NO_COLOR;
const bold = (s) => (color ? `\x1b[1m${s}\x1b[0m` : s);
const green = (s) => (color ? `\x1b[32m${s}\x1b[0m` : s);
const red = (s) => (color ? `\x1b[31m${s}\x1b[0m` : s);
const say = (s = '') => console.log(s);
const step = (s) => say(`\n${bold(s)}`);
let failures = 0;
const show = (good, s) => {
  if (!good) failures++;
  say(`  ${good ? green('✓') : red('✗')} ${s}`);
};
const indent = (text) => text.trimEnd().split('\n').map((l) => `  ${l.trim()}`).join('\n');

// The tenants: ordinary driver-API programs, linked with -lcuda.
const programs = join(root, 'build/demo');
mkdirSync(programs, { recursive: true });
for (const name of ['tour', 'holder', 'intruder', 'matmul']) {
  const made = spawnSync(process.env.CC ?? 'cc', ['-std=c11', '-D_GNU_SOURCE', '-O2', `-I${join(root, 'idm')}`, `-I${join(root, 'idm/generated')}`,
    join(root, `tests/programs/${name}.c`), '-o', join(programs, name), `-L${join(root, 'build/lib')}`, '-lcuda'], { encoding: 'utf8' });
  if (made.status !== 0) {
    console.error(`demo: cannot compile tests/programs/${name}.c:\n${made.stderr}`);
    process.exit(1);
  }
}

const runDir = mkdtempSync(join(tmpdir(), 'ringfence-demo-'));
const env = { ...process.env, RINGFENCE_RUN_DIR: runDir };
const cli = join(root, 'build/js/ringfence.js');
const ringfence = (...args) => spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8', env });
/** Runs a command in a zone; resolves with its status, what it said, and how long it took. */
const inZone = (zone, ...command) => new Promise((done) => {
  const start = Date.now();
  const child = spawn(process.execPath, [cli, 'run', '--zone', zone, '--', ...command], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  child.stdout.on('data', (d) => (out += d));
  child.stderr.on('data', (d) => (out += d));
  child.once('exit', (status) => done({ status, out, ms: Date.now() - start }));
});

const daemon = spawn(process.execPath, [cli, 'serve'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
let daemonSaid = '';
for (const s of [daemon.stdout, daemon.stderr]) s.on('data', (d) => (daemonSaid += d));
const stop = () => {
  daemon.kill('SIGTERM');
};
process.once('SIGINT', () => (stop(), process.exit(130)));

async function main() {
  for (let i = 0; ringfence('status', '--json').status !== 0; i++) {
    if (i > 100 || daemon.exitCode !== null) throw new Error(`the daemon did not start:\n${daemonSaid}`);
    await new Promise((r) => setTimeout(r, 50));
  }
  step('1. A daemon, and two zones on one GPU');
  say(indent(ringfence('status').stdout));
  for (const [zone, memory] of [['alice', '512Mi'], ['bob', '64Mi']]) {
    const made = ringfence('zone', 'create', zone, '--memory', memory);
    show(made.status === 0, `ringfence zone create ${zone} --memory ${memory}${made.status === 0 ? '' : `: ${made.stderr}`}`);
  }

  const have = spawnSync('ffmpeg', ['-version']).status === 0;
  step(`2. Both at work at once, unmodified: a CUDA driver-API program${have ? ' and ffmpeg' : ''}`);
  const filter = (chain) => ['ffmpeg', '-v', 'error', ...(chain.includes('cuda') ? ['-init_hw_device', 'cuda=cu:0', '-filter_hw_device', 'cu'] : []),
    '-f', 'lavfi', '-i', 'testsrc2=size=640x360:rate=25:duration=2', '-vf', chain, '-f', 'framemd5', '-'];
  const hashes = (text) => text.split('\n').filter((l) => /^\d+,/.test(l)).join('\n');
  const work = [inZone('alice', join(programs, 'tour'), '128'), inZone('bob', join(programs, 'tour'), '32')];
  if (have) work.push(inZone('alice', ...filter('format=nv12,hwupload_cuda,hwdownload,format=nv12')), inZone('bob', ...filter('format=nv12,hwupload_cuda,hwdownload,format=nv12')));
  const [alice, bob, ...videos] = await Promise.all(work);
  for (const [zone, r] of [['alice', alice], ['bob', bob]]) {
    show(r.status === 0, `tour in ${zone}, ${r.ms} ms`);
    say(indent(r.out));
  }
  if (have) {
    const [command, ...args] = filter('format=nv12');
    const plain = hashes(spawnSync(command, args, { encoding: 'utf8' }).stdout);
    for (const [i, r] of videos.entries()) {
      const same = r.status === 0 && plain !== '' && hashes(r.out) === plain;
      show(same, `ffmpeg in ${['alice', 'bob'][i]}: ${plain.split('\n').length} frames, ${same ? 'every hash as without the GPU' : `hashes differ or it failed:\n${r.out}`}, ${r.ms} ms`);
    }
  } else say('  (ffmpeg is not installed: apt-get install ffmpeg shows frames going through the zones too)');

  step('3. Kernels: matrix multiplication, compiled by nvcc to PTX, in both zones at once');
  const kernels = await Promise.all(['alice', 'bob'].map((zone) => inZone(zone, join(programs, 'matmul'), join(root, 'tests/cuda/ptx/matmul.ptx'))));
  for (const [i, r] of kernels.entries()) {
    show(r.status === 0, `matmul in ${['alice', 'bob'][i]}, ${r.ms} ms`);
    say(indent(r.out));
  }

  step('4. The quota holds: bob has 64 MiB and asks for 96');
  const refused = await inZone('bob', join(programs, 'tour'), '96');
  show(refused.status === 2, refused.status === 2 ? 'refused' : `expected a refusal, got status ${refused.status}`);
  say(indent(refused.out));

  step("5. bob tries alice's memory, stream, event and context");
  const holder = spawn(process.execPath, [cli, 'run', '--zone', 'alice', '--', join(programs, 'holder')], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  let held = '';
  holder.stdout.on('data', (d) => (held += d));
  const gone = new Promise((done) => holder.once('exit', done));
  while (!held.includes('\n') && holder.exitCode === null) await new Promise((r) => setTimeout(r, 10));
  const intruder = await inZone('bob', join(programs, 'intruder'), ...held.trim().split(' '));
  say(indent(intruder.out));
  show(intruder.status === 0, 'every attempt was refused');
  holder.stdin.end();
  show((await gone) === 0, "alice's secret is untouched");

  step('6. What each zone used');
  say(ringfence('zone', 'list').stdout.trimEnd());
}

let problem = null;
try {
  await main();
} catch (error) {
  problem = error;
}
const ended = new Promise((done) => (daemon.exitCode === null && daemon.signalCode === null ? daemon.once('exit', done) : done(null)));
stop();
await ended;
rmSync(runDir, { recursive: true, force: true });
if (problem) {
  console.error(`\ndemo: ${problem.message}`);
  process.exit(1);
}
say();
if (failures) say(red(`${failures} of the demo's steps did not show what they should (${((Date.now() - began) / 1000).toFixed(1)} s)`));
else {
  say(green(`All of it held, in ${((Date.now() - began) / 1000).toFixed(1)} s. The daemon has stopped and left nothing behind.`));
  say(`Your own program:  ${bold('scripts/ringfence run --memory 1Gi -- ./my-cuda-app')}`);
}
process.exit(failures ? 1 : 0);
