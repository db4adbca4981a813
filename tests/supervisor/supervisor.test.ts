// test: timeout 120
// The supervisor with a fake executor: leases, crashes, floods, limits, removal, restart. What it must never do is let one zone's trouble reach another.
import { existsSync, lstatSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { controlSocket, stateFile } from '../../proxy/supervisor/paths.ts';
import type { Supervisor } from '../../proxy/supervisor/supervisor.ts';
import { groupNice, isAlive, mayBeIdle, policies } from '../support/processes.ts';
import { Bench, Client, failure, GiB, MiB, pidOf, request, until } from './bench.ts';

interface Context {
  bench: Bench;
  supervisor: Supervisor | null;
}

const test = suite<Context>('supervisor', { bench: null as unknown as Bench, supervisor: null });
const start = async (context: Context, options: Parameters<Bench['start']>[0] = {}): Promise<Supervisor> => (context.supervisor = await context.bench.start(options));

test.before.each((context) => {
  context.bench = new Bench();
  context.supervisor = null;
});
test.after.each(async (context) => {
  await context.supervisor?.stop();
  context.bench.remove();
});

test('a client of a fresh zone is served by a waiting executor, and its usage is seen', async (context) => {
  const supervisor = await start(context);
  const zone = await supervisor.createZone(request('a', 100 * MiB));
  assert.is(zone.state, 'idle');
  assert.is(statSync(zone.socket).mode & 0o777, 0o600);
  const client = new Client(zone.socket);
  const [name, pid] = (await client.ask('who')).split(' ');
  assert.is(name, 'a');
  assert.is(Number(pid), pidOf(supervisor.zone('a')));
  await client.ask(`alloc ${60 * MiB}`);
  await client.ask(`alloc ${60 * MiB}`);
  await until('usage arrives', () => supervisor.zone('a').usage.refused === 1);
  const { usage, state } = supervisor.zone('a');
  assert.is(usage.memory, 60 * MiB);
  assert.is(usage.memoryPeak, 60 * MiB);
  assert.is(usage.clients, 1);
  assert.is(state, 'running');
  client.end();
});

test('clients that come while the executor starts all wait and are served', async (context) => {
  const supervisor = await start(context, { pool: 0 });
  const zone = await supervisor.createZone(request('a', MiB));
  const clients = Array.from({ length: 20 }, () => new Client(zone.socket));
  const answers = await Promise.all(clients.map((client) => client.ask('who')));
  assert.is(new Set(answers).size, 1);
  for (const client of clients) client.end();
});

test('an idle zone has no executor, keeps its counters, and its next client gets another process', async (context) => {
  const supervisor = await start(context);
  const zone = await supervisor.createZone(request('a', 10 * MiB));
  const first = new Client(zone.socket);
  const one = await first.ask('who');
  await first.ask(`alloc ${MiB}`);
  await first.ask(`alloc ${GiB}`);
  first.end();
  await until('the executor is given up', () => supervisor.zone('a').state === 'idle');
  const { usage, restarts } = supervisor.zone('a');
  assert.is(usage.memory, 0);
  assert.is(usage.memoryPeak, MiB);
  assert.is(usage.refused, 1);
  assert.is(usage.calls, 3);
  assert.is(restarts, 0, 'an orderly end is no restart');
  await until('the old one is gone', () => !isAlive(Number(one.split(' ')[1])));
  const second = new Client(zone.socket);
  assert.is.not(await second.ask('who'), one);
  second.end();
});

test('an executor killed: usage reset, recorded, its objects swept, the next client served; another zone never notices', async (context) => {
  const supervisor = await start(context);
  const a = await supervisor.createZone(request('a', 10 * MiB));
  const b = await supervisor.createZone(request('b', 10 * MiB));
  const victim = new Client(a.socket);
  const bystander = new Client(b.socket);
  const before = await bystander.ask('who');
  await victim.ask(`alloc ${MiB}`);
  await victim.ask('leave-object');
  await until('usage arrives', () => supervisor.zone('a').usage.memory === MiB);
  const pid = pidOf(supervisor.zone('a'));
  process.kill(pid, 'SIGKILL');
  await victim.closed;
  await until('it is recorded', () => supervisor.zone('a').restarts === 1);
  const { usage, lastExit, state } = supervisor.zone('a');
  assert.equal([usage.memory, usage.clients, usage.allocations, state], [0, 0, 0, 'idle']);
  assert.is(usage.memoryPeak, MiB);
  assert.is(lastExit!.signal, 'SIGKILL');
  assert.is(lastExit!.why, null);
  assert.not.ok(existsSync(`/dev/shm/ringfence-${pid}-left`));
  const next = new Client(a.socket);
  assert.is.not(await next.ask('who'), `a ${pid}`);
  assert.is(await bystander.ask('who'), before);
  assert.is(supervisor.zone('b').restarts, 0);
  next.end();
  bystander.end();
});

test('an executor that exits by itself is recorded with its status', async (context) => {
  const supervisor = await start(context);
  const zone = await supervisor.createZone(request('a', MiB));
  const client = new Client(zone.socket);
  client.say('exit 9');
  await client.closed;
  await until('it is recorded', () => supervisor.zone('a').restarts === 1);
  assert.is(supervisor.zone('a').lastExit!.code, 9);
});

test('an executor that dies before it takes its clients: they are hung up, not left', async (context) => {
  process.env['FAKE_START_MS'] = '60000';
  try {
    const supervisor = await start(context);
    const zone = await supervisor.createZone(request('a', MiB));
    const clients = [new Client(zone.socket), new Client(zone.socket)];
    await until('an executor is chosen', () => supervisor.zone('a').executor !== null);
    process.kill(pidOf(supervisor.zone('a')), 'SIGKILL');
    await Promise.all(clients.map((client) => client.closed));
  } finally {
    delete process.env['FAKE_START_MS'];
  }
});

for (const [what, message] of [
  ['an unknown type', '{"type":"shell","command":"id"}'],
  ['a negative number', '{"type":"usage","usage":{"memory":-1,"memoryPeak":0,"clients":0,"allocations":0,"handles":0,"staging":0,"calls":0,"refused":0}}'],
  ['a field too many', '{"type":"idle","x":1}'],
  ['a prototype', '{"type":"usage","usage":{"__proto__":{"memory":1}}}'],
  ['null', 'null'],
  ['a second ready', '{"type":"ready","driver":{"path":"x","version":1,"software":true},"devices":[]}'],
] as const) {
  test(`a malformed message (${what}) ends the executor and nothing else`, async (context) => {
    const supervisor = await start(context);
    const zone = await supervisor.createZone(request('a', MiB));
    const other = await supervisor.createZone(request('b', MiB));
    const bystander = new Client(other.socket);
    await bystander.ask('who');
    const client = new Client(zone.socket);
    await client.ask('who');
    client.say(`malformed ${message}`);
    await client.closed;
    await until('it is recorded', () => supervisor.zone('a').restarts === 1);
    assert.is(supervisor.zone('a').usage.memory, 0);
    assert.match(context.bench.logged, /does not fit|twice/);
    await bystander.ask('who');
    bystander.end();
  });
}

test('an executor that floods the supervisor is ended', async (context) => {
  const supervisor = await start(context);
  const zone = await supervisor.createZone(request('a', MiB));
  const client = new Client(zone.socket);
  await client.ask('who');
  client.say('flood');
  await client.closed;
  await until('it is recorded', () => supervisor.zone('a').restarts === 1);
  assert.match(context.bench.logged, /messages in a second/);
});

test('limits change live; below what is in use they do not', async (context) => {
  const supervisor = await start(context);
  const zone = await supervisor.createZone(request('a', 10 * MiB));
  const client = new Client(zone.socket);
  await client.ask(`alloc ${5 * MiB}`);
  await until('usage arrives', () => supervisor.zone('a').usage.memory === 5 * MiB);
  assert.is((await failure(supervisor.setZone('a', { memory: 4 * MiB }))).code, 'ZONE_BELOW_USE');
  assert.is(supervisor.zone('a').limits.memory, 10 * MiB);
  const after = await supervisor.setZone('a', { memory: 6 * MiB, clients: 3 });
  assert.is(after.limits.memory, 6 * MiB);
  // Limits and clients' words come by different ways: the executor may read the client's first.
  for (const end = Date.now() + 30_000; ; ) {
    const told = JSON.parse(await client.ask('limits')) as { memory: number; clients: number };
    if (told.memory === 6 * MiB && told.clients === 3) break;
    assert.ok(Date.now() < end, `it was told ${JSON.stringify(told)}`);
  }
  assert.is((await failure(supervisor.setZone('a', { memory: 2 * GiB }))).code, 'QUOTA_EXCEEDS_CARD');
  assert.is((await failure(supervisor.setZone('x', { memory: 1 }))).code, 'ZONE_UNKNOWN');
  client.end();
});

test('removing a zone ends its clients and executor and takes its socket away', async (context) => {
  const supervisor = await start(context);
  const zone = await supervisor.createZone(request('a', MiB));
  const client = new Client(zone.socket);
  const pid = Number((await client.ask('who')).split(' ')[1]);
  await supervisor.removeZone('a');
  await client.closed;
  assert.not.ok(isAlive(pid));
  assert.not.ok(existsSync(join(zone.socket, '..')));
  assert.equal(supervisor.zones(), []);
  assert.is((await failure(supervisor.removeZone('a'))).code, 'ZONE_UNKNOWN');
  // The name and the memory are free again, at once.
  await Promise.all([supervisor.createZone(request('a', GiB)), supervisor.removeZone('a'), supervisor.createZone(request('a', GiB))]);
});

test('an executor that does not stop when asked is killed', async (context) => {
  const supervisor = await start(context, { driver: context.bench.driver('stubborn') });
  const zone = await supervisor.createZone(request('a', MiB));
  const client = new Client(zone.socket);
  const pid = Number((await client.ask('who')).split(' ')[1]);
  await supervisor.removeZone('a');
  assert.not.ok(isAlive(pid));
});

test('concurrent requests for the last of the card: one gets it', async (context) => {
  const supervisor = await start(context);
  const results = await Promise.allSettled(['a', 'b', 'c', 'd'].map((name) => supervisor.createZone(request(name, 0.75 * GiB))));
  assert.is(results.filter((each) => each.status === 'fulfilled').length, 1);
  assert.is(supervisor.zones().length, 1);
  assert.equal(readdirSync(join(context.bench.runDir, 'zones')).length, 1);
  const rest = await supervisor.createZone(request('rest', null));
  assert.is(rest.limits.memory, 0.25 * GiB);
});

test('a restart has the zones again; temporary ones are gone; sockets work', async (context) => {
  const first = await start(context);
  await first.createZone(request('kept', 100 * MiB, { token: 'secret', limits: { clients: 3 } }));
  await first.createZone(request('fleeting', MiB), true);
  await first.stop();
  assert.equal(readdirSync(context.bench.runDir).sort(), ['zones', 'zones.json']);
  assert.equal(readdirSync(join(context.bench.runDir, 'zones')), ['kept']);
  assert.equal(readdirSync(join(context.bench.runDir, 'zones/kept')), []);
  const second = await start(context);
  const [zone, ...others] = second.zones();
  assert.is(others.length, 0);
  assert.equal([zone!.name, zone!.limits.memory, zone!.limits.clients, zone!.token], ['kept', 100 * MiB, 3, true]);
  assert.is(second.access('kept').token, 'secret');
  const client = new Client(zone!.socket);
  assert.match(await client.ask('who'), /^kept /);
  client.end();
});

test('a stop with no zones leaves nothing, with clients connected or not', async (context) => {
  const supervisor = await start(context);
  const zone = await supervisor.createZone(request('a', MiB), true);
  const client = new Client(zone.socket);
  const pid = Number((await client.ask('who')).split(' ')[1]);
  await supervisor.stop();
  await client.closed;
  assert.not.ok(isAlive(pid));
  assert.not.ok(existsSync(context.bench.runDir));
  assert.is((await failure(supervisor.createZone(request('b', MiB)))).code, 'STOPPING');
});

test('a start that fails leaves nothing: corrupt state, a smaller card, a busy directory', async (context) => {
  const first = await start(context);
  await first.createZone(request('a', 900 * MiB));
  assert.is((await failure(context.bench.start())).code, 'RUN_DIR_BUSY');
  await first.stop();
  assert.is((await failure(context.bench.start({ cardMemory: 0.5 * GiB }))).code, 'QUOTA_EXCEEDS_CARD');
  writeFileSync(stateFile(context.bench.runDir), '{"version":1,');
  const error = await failure(context.bench.start());
  assert.is(error.code, 'STATE_CORRUPT');
  assert.ok(error.message.includes(stateFile(context.bench.runDir)));
  assert.equal(readdirSync(context.bench.runDir).sort(), ['zones', 'zones.json']);
  assert.is(readFileSync(stateFile(context.bench.runDir), 'utf8'), '{"version":1,', 'the damaged file is left for its owner');
  assert.not.ok(existsSync(controlSocket(context.bench.runDir)));
});

for (const [name, code, words] of [['failing', 'DRIVER_FAILED', /cuInit said 999/], ['crashing', 'EXECUTOR_FAILED', /status 7/], ['empty', 'DRIVER_FAILED', /no device/]] as const) {
  test(`a driver that does not work (${name}) is told at the start`, async (context) => {
    const error = await failure(context.bench.start({ driver: context.bench.driver(name) }));
    assert.is(error.code, code);
    assert.match(error.message, words);
    assert.not.ok(existsSync(context.bench.runDir));
  });
}

test('a driver or an executor program that is not there is named', async (context) => {
  const noDriver = await failure(context.bench.start({ driver: '/no/such/libcuda.so.1' }));
  assert.is(noDriver.code, 'DRIVER_NOT_FOUND');
  assert.match(noDriver.message, /\/no\/such/);
  assert.is((await failure(context.bench.start({ executor: '/no/such/executor.js' }))).code, 'EXECUTOR_MISSING');
});

test('executors get the card: a descriptor and its size', async (context) => {
  const supervisor = await start(context, { cardMemory: 3 * GiB });
  assert.is(supervisor.status().devices[0]!.totalMemory, 3 * GiB);
  const zone = await supervisor.createZone(request('a', MiB));
  const client = new Client(zone.socket);
  const [fd, bytes] = (await client.ask('card')).split(' ');
  assert.is(Number(bytes), 3 * GiB);
  const link = `/proc/${pidOf(supervisor.zone('a'))}/fd/${fd}`;
  assert.ok(lstatSync(link).isSymbolicLink());
  assert.is(statSync(link).size, 3 * GiB);
  assert.is(await client.ask('env RINGFENCE_SOCKET'), '-');
  client.end();
});

test('the pool is refilled after a lease and after a spare has died', async (context) => {
  const supervisor = await start(context, { pool: 2 });
  await until('two wait', () => supervisor.status().pool.ready === 2);
  const zone = await supervisor.createZone(request('a', MiB));
  const client = new Client(zone.socket);
  await client.ask('who');
  await until('two wait again', () => supervisor.status().pool.ready === 2);
  client.end();
});

test('a spare that never says it has rehearsed leaves the background all the same', async (context) => {
  const children = () => readdirSync('/proc/self/task').flatMap((thread) => readFileSync(`/proc/self/task/${thread}/children`, 'latin1').split(' ').filter(Boolean).map(Number));
  const before = new Set(children());
  const supervisor = await start(context, { backgroundMs: 1000 });
  const zone = await supervisor.createZone(request('a', MiB));
  const client = new Client(zone.socket);
  const own = Number((await client.ask('who')).split(' ')[1]);
  const spare = () => children().find((pid) => pid !== own && !before.has(pid));
  await until('there is a spare', () => spare() !== undefined);
  const pid = spare()!;
  if (mayBeIdle()) assert.ok(policies(pid).has('5'), 'it begins in the background');
  await until('and so does its session, where sessions have shares', () => groupNice(pid) !== '0');
  await until('it is as any other process', () => [...policies(pid)].join() === '0' && groupNice(pid) !== '19');
  client.end();
});

test('a flood of connections to a slow executor does not use up the supervisor', async (context) => {
  const go = join(context.bench.folder, 'go');
  process.env['FAKE_START_FILE'] = go;
  try {
    const supervisor = await start(context);
    const zone = await supervisor.createZone(request('a', MiB));
    const other = await supervisor.createZone(request('b', MiB));
    const before = readdirSync('/proc/self/fd').length;
    const flood = Array.from({ length: 300 }, () => net.connect(zone.socket).on('error', () => {}));
    const closed = () => flood.filter((socket) => socket.destroyed || socket.closed).length;
    // 128 wait here, one came with the zone, about ten are on their way.
    await until('those beyond the limit are turned away', () => closed() >= 150);
    writeFileSync(go, '');
    for (const socket of flood) socket.destroy();
    const client = new Client(other.socket);
    assert.match(await client.ask('who'), /^b /);
    client.end();
    await until('descriptors come back', () => readdirSync('/proc/self/fd').length <= before + 8);
  } finally {
    delete process.env['FAKE_START_FILE'];
  }
});

test.run();
