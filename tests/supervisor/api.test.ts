// The control API: who may open it, requests that do not fit, errors as {code, message, fix}, and leases that end with their connection.
import http from 'node:http';
import net from 'node:net';
import { existsSync, statSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ApiClient } from '../../proxy/api/client.ts';
import { startApi } from '../../proxy/api/server.ts';
import type { ErrorBody } from '../../proxy/errors.ts';
import { controlSocket } from '../../proxy/supervisor/paths.ts';
import type { Supervisor } from '../../proxy/supervisor/supervisor.ts';
import { Bench, failure, GiB, MiB, request, until } from './bench.ts';

interface Context {
  bench: Bench;
  supervisor: Supervisor;
  api: { close(): Promise<void> };
  client: ApiClient;
}

const test = suite<Context>('api');

test.before(async (context) => {
  context.bench = new Bench();
  context.supervisor = await context.bench.start();
  context.api = await startApi(context.supervisor, context.bench.log);
  context.client = new ApiClient(context.bench.runDir);
});
test.after.each(async ({ supervisor }) => {
  for (const { name } of supervisor.zones()) await supervisor.removeZone(name).catch(() => {});
});
test.after(async ({ api, supervisor, bench }) => {
  await api.close();
  await supervisor.stop();
  bench.remove();
});

/** A request as no client of ours would send it. */
const raw = ({ bench }: Context, method: string, path: string, body?: string, type = 'application/json'): Promise<{ status: number; error: ErrorBody }> =>
  new Promise((done, fail) => {
    const sent = http.request({ socketPath: controlSocket(bench.runDir), method, path, agent: false, headers: body === undefined ? {} : { 'content-type': type } }, (response) => {
      let text = '';
      response.on('data', (data) => (text += data));
      response.on('end', () => done({ status: response.statusCode!, error: JSON.parse(text) as ErrorBody }));
    });
    sent.on('error', fail);
    sent.end(body);
  });

test('its socket is the daemon\'s user\'s alone', ({ bench }) => {
  assert.is(statSync(controlSocket(bench.runDir)).mode & 0o777, 0o600);
});

test('requests that do not fit are refused in words and change nothing', async (context) => {
  const zone = (more: object): string => JSON.stringify({ name: 'a', memory: 1, ...more });
  const cases: [string, string, string | undefined, string, number][] = [
    ['POST', '/v1/zones', undefined, 'REQUEST_INVALID', 400],
    ['POST', '/v1/zones', '', 'REQUEST_INVALID', 400],
    ['POST', '/v1/zones', '{', 'REQUEST_INVALID', 400],
    ['POST', '/v1/zones', 'null', 'REQUEST_INVALID', 400],
    ['POST', '/v1/zones', '[]', 'REQUEST_INVALID', 400],
    ['POST', '/v1/zones', zone({ memory: '1Gi' }), 'REQUEST_INVALID', 400],
    ['POST', '/v1/zones', zone({ memory: -1 }), 'REQUEST_INVALID', 400],
    ['POST', '/v1/zones', zone({ memory: 1e300 }), 'REQUEST_INVALID', 400],
    ['POST', '/v1/zones', zone({ memroy: 1 }), 'REQUEST_INVALID', 400],
    ['POST', '/v1/zones', zone({ limits: { memory: 1 } }), 'REQUEST_INVALID', 400],
    ['POST', '/v1/zones', '{"name":"a","memory":1,"__proto__":{"uid":1}}', 'REQUEST_INVALID', 400],
    ['POST', '/v1/zones', zone({ token: '' }), 'REQUEST_INVALID', 400],
    ['POST', '/v1/zones', zone({ token: 'x'.repeat(70_000) }), 'REQUEST_INVALID', 400],
    ['POST', '/v1/zones', zone({ name: '..' }), 'ZONE_NAME_INVALID', 400],
    ['POST', '/v1/zones', zone({ name: '__proto__' }), 'ZONE_NAME_INVALID', 400],
    ['POST', '/v1/zones', zone({ memory: 0 }), 'ZONE_INVALID', 400],
    ['POST', '/v1/zones', zone({ device: 7 }), 'ZONE_DEVICE_UNKNOWN', 400],
    ['POST', '/v1/zones', zone({ memory: GiB + 1 }), 'QUOTA_EXCEEDS_CARD', 409],
    ['POST', '/v1/leases', zone({ memory: GiB + 1 }), 'QUOTA_EXCEEDS_CARD', 409],
    ['GET', '/v1/zones/constructor', undefined, 'ZONE_UNKNOWN', 404],
    ['GET', '/v1/zones/..%2f..%2fetc', undefined, 'ZONE_UNKNOWN', 404],
    ['PATCH', '/v1/zones/a', '{"memory":5}', 'ZONE_UNKNOWN', 404],
    ['DELETE', '/v1/zones/a', undefined, 'ZONE_UNKNOWN', 404],
    ['GET', '/v1/nothing', undefined, 'NOT_FOUND', 404],
  ];
  for (const [method, path, body, code, status] of cases) {
    const answer = await raw(context, method, path, body);
    const label = `${method} ${path} ${body?.slice(0, 80)}: ${JSON.stringify(answer.error)}`;
    assert.is(answer.error.code, code, label);
    assert.is(answer.status, status, label);
    assert.equal(Object.keys(answer.error).sort(), ['code', 'fix', 'message']);
  }
  assert.is((await raw(context, 'POST', '/v1/zones', 'x', 'text/plain')).error.code, 'REQUEST_INVALID');
  assert.equal(context.supervisor.zones(), []);
});

test('bytes that are no HTTP do the daemon no harm', async ({ bench, client }) => {
  const socket = net.connect(controlSocket(bench.runDir));
  socket.on('error', () => {});
  socket.write(Buffer.from([0, 255, 1, 2, 10, 13, 10]));
  await new Promise((done) => socket.resume().on('close', done));
  assert.is((await client.status()).devices.length, 1);
});

test('the client gets what the daemon has, and errors with code and fix', async ({ client }) => {
  const made = await client.create({ name: 'a', memory: MiB, token: 't', limits: { clients: 2 } });
  assert.equal([made.name, made.limits.memory, made.limits.clients, made.token], ['a', MiB, 2, true]);
  assert.not.match(JSON.stringify(await client.zones()), /"t"/, 'tokens are not in listings');
  assert.equal(await client.access('a'), { socket: made.socket, token: 't' });
  assert.is((await client.set('a', { memory: 2 * MiB })).limits.memory, 2 * MiB);
  const error = await failure(client.create({ name: 'a', memory: 1 }));
  assert.is(error.code, 'ZONE_EXISTS');
  assert.match(error.fix!, /zone set a/);
  await client.remove('a');
  assert.is((await failure(client.zone('a'))).code, 'ZONE_UNKNOWN');
});

test('a lease\'s zone lives as long as its connection', async ({ client, supervisor }) => {
  const lease = await client.lease({ name: 'mine', memory: null });
  assert.is(lease.zone.limits.memory, GiB);
  assert.is(supervisor.zone('mine').temporary, true);
  assert.ok(existsSync(lease.zone.socket));
  lease.release();
  await until('the zone is gone', () => supervisor.zones().length === 0);
  assert.not.ok(existsSync(lease.zone.socket));
});

test('a lease whose holder goes while it is being made leaves no zone', async ({ bench, supervisor }) => {
  // Changes run one after the other; this one keeps the lease's waiting until its holder has gone.
  for (let i = 0; i < 5; i++) void supervisor.createZone(request(`other-${i}`, 1)).catch(() => {});
  const body = JSON.stringify({ name: 'mine', memory: 1 });
  const socket = net.connect(controlSocket(bench.runDir));
  await new Promise<void>((done) => socket.write(`POST /v1/leases HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`, () => done()));
  socket.destroy();
  await new Promise((done) => setTimeout(done, 200));
  await until('no lease is left', () => !supervisor.zones().some(({ name }) => name === 'mine'));
});

test.run();
