/**
 * An executor that speaks the contract of `proxy/supervisor/messages.ts` and knows no driver, for the supervisor's tests. Its clients send
 * one word a line; what it does on each is below. RINGFENCE_DRIVER's file name chooses how it starts.
 */
import net from 'node:net';
import { existsSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import koffi from 'koffi';

const LINGER_MS = Number(process.env.FAKE_LINGER_MS ?? 200);
const START_MS = Number(process.env.FAKE_START_MS ?? 0);
/** Starts when this file is there. */
const START_FILE = process.env.FAKE_START_FILE;
const driver = basename(process.env.RINGFENCE_DRIVER);
const say = (message) => process.send(message, () => {});

let zone = null;
let limits = null;
let idleTimer = null;
const clients = new Map();
const usage = { memory: 0, memoryPeak: 0, clients: 0, allocations: 0, handles: 0, staging: 0, calls: 0, refused: 0 };
const report = () => say({ type: 'usage', usage: { ...usage, clients: clients.size } });

function word(socket, line) {
  const [name, argument] = line.split(' ');
  usage.calls++;
  if (name === 'who') socket.write(`${zone.name} ${process.pid}\n`);
  else if (name === 'limits') socket.write(`${JSON.stringify(limits)}\n`);
  else if (name === 'env') socket.write(`${process.env[argument] ?? '-'}\n`);
  else if (name === 'card') socket.write(`${statCard()}\n`);
  else if (name === 'alloc') {
    const bytes = Number(argument);
    if (usage.memory + bytes > limits.memory) usage.refused++;
    else {
      usage.memory += bytes;
      usage.allocations++;
      usage.memoryPeak = Math.max(usage.memoryPeak, usage.memory);
    }
    report();
    socket.write('done\n');
  } else if (name === 'leave-object') {
    writeFileSync(`/dev/shm/ringfence-${process.pid}-left`, 'x');
    socket.write('done\n');
  } else if (name === 'exit') process.exit(Number(argument));
  else if (name === 'malformed') say(JSON.parse(argument));
  else if (name === 'flood') for (let i = 0; i < 20_000; i++) report();
}

function statCard() {
  return process.env.RINGFENCE_STUB_CARD_FD === undefined ? 'none' : `${process.env.RINGFENCE_STUB_CARD_FD} ${process.env.RINGFENCE_STUB_MEMORY}`;
}

function client(id, fd) {
  clearTimeout(idleTimer);
  const socket = new net.Socket({ fd, readable: true, writable: true });
  clients.set(id, socket);
  report();
  let text = '';
  socket.on('data', (data) => {
    text += data;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      word(socket, text.slice(0, end));
      text = text.slice(end + 1);
    }
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    clients.delete(id);
    if (clients.size === 0) Object.assign(usage, { memory: 0, allocations: 0 });
    say({ type: 'client-gone', id: id });
    report();
    if (clients.size === 0) idleTimer = setTimeout(() => say({ type: 'idle' }), LINGER_MS);
  });
}

function hear(message, fd) {
  if (message.type === 'adopt') {
    if (driver === 'deaf') return;
    zone = message.zone;
    limits = zone.limits;
    // As a driver's slow call does: nothing else is heard meanwhile.
    const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    if (START_MS > 0) sleep(START_MS);
    while (START_FILE !== undefined && !existsSync(START_FILE)) sleep(5);
    say({ type: 'adopted' });
    if (message.client !== null) client(message.client, fd);
  } else if (message.type === 'limits') limits = message.limits;
  else if (message.type === 'stop') {
    if (driver !== 'stubborn') process.exit(0);
  } else if (message.type === 'client') client(message.id, fd);
}

// The other half of proxy/passage.ts, in a process without TypeScript: struct msghdr, one struct iovec, one control message.
const PASSAGE_FD = Number(process.env.RINGFENCE_PASSAGE_FD);
const recvmsg = koffi.load(null).func('long recvmsg(int fd, uintptr_t message, int flags)');
const data = Buffer.allocUnsafeSlow(16384);
const header = Buffer.allocUnsafeSlow(96);
const at = (buffer) => Number(koffi.address(buffer));
function drain() {
  for (;;) {
    header.fill(0);
    header.writeBigUInt64LE(BigInt(at(header) + 56), 16);
    header.writeBigUInt64LE(1n, 24);
    header.writeBigUInt64LE(BigInt(at(header) + 72), 32);
    header.writeBigUInt64LE(24n, 40);
    header.writeBigUInt64LE(BigInt(at(data)), 56);
    header.writeBigUInt64LE(BigInt(data.length), 64);
    const bytes = recvmsg(PASSAGE_FD, at(header), 0x40000040); // MSG_DONTWAIT | MSG_CMSG_CLOEXEC
    if (bytes <= 0) return;
    hear(JSON.parse(data.toString('utf8', 0, bytes)), header.readBigUInt64LE(40) === 0n ? -1 : header.readInt32LE(88));
  }
}

process.on('disconnect', () => process.exit(0));
process.on('message', (message) => {
  drain();
  hear(message, -1);
});
// Kept: who drops a poll ends it.
globalThis.passage = koffi.node.poll(PASSAGE_FD, { readable: true }, drain);

if (driver === 'crashing') process.exit(7);
if (driver === 'failing') say({ type: 'failed', code: 'DRIVER_FAILED', message: 'cuInit said 999' });
else {
  say({
    type: 'ready',
    driver: { path: process.env.RINGFENCE_DRIVER, version: 13000, software: true },
    devices: driver === 'empty' ? [] : [{ ordinal: 0, name: 'Fake GPU', uuid: '0'.repeat(32), totalMemory: Number(process.env.RINGFENCE_STUB_MEMORY ?? 2 ** 30) }],
  });
}
