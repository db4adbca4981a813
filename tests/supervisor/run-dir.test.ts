// The run directory: where it is, who may use it, one daemon at a time, and what a crash leaves in it and in /dev/shm.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkSocketPath, controlSocket, defaultRunDir, pidFile, zoneSocket } from '../../proxy/supervisor/paths.ts';
import { RunDir, sweepSharedMemory } from '../../proxy/supervisor/run-dir.ts';

const folder = mkdtempSync(join(tmpdir(), 'rf-run-'));
const run = join(folder, 'run');
test.after(() => rmSync(folder, { recursive: true, force: true }));
const throwsCode = (code: string, work: () => unknown): Error => {
  try {
    work();
  } catch (error) {
    assert.is((error as { code?: string }).code, code);
    return error as Error;
  }
  throw new Error(`not refused with ${code}`);
};

test('where it is by default', () => {
  assert.is(defaultRunDir({ RINGFENCE_RUN_DIR: '/x/y' }, 0), '/x/y');
  assert.is(defaultRunDir({ RINGFENCE_RUN_DIR: 'rel' }, 0), join(process.cwd(), 'rel'));
  assert.is(defaultRunDir({ XDG_RUNTIME_DIR: '/run/user/0' }, 0), '/run/ringfence');
  assert.is(defaultRunDir({ XDG_RUNTIME_DIR: '/run/user/7' }, 7), '/run/user/7/ringfence');
  assert.is(defaultRunDir({}, 7), '/tmp/ringfence-7');
  assert.is(defaultRunDir({ RINGFENCE_RUN_DIR: '' }, 7), '/tmp/ringfence-7');
});

test('is made, passable but not listable by others, and gone when nothing is kept', () => {
  const opened = RunDir.open(run);
  assert.is(statSync(run).mode & 0o777, 0o711);
  assert.is(statSync(join(run, 'zones')).mode & 0o777, 0o711);
  opened.close();
  assert.not.ok(existsSync(run));
});

test('one daemon at a time, told by its process id', async () => {
  const first = RunDir.open(run);
  const error = throwsCode('RUN_DIR_BUSY', () => RunDir.open(run));
  assert.match(error.message, new RegExp(`process ${process.pid}`));
  first.close();
  RunDir.open(run).close();
});

test('a lock dies with its holder, and what the holder left is swept', async () => {
  const holder = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', `
    import { createServer } from 'node:net';
    import { mkdirSync, writeFileSync } from 'node:fs';
    import { RunDir } from ${JSON.stringify(new URL('../../proxy/supervisor/run-dir.ts', import.meta.url).href)};
    const run = ${JSON.stringify(run)};
    RunDir.open(run);
    for (const name of ['kept', 'lost']) {
      mkdirSync(run + '/zones/' + name, { recursive: true });
      await new Promise((done) => createServer().listen(run + '/zones/' + name + '/zone.sock', done));
    }
    await new Promise((done) => createServer().listen(run + '/control.sock', done));
    writeFileSync(run + '/zones.json.99.tmp', '{');
    console.log('up');
    setInterval(() => {}, 1000);
  `], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(holder.stdout, 'data');
  throwsCode('RUN_DIR_BUSY', () => RunDir.open(run));
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  assert.ok(existsSync(controlSocket(run)), 'the crash left a socket');

  const next = RunDir.open(run);
  next.sweep(new Set(['kept']));
  assert.equal(readdirSync(run).sort(), ['daemon.pid', 'zones']);
  assert.equal(readdirSync(join(run, 'zones')), ['kept']);
  assert.equal(readdirSync(join(run, 'zones/kept')), []);
  next.close();
  assert.not.ok(existsSync(pidFile(run)));
  rmSync(run, { recursive: true });
});

test('a file, a link or another user\'s directory in its place is refused', () => {
  writeFileSync(run, '');
  throwsCode('RUN_DIR_UNUSABLE', () => RunDir.open(run));
  rmSync(run);
  const real = join(folder, 'real');
  mkdirSync(real);
  symlinkSync(real, run);
  throwsCode('RUN_DIR_UNUSABLE', () => RunDir.open(run));
  rmSync(run);
  if (process.getuid!() === 0) {
    mkdirSync(run);
    chownSync(run, 12345, 12345);
    throwsCode('RUN_DIR_NOT_OURS', () => RunDir.open(run));
    rmSync(run, { recursive: true });
  }
});

test('a place where nothing can be made is refused, deep ones are made', () => {
  throwsCode('RUN_DIR_UNUSABLE', () => RunDir.open('/proc/nope/deeper'));
  const deep = join(folder, 'one/two/three');
  RunDir.open(deep).close();
});

test('a path too long for a socket is refused in words', async () => {
  const fits = `/${'x'.repeat(106)}`;
  checkSocketPath(fits);
  const error = throwsCode('SOCKET_PATH_TOO_LONG', () => checkSocketPath(`${fits}x`));
  assert.match(error.message, /108 bytes.*107/);
  throwsCode('SOCKET_PATH_TOO_LONG', () => RunDir.open(join(folder, 'y'.repeat(100))));
  // Bytes, not characters.
  throwsCode('SOCKET_PATH_TOO_LONG', () => checkSocketPath(`/${'ä'.repeat(60)}`));
  // The kernel agrees that 107 work.
  const path = join(folder, 'z'.repeat(107 - folder.length - 1));
  assert.is(path.length, 107);
  const server = createServer();
  await new Promise<void>((done, fail) => server.on('error', fail).listen(path, done));
  server.close();
});

test('the zone\'s folder is what a container mounts', () => {
  assert.is(zoneSocket('/run/ringfence', 'a'), '/run/ringfence/zones/a/zone.sock');
});

test('shared memory of dead executors is removed, of living ones and strangers not', async () => {
  const shm = join(folder, 'shm');
  mkdirSync(shm);
  const dead = spawn('true');
  await once(dead, 'exit');
  const alive = `ringfence-${process.pid}-a`;
  for (const name of [`ringfence-${dead.pid}-a`, `ringfence-${dead.pid}-b`, alive, 'ringfence-x', `other-${dead.pid}-a`]) writeFileSync(join(shm, name), '');
  assert.is(sweepSharedMemory(undefined, shm), 2);
  assert.equal(readdirSync(shm).sort(), [`other-${dead.pid}-a`, alive, 'ringfence-x'].sort());
  assert.is(sweepSharedMemory(process.pid, shm), 1);
  assert.is(sweepSharedMemory(undefined, join(folder, 'absent')), 0);
});

test.run();
