/**
 * How the supervisor gives clients' sockets to an executor: a pair of sockets of its own beside Node's channel, a message and a descriptor at a time.
 *
 * Node's own way costs a client much of the time until its first answer: each handle is acknowledged, which wakes the supervisor on a core
 * that has halted meanwhile (up to half a millisecond of the sender's time, on a virtual machine), and what Node does with one runs for the first time
 * when the first client comes. This is a system call on either side, and an executor can rehearse it.
 *
 * Messages keep their bounds (SOCK_SEQPACKET) and their order; against those of Node's channel they have none, so who hears one there
 * reads what is here first. The supervisor reads nothing: an executor that has served a tenant cannot say anything this way.
 */
import koffi, { type node } from 'koffi';
import { addressOf } from './driver/driver.ts';
import { close, Frame } from './passed.ts';

const libc = koffi.load(null);
const socketpairCall = libc.func('int socketpair(int domain, int type, int protocol, uintptr_t pair)');
const setsockoptCall = libc.func('int setsockopt(int fd, int level, int option, uintptr_t value, int bytes)');

const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const EAGAIN = 11;
const EINTR = 4;

/** The variable that tells an executor which descriptor its end is. */
export const PASSAGE_VARIABLE = 'RINGFENCE_PASSAGE_FD';
/** Larger than any message: a zone's record, with a name of 40 letters, a token of 128 and some numbers, is the largest. */
const BYTES_MAX = 4096;

const data = Buffer.allocUnsafeSlow(BYTES_MAX);
const dataAddress = addressOf(data);
const frame = new Frame();

/** The two ends: ours to send, and the executor's. Both close on exec. Throws the system's error. */
export function makePassage(): { ours: number; theirs: number } {
  const pair = new Int32Array(2);
  if (socketpairCall(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, addressOf(pair)) !== 0) throw new Error(`no pair of sockets: errno ${koffi.errno()}`);
  // Few on their way at a time: what an executor does not take is to be known here, where it is counted.
  setsockoptCall(pair[0], SOL_SOCKET, SO_SNDBUF, addressOf(Int32Array.of(BYTES_MAX)), 4);
  return { ours: pair[0], theirs: pair[1] };
}

/** `later`: the executor has not taken earlier ones yet; `failed`: it is gone, or the system passes no more descriptors. */
export type Passed = 'sent' | 'later' | 'failed';

/** Sends a message, with a descriptor unless it is -1, which stays the caller's too. Never waits. */
export function pass(end: number, message: object, descriptor: number): Passed {
  const bytes = data.write(JSON.stringify(message));
  if (frame.send(end, dataAddress, bytes, descriptor) === bytes) return 'sent';
  const error = koffi.errno();
  return error === EAGAIN || error === EINTR ? 'later' : 'failed';
}

/** The executor's end. */
export class PassageEnd {
  private readonly poll: node.PollHandle;
  private over = false;

  /** `heard`: a message, and the descriptor that came with it (-1: none), which is the listener's. */
  constructor(private readonly fd: number, private readonly heard: (message: unknown, descriptor: number) => void) {
    this.poll = koffi.node.poll(fd, { readable: true, disconnect: true }, () => this.drain());
  }

  /** Reads what is there. */
  drain(): void {
    while (!this.over) {
      const got = frame.receive(this.fd, dataAddress, BYTES_MAX);
      if (got < 0 && koffi.errno() === EAGAIN) return;
      if (got < 0 && koffi.errno() === EINTR) continue;
      // The supervisor has gone, which Node's channel tells too.
      if (got <= 0) return this.close();
      const { descriptor } = frame;
      this.heard(JSON.parse(data.toString('utf8', 0, got)), descriptor);
    }
  }

  /** The descriptor stays open: it is the process's for as long as it lives. */
  close(): void {
    if (this.over) return;
    this.over = true;
    this.poll.close();
  }
}

const ROUNDS = 16;

/** Has the code of both ends run until it runs well, so that no client waits for that. */
export function rehearsePassage(): void {
  const { ours, theirs } = makePassage();
  const end = new PassageEnd(theirs, (_, descriptor) => close(descriptor));
  for (let round = 0; round < ROUNDS; round++) {
    pass(ours, { type: 'client', id: round }, ours);
    end.drain();
  }
  end.close();
  close(ours);
  close(theirs);
}
