// The child of adopt.test.ts: takes each socket and echoes its bytes; reports its descriptors when asked.
import { readdirSync } from 'node:fs';
import koffi from 'koffi';
import { PASSAGE_VARIABLE, PassageEnd } from '../../proxy/passage.ts';

const libc = koffi.load(null);
const recv = libc.func('intptr_t recv(int, void *, size_t, int)');
const send = libc.func('intptr_t send(int, void *, size_t, int)');
const close = libc.func('int close(int)');
const MSG_DONTWAIT = 0x40;

// A slow start: sockets sent meanwhile must keep their bytes.
await new Promise((done) => setTimeout(done, 200));
process.on('message', () => process.send({ descriptors: readdirSync('/proc/self/fd').length }));
globalThis.passage = new PassageEnd(Number(process.env[PASSAGE_VARIABLE]), (message, fd) => {
  if (fd < 0) return process.send({ heard: message });
  const bytes = Buffer.alloc(64);
  const watch = koffi.node.poll(fd, { readable: true, disconnect: true }, () => {
    const n = Number(recv(fd, bytes, 64, MSG_DONTWAIT));
    if (n > 0) send(fd, bytes, n, 0);
    else {
      watch.close();
      close(fd);
    }
  });
});
