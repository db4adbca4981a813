// The hand-over of a client's socket between processes: no byte is lost, even while the child starts, and no descriptor is left.
import { fork } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { adoptSocket } from '../../proxy/executor/adopt.ts';
import { sendSocket } from '../../proxy/supervisor/hand-over.ts';

const folder = mkdtempSync(join(tmpdir(), 'rf-adopt-'));
const path = join(folder, 's.sock');
const child = fork(fileURLToPath(new URL('./adopt-child.mjs', import.meta.url)), { execArgv: ['--import', 'tsx'] });
const server = net.createServer({ pauseOnConnect: true }, (socket) => {
  sendSocket(child, { type: 'client', id: 1 }, socket).catch((error: unknown) => { throw error; });
});

const echo = (text: string) => new Promise<string>((done, fail) => {
  const client = net.connect(path);
  client.write(text);
  client.on('error', fail);
  client.on('data', (data) => {
    client.end();
    client.on('close', () => done(data.toString()));
  });
});
const descriptors = async () => {
  const answer = new Promise<number>((done) => child.once('message', (m) => done((m as { descriptors: number }).descriptors)));
  child.send({ type: 'count' });
  return [readdirSync('/proc/self/fd').length, await answer];
};

test.before(() => new Promise<void>((done) => server.listen(path, done)));
test.after(() => {
  child.kill();
  server.close();
  rmSync(folder, { recursive: true });
});

test('bytes sent before the child listens arrive', async () => {
  assert.equal(await Promise.all(['a', 'b', 'c'].map(echo)), ['a', 'b', 'c']);
});

test('300 clients leave no descriptor on either side', async () => {
  const before = await descriptors();
  for (let i = 0; i < 10; i++) {
    const texts = Array.from({ length: 30 }, (_, n) => `client ${i}-${n}`);
    assert.equal(await Promise.all(texts.map(echo)), texts);
  }
  // A socket is closed a moment after its other side has seen the end.
  let now = await descriptors();
  for (const end = Date.now() + 30_000; String(now) !== String(before) && Date.now() < end; now = await descriptors()) await new Promise((done) => setTimeout(done, 20));
  assert.equal(now, before);
});

test('a message without a socket is refused', () => {
  assert.throws(() => adoptSocket(undefined), /without an open socket/);
  assert.throws(() => adoptSocket({}), /without an open socket/);
});

test.run();
