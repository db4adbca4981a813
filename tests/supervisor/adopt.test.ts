// The hand-over of a client's socket between processes: no byte is lost, even while the child starts, and no descriptor is left.
import { fork } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { close } from '../../proxy/passed.ts';
import { makePassage, pass, PASSAGE_VARIABLE } from '../../proxy/passage.ts';
import { descriptorOf } from '../../proxy/supervisor/hand-over.ts';

const folder = mkdtempSync(join(tmpdir(), 'rf-adopt-'));
const path = join(folder, 's.sock');
const { ours, theirs } = makePassage();
const child = fork(fileURLToPath(new URL('./adopt-child.mjs', import.meta.url)), {
  execArgv: ['--import', 'tsx'], env: { ...process.env, [PASSAGE_VARIABLE]: '4' }, stdio: ['inherit', 'inherit', 'inherit', 'ipc', theirs],
});
close(theirs);
const hand = (socket: net.Socket): void => {
  const passed = pass(ours, { type: 'client', id: 1 }, descriptorOf(socket));
  assert.is.not(passed, 'failed');
  if (passed === 'sent') return void socket.destroy();
  setTimeout(() => hand(socket), 5);
};
const server = net.createServer({ pauseOnConnect: true }, hand);

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

test('a socket whose client has hung up has no descriptor; a message goes without one', async () => {
  const socket = new net.Socket();
  assert.is(descriptorOf(socket), -1);
  const heard = new Promise((done) => child.once('message', done));
  assert.is(pass(ours, { type: 'client', id: 7 }, -1), 'sent');
  assert.equal(await heard, { heard: { type: 'client', id: 7 } });
});

test('what a child does not take waits, all of it, in order, and without end there is not room for it', async () => {
  child.kill('SIGSTOP');
  let sent = 0;
  while (pass(ours, { type: 'client', id: sent }, -1) === 'sent') sent++;
  assert.ok(sent > 0 && sent < 200, `${sent} fit`);
  const heard: unknown[] = [];
  const all = new Promise<void>((done) => child.on('message', (message: { heard: { id: number } }) => {
    heard.push(message.heard.id);
    if (heard.length === sent) done();
  }));
  child.kill('SIGCONT');
  await all;
  child.removeAllListeners('message');
  assert.is(pass(ours, { type: 'client', id: sent }, -1), 'sent');
  assert.equal(heard, Array.from({ length: sent }, (_, id) => id));
});

test('a child that is gone takes nothing', async () => {
  const gone = new Promise((done) => child.once('exit', done));
  child.kill('SIGKILL');
  await gone;
  assert.is(pass(ours, { type: 'client', id: 1 }, -1), 'failed');
});

test.run();
