// test: timeout 180
// The command line as its users meet it: processes, their output and statuses. The executor is the supervisor tests' fake one; the real one
// is exercised by the end-to-end tests.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { layout } from '../../proxy/supervisor/layout.ts';
import type { Status, ZoneView } from '../../proxy/supervisor/supervisor.ts';
import { isAlive } from '../support/processes.ts';
import { Client, fakeExecutor, GiB, MiB, until } from '../supervisor/bench.ts';

const folder = mkdtempSync(join(tmpdir(), 'rf-cli-'));
const temporary = join(folder, 'tmp');
mkdirSync(temporary);
const driver = join(folder, 'good');
writeFileSync(driver, '');
const run = join(folder, 'run');
const { cli, clientLibraries } = layout();
const env: NodeJS.ProcessEnv = {
  ...process.env, RINGFENCE_RUN_DIR: run, RINGFENCE_EXECUTOR: fakeExecutor, RINGFENCE_DRIVER: driver, TMPDIR: temporary, NO_COLOR: '1', COLUMNS: '80',
};
for (const name of ['RINGFENCE_STUB_MEMORY', 'RINGFENCE_LOG', 'RINGFENCE_SOCKET', 'RINGFENCE_TOKEN', 'NODE_OPTIONS', 'LD_LIBRARY_PATH']) delete env[name];

interface Result {
  status: number | null;
  out: string;
  err: string;
}

const begin = (args: string[], more: NodeJS.ProcessEnv = {}): ChildProcess & { result: Promise<Result> } => {
  const child = spawn(process.execPath, [cli, ...args], { env: { ...env, ...more }, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.on('data', (data) => (out += data));
  child.stderr.on('data', (data) => (err += data));
  return Object.assign(child, { result: once(child, 'close').then(([status]) => ({ status: status as number | null, out, err })) });
};
/** What a command prints first; an error when it ends without. */
const firstOutput = (command: ReturnType<typeof begin>): Promise<string> =>
  new Promise((done, fail) => {
    command.stdout!.once('data', (data: Buffer) => done(data.toString()));
    void command.result.then(({ status, err }) => fail(new Error(`status ${status}: ${err}`)));
  });
const ringfence = (...args: string[]): Promise<Result> => begin(args).result;
const zones = async (): Promise<ZoneView[]> => JSON.parse((await ringfence('zone', 'list', '--json')).out) as ZoneView[];

async function serve(args: string[] = [], more: NodeJS.ProcessEnv = {}): Promise<ReturnType<typeof begin>> {
  const daemon = begin(['serve', ...args], more);
  let said = '';
  daemon.stdout!.on('data', (data) => (said += data));
  void daemon.result.then(({ err }) => (said ||= `serving? no: ${err}`));
  await until('the daemon serves', () => said.includes('serving'));
  return daemon;
}

let daemon: Awaited<ReturnType<typeof serve>> | null = null;
const stop = async (): Promise<Result> => {
  daemon!.kill('SIGTERM');
  const result = await daemon!.result;
  daemon = null;
  return result;
};
test.after.each(async () => {
  if (daemon) await stop();
  rmSync(run, { recursive: true, force: true });
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

test('every command has help, and it fits 80 columns', async () => {
  for (const command of [[], ['serve'], ['zone'], ['zone', 'create'], ['zone', 'list'], ['zone', 'show'], ['zone', 'set'], ['zone', 'remove'], ['status'], ['run']]) {
    const { status, out } = await ringfence(...command, '--help');
    assert.is(status, 0, command.join(' '));
    assert.match(out, /Usage: ringfence/);
    for (const line of out.split('\n')) assert.ok(line.length <= 80, line);
  }
});

test('wrong usage is status 2 and names the flag and the fix', async () => {
  const cases: [string[], RegExp][] = [
    [['zone', 'create', 'a'], /--memory/],
    [['zone', 'create', 'a', '--memory', '1.5Gi'], /--memory.*1\.5Gi[^]*16Gi/],
    [['zone', 'create', 'a', '--memory', 'lots'], /--memory.*lots[^]*1073741824/],
    [['zone', 'create', 'a', '--memory', '1G', '--clients', 'x'], /--clients.*at least 1/],
    [['zone', 'create', 'a', '--memory', '1G', '--staging', '1ZB'], /--staging/],
    [['zone', 'create', '--memory', '1G'], /name/],
    [['zone', 'create', 'a', '--memory', '1G', '--memroy', '2G'], /--memroy[^]*--memory/],
    [['zone', 'create', 'a', '--memroy', '2G'], /--memroy[^]*--memory/],
    [['zone', 'set', 'a'], /--memory/],
    [['serve', '--log-level', 'loud'], /--log-level.*loud[^]*debug/],
    [['serve', '--pool', '-1'], /--pool/],
    [['frobnicate'], /frobnicate/],
    [['run'], /command/],
    [['zone'], /create/],
  ];
  for (const [args, words] of cases) {
    const { status, err, out } = await ringfence(...args);
    assert.is(status, 2, `${args.join(' ')}: ${out}${err}`);
    assert.match(err, words);
  }
});

test('with no daemon: status 1 and how to start one', async () => {
  for (const args of [['zone', 'list'], ['status'], ['zone', 'create', 'a', '--memory', '1G'], ['zone', 'remove', 'a']]) {
    const { status, err } = await ringfence(...args);
    assert.is(status, 1);
    assert.match(err, /no daemon answers in .*run[^]*NO_DAEMON[^]*fix: .*ringfence serve/);
  }
});

test('serve, create, list, show, set, remove, status, stop', async () => {
  daemon = await serve(['--card-memory', '4Gi']);
  const made = await ringfence('zone', 'create', 'alpha', '--memory', '1Gi', '--clients', '5', '--staging', '64Mi');
  assert.is(made.status, 0, made.err);
  assert.match(made.out, /alpha.*1Gi.*zone\.sock/);
  await ringfence('zone', 'create', 'beta', '--memory', '2G');
  const again = await ringfence('zone', 'create', 'beta', '--memory', '1');
  assert.is(again.status, 1);
  assert.match(again.err, /ZONE_EXISTS/);
  const over = await ringfence('zone', 'create', 'gamma', '--memory', '2Gi');
  assert.is(over.status, 1);
  assert.match(over.err, /QUOTA_EXCEEDS_CARD[^]*--memory at most/);
  assert.match((await ringfence('zone', 'create', '../x', '--memory', '1')).err, /ZONE_NAME_INVALID/);

  const list = await ringfence('zone', 'list');
  assert.match(list.out, /NAME +MEMORY +PEAK +CLIENTS +ALLOCS +HANDLES +CALLS +REFUSED +STATE/);
  assert.match(list.out, /alpha +0\/1Gi +0 +0\/5 .*idle/);
  for (const line of list.out.split('\n')) assert.ok(line.length <= 80, line);
  assert.equal((await zones()).map(({ name, limits }) => [name, limits.memory, limits.clients, limits.staging]), [['alpha', GiB, 5, 64 * MiB], ['beta', 2e9, 64, GiB]]);

  assert.match((await ringfence('zone', 'show', 'alpha')).out, /memory +0 of 1Gi \(1073741824 bytes\)/);
  assert.is((JSON.parse((await ringfence('zone', 'show', 'alpha', '--json')).out) as ZoneView).name, 'alpha');
  assert.match((await ringfence('zone', 'show', 'nobody')).err, /ZONE_UNKNOWN/);
  assert.is((await ringfence('zone', 'set', 'alpha', '--memory', '512Mi', '--handles', '7')).status, 0);
  assert.equal((({ memory, handles, clients }) => [memory, handles, clients])((await zones())[0]!.limits), [512 * MiB, 7, 5]);
  assert.is((await ringfence('zone', 'remove', 'beta')).status, 0);
  assert.equal((await zones()).map(({ name }) => name), ['alpha']);

  const status = JSON.parse((await ringfence('status', '--json')).out) as Status;
  assert.equal([status.pid, status.devices[0]!.totalMemory, status.devices[0]!.promised, status.driver.path], [daemon.pid, 4 * GiB, 512 * MiB, driver]);
  assert.match((await ringfence('status')).out, /Fake GPU, 4Gi, 512Mi promised/);
  await ringfence('zone', 'remove', 'alpha');
  assert.is((await stop()).status, 0);
  assert.not.ok(existsSync(run));
});

test('two daemons live side by side, not in one run directory', async () => {
  daemon = await serve();
  const second = await ringfence('serve');
  assert.is(second.status, 1);
  assert.match(second.err, new RegExp(`process ${daemon.pid}[^]*RUN_DIR_BUSY`));
  const elsewhere = await serve(['--run-dir', `${run}-2`]);
  assert.is((await ringfence('status', '--run-dir', `${run}-2`)).status, 0);
  elsewhere.kill('SIGINT');
  assert.is((await elsewhere.result).status, 0);
});

test('a killed daemon leaves no executor, and the next one starts over what it left', async () => {
  daemon = await serve();
  await ringfence('zone', 'create', 'a', '--memory', '1Mi');
  const [zone] = await zones();
  const client = new Client(zone!.socket);
  const pid = Number((await client.ask('who')).split(' ')[1]);
  daemon.kill('SIGKILL');
  await daemon.result;
  await client.closed;
  await until('the executor is gone', () => !isAlive(pid));
  assert.ok(existsSync(zone!.socket));
  daemon = await serve();
  const next = new Client((await zones())[0]!.socket);
  assert.match(await next.ask('who'), /^a /);
  next.end();
});

test('a run directory too long for sockets is refused in words', async () => {
  const { status, err } = await ringfence('serve', '--run-dir', join(folder, 'x'.repeat(100)));
  assert.is(status, 1);
  assert.match(err, /SOCKET_PATH_TOO_LONG[^]*RINGFENCE_RUN_DIR/);
});

const script = (text: string): string[] => ['--', 'sh', '-c', text];

test('run: a private daemon for the command, of which nothing is left', async () => {
  const { status, out, err } = await ringfence('run', '--memory', '64Mi', ...script('echo $RINGFENCE_SOCKET; echo ${RINGFENCE_TOKEN-none}; echo $LD_LIBRARY_PATH; test -S $RINGFENCE_SOCKET; exit 42'));
  assert.is(status, 42, err);
  const [socket, token, libraries] = out.split('\n');
  assert.ok(socket!.endsWith('/zone.sock'));
  assert.is(token, 'none');
  assert.is(libraries, clientLibraries);
  assert.not.ok(existsSync(socket!));
  assert.equal(readdirSync(temporary), []);
  assert.not.ok(existsSync(run));
  assert.is(err, '');
});

test('run: statuses are the command\'s, 128+n, 127, 126 and 125', async () => {
  const file = join(folder, 'not-executable');
  writeFileSync(file, 'x');
  chmodSync(file, 0o644);
  daemon = await serve();
  await ringfence('zone', 'create', 'default', '--memory', '1Mi');
  assert.is((await ringfence('run', 'true')).status, 0);
  assert.is((await ringfence('run', ...script('kill -TERM $$'))).status, 143);
  assert.is((await ringfence('run', ...script('kill -KILL $$'))).status, 137);
  const missing = await ringfence('run', '--', 'no-such-command-here');
  assert.is(missing.status, 127);
  assert.match(missing.err, /no-such-command-here[^]*fix:/);
  assert.is((await ringfence('run', '--', file)).status, 126);
  assert.is((await ringfence('run', '--', folder)).status, 126);
  assert.is((await ringfence('run', '--zone', 'nobody', 'true')).status, 125);
});

test('run: options after the command are the command\'s', async () => {
  daemon = await serve();
  await ringfence('zone', 'create', 'default', '--memory', '1Mi');
  assert.is((await ringfence('run', 'echo', '--zone', 'x', '-n')).out, '--zone x -n\n');
  assert.is((await ringfence('run', '--zone', 'default', '--', 'printf', '%s', '--help')).out, '--help');
});

test('run: with a daemon: the default zone, a named one with its token, a temporary one that is gone afterwards', async () => {
  daemon = await serve();
  const none = await ringfence('run', 'true');
  assert.is(none.status, 125);
  assert.match(none.err, /DEFAULT_ZONE_MISSING[^]*--zone[^]*--memory/);
  await ringfence('zone', 'create', 'locked', '--memory', '1Mi', '--token', 's3cret');
  const named = await ringfence('run', '--zone', 'locked', ...script('echo $RINGFENCE_SOCKET $RINGFENCE_TOKEN'));
  assert.is(named.out, `${(await zones())[0]!.socket} s3cret\n`);
  const command = begin(['run', '--memory', '2Mi', ...script('echo in; exec sleep 30')]);
  await firstOutput(command);
  const during = (await zones()).find((each) => each.temporary);
  assert.is(during!.limits.memory, 2 * MiB);
  command.kill('SIGTERM');
  assert.is((await command.result).status, 143);
  let left = 2;
  for (let i = 0; i < 100 && left > 1; i++) left = (await zones()).length;
  assert.is(left, 1);
  assert.is((await ringfence('run', '--zone', 'locked', '--memory', '1Mi', 'true')).status, 125, 'the name is taken');
});

test('run: a killed command line takes its temporary zone with it', async () => {
  daemon = await serve();
  const command = begin(['run', '--memory', '2Mi', ...script('echo $$; exec sleep 30')]);
  const pid = await firstOutput(command);
  assert.is((await zones()).length, 1);
  command.kill('SIGKILL');
  let left = 1;
  for (let i = 0; i < 100 && left > 0; i++) left = (await zones()).length;
  assert.is(left, 0);
  process.kill(Number(pid), 'SIGKILL');
});

test('run: a killed command line takes its private daemon with it', async () => {
  const command = begin(['run', '--memory', '2Mi', ...script('echo $$; exec sleep 30')]);
  const pid = await firstOutput(command);
  assert.is(readdirSync(temporary).length, 1);
  command.kill('SIGKILL');
  await until('its run directory is gone', () => readdirSync(temporary).length === 0);
  process.kill(Number(pid), 'SIGKILL');
});

test('run: signals reach the command', async () => {
  const command = begin(['run', '--memory', '2Mi', ...script('trap "echo got; exit 5" INT; echo up; while :; do sleep 0.05; done')]);
  await firstOutput(command);
  command.kill('SIGINT');
  const { status, out } = await command.result;
  assert.is(status, 5);
  assert.match(out, /got/);
});

test('run: an interrupt while the private daemon starts leaves nothing', async () => {
  const command = begin(['run', '--memory', '2Mi', 'true']);
  await until('the private daemon is being started', () => readdirSync(temporary).length === 1);
  command.kill('SIGTERM');
  const { status } = await command.result;
  assert.ok(status === 143 || status === 0, String(status));
  assert.equal(readdirSync(temporary), []);
});

test('run: a private daemon that cannot start is told and nothing is left', async () => {
  const bad = join(folder, 'failing');
  writeFileSync(bad, '');
  const { status, err } = await begin(['run', '--memory', '2Mi', 'true'], { RINGFENCE_DRIVER: bad }).result;
  assert.is(status, 125);
  assert.match(err, /cuInit said 999[^]*DAEMON_DIED/);
  assert.equal(readdirSync(temporary), []);
});

test('run: with no memory given a private zone gets the whole device; a large one a larger card', async () => {
  const whole = 'cat <&3 >/dev/null 2>&1; true';
  assert.is((await ringfence('run', ...script(whole))).status, 0);
  assert.is((await ringfence('run', '--memory', '64Gi', 'true')).status, 0);
  const small = await begin(['run', '--memory', '2Gi', 'true'], { RINGFENCE_STUB_MEMORY: '1Gi' }).result;
  assert.is(small.status, 125);
  assert.match(small.err, /QUOTA_EXCEEDS_CARD/);
});

test.run();
