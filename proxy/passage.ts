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

const libc = koffi.load(null);
const socketpairCall = libc.func('int socketpair(int domain, int type, int protocol, uintptr_t pair)');
const setsockoptCall = libc.func('int setsockopt(int fd, int level, int option, uintptr_t value, int bytes)');
const sendmsgCall = libc.func('long sendmsg(int fd, uintptr_t message, int flags)');
const recvmsgCall = libc.func('long recvmsg(int fd, uintptr_t message, int flags)');
const closeCall = libc.func('int close(int fd)');

const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SCM_RIGHTS = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const EAGAIN = 11;
const EINTR = 4;

/** The variable that tells an executor which descriptor its end is. */
export const PASSAGE_VARIABLE = 'RINGFENCE_PASSAGE_FD';
/** Larger than any message: a zone's record, with a name of 40 letters, a token of 128 and some numbers, is the largest. */
const BYTES_MAX = 4096;

// struct msghdr (56 bytes), one struct iovec (16), one control message with one descriptor (24).
const IOV = 56;
const CONTROL = 72;
const CONTROL_BYTES = 24;

class Frame {
  readonly data = Buffer.allocUnsafeSlow(BYTES_MAX);
  private readonly header = Buffer.allocUnsafeSlow(CONTROL + CONTROL_BYTES).fill(0);
  readonly address = addressOf(this.header);

  constructor() {
    this.header.writeBigUInt64LE(BigInt(this.address + IOV), 16);
    this.header.writeBigUInt64LE(1n, 24);
    this.header.writeBigUInt64LE(BigInt(addressOf(this.data)), IOV);
  }

  prepare(bytes: number, passed: number): void {
    const { header } = this;
    header.writeBigUInt64LE(BigInt(bytes), IOV + 8);
    header.writeBigUInt64LE(passed === NONE ? 0n : BigInt(this.address + CONTROL), 32);
    header.writeBigUInt64LE(passed === NONE ? 0n : BigInt(CONTROL_BYTES), 40);
    header.writeBigUInt64LE(20n, CONTROL);
    header.writeInt32LE(SOL_SOCKET, CONTROL + 8);
    header.writeInt32LE(SCM_RIGHTS, CONTROL + 12);
    header.writeInt32LE(passed, CONTROL + 16);
  }

  /** The descriptor that came, which is ours from here on. */
  get passed(): number {
    const { header } = this;
    return header.readBigUInt64LE(40) >= 20n && header.readInt32LE(CONTROL + 12) === SCM_RIGHTS ? header.readInt32LE(CONTROL + 16) : NONE;
  }
}

const NONE = -1;
const frame = new Frame();

/** The two ends: ours to send, and the executor's. Both close on exec. Throws the system's error. */
export function makePassage(): { ours: number; theirs: number } {
  const pair = new Int32Array(2);
  if (socketpairCall(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, addressOf(pair)) !== 0) throw new Error(`no pair of sockets: errno ${koffi.errno()}`);
  // Few on their way at a time: what an executor does not take is to be known here, where it is counted.
  setsockoptCall(pair[0], SOL_SOCKET, SO_SNDBUF, addressOf(Int32Array.of(BYTES_MAX)), 4);
  return { ours: pair[0], theirs: pair[1] };
}

export function closeEnd(fd: number): void {
  closeCall(fd);
}

/** `later`: the executor has not taken earlier ones yet; `failed`: it is gone, or the system passes no more descriptors. */
export type Passed = 'sent' | 'later' | 'failed';

/** Sends a message, with a descriptor unless it is -1, which stays the caller's too. Never waits. */
export function pass(end: number, message: object, descriptor: number): Passed {
  const bytes = frame.data.write(JSON.stringify(message));
  frame.prepare(bytes, descriptor);
  if ((sendmsgCall(end, frame.address, MSG_DONTWAIT | MSG_NOSIGNAL) as number) === bytes) return 'sent';
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
      frame.prepare(BYTES_MAX, 0);
      const got = recvmsgCall(this.fd, frame.address, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) as number;
      if (got < 0 && koffi.errno() === EAGAIN) return;
      if (got < 0 && koffi.errno() === EINTR) continue;
      // The supervisor has gone, which Node's channel tells too.
      if (got <= 0) return this.close();
      const { passed } = frame;
      this.heard(JSON.parse(frame.data.toString('utf8', 0, got)), passed);
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
  const end = new PassageEnd(theirs, (_, descriptor) => closeEnd(descriptor));
  for (let round = 0; round < ROUNDS; round++) {
    pass(ours, { type: 'client', id: round }, ours);
    end.drain();
  }
  end.close();
  closeEnd(ours);
  closeEnd(theirs);
}
