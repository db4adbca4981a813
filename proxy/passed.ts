/**
 * A message on a UNIX socket with a descriptor beside its bytes (sendmsg(2), recvmsg(2), SCM_RIGHTS in unix(7)), without waiting. One frame sends or
 * receives one message after the other; nothing is allocated for it.
 */
import koffi from 'koffi';
import { addressOf } from './driver/driver.ts';

const libc = koffi.load(null);
const sendmsgCall = libc.func('long sendmsg(int fd, uintptr_t message, int flags)');
const recvmsgCall = libc.func('long recvmsg(int fd, uintptr_t message, int flags)');
const closeCall = libc.func('int close(int fd)');

const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;

/** Closes a descriptor of ours, such as one that has come with a message. */
export function close(fd: number): void {
  closeCall(fd);
}

/** In place of a descriptor: there is none. */
export const NONE = -1;

// struct msghdr (56 bytes), one struct iovec (16), one control message (cmsghdr, 16) with one descriptor (4, and 4 behind it).
const IOV = 56;
const CONTROL = IOV + 16;
const CONTROL_LENGTH = 20;
const CONTROL_BYTES = 24;

export class Frame {
  private readonly header = Buffer.allocUnsafeSlow(CONTROL + CONTROL_BYTES).fill(0);
  private readonly address = addressOf(this.header);

  constructor() {
    this.header.writeBigUInt64LE(BigInt(this.address + IOV), 16);
    this.header.writeBigUInt64LE(1n, 24);
  }

  /** Sends `bytes` bytes at native address `data`, and a descriptor, which stays the caller's too. Bytes sent; -1: see errno. */
  send(fd: number, data: number, bytes: number, descriptor: number): number {
    this.prepare(data, bytes, descriptor !== NONE);
    const { header } = this;
    header.writeBigUInt64LE(BigInt(CONTROL_LENGTH), CONTROL);
    header.writeInt32LE(SOL_SOCKET, CONTROL + 8);
    header.writeInt32LE(SCM_RIGHTS, CONTROL + 12);
    header.writeInt32LE(descriptor, CONTROL + 16);
    return sendmsgCall(fd, this.address, MSG_DONTWAIT | MSG_NOSIGNAL) as number;
  }

  /** Receives at most `bytes` bytes to native address `data`; `descriptor` says what came with them. Bytes received; 0: the peer has gone; -1: see errno. */
  receive(fd: number, data: number, bytes: number): number {
    this.prepare(data, bytes, true);
    return recvmsgCall(fd, this.address, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) as number;
  }

  /** The descriptor that came with what was received last, the receiver's from here on; NONE: none came. */
  get descriptor(): number {
    const { header } = this;
    return header.readBigUInt64LE(40) >= BigInt(CONTROL_LENGTH) && header.readInt32LE(CONTROL + 12) === SCM_RIGHTS ? header.readInt32LE(CONTROL + 16) : NONE;
  }

  private prepare(data: number, bytes: number, control: boolean): void {
    const { header } = this;
    header.writeBigUInt64LE(BigInt(data), IOV);
    header.writeBigUInt64LE(BigInt(bytes), IOV + 8);
    header.writeBigUInt64LE(control ? BigInt(this.address + CONTROL) : 0n, 32);
    header.writeBigUInt64LE(control ? BigInt(CONTROL_BYTES) : 0n, 40);
  }
}
