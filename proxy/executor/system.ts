/**
 * The few calls of the C library that Node does not offer: futex wake, non-blocking socket reads and sends with a descriptor,
 * the peer's credentials, a sleep that ends early when a doorbell rings. x86-64 and arm64 Linux.
 *
 * Each binding is a named function over numbers; buffers that the kernel reads or writes are allocated once here.
 */
import koffi from 'koffi';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { arch } from 'node:os';
import { addressOf } from '../driver/driver.ts';
import { Frame, NONE } from '../passed.ts';

const libc = koffi.load(null);
const futexCall = libc.func('long syscall(long number, uintptr_t address, int operation, int value, uintptr_t timeout, uintptr_t address2, int value3)');
const recvCall = libc.func('long recv(int fd, uintptr_t buffer, size_t bytes, int flags)');
const strnlenCall = libc.func('size_t strnlen(uintptr_t text, size_t most)');
const memcpyCall = libc.func('uintptr_t memcpy(uintptr_t to, uintptr_t from, size_t bytes)');
const getsockoptCall = libc.func('int getsockopt(int fd, int level, int option, uintptr_t value, uintptr_t length)');
const mmapCall = libc.func('uintptr_t mmap(uintptr_t address, size_t bytes, int protection, int flags, int fd, int64_t offset)');
const yieldCall = libc.func('int sched_yield()');
const getcpuCall = libc.func('int sched_getcpu()');
const getaffinityCall = libc.func('int sched_getaffinity(int thread, size_t bytes, uintptr_t mask)');
const setaffinityCall = libc.func('int sched_setaffinity(int thread, size_t bytes, uintptr_t mask)');
const ppollCall = libc.func('int ppoll(uintptr_t fds, size_t count, uintptr_t timeout, uintptr_t mask)');

const SYS_FUTEX = arch() === 'arm64' ? 98 : 202;
const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_ANONYMOUS = 0x20;
const MSG_DONTWAIT = 0x40;
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const EAGAIN = 11;
const EINTR = 4;

/** Wakes every sleeper on the futex word at a native address, in whichever process it sleeps. */
export function futexWake(address: number): void {
  futexCall(SYS_FUTEX, address, FUTEX_WAKE, 0x7fffffff, 0, 0, 0);
}

const patience = new Int32Array(4); // struct timespec
const patienceAddress = addressOf(patience);

/** Sleeps while the futex word at a native address is `value`, for `milliseconds` at most, below a second. Returns early at any time. */
export function futexSleep(address: number, value: number, milliseconds: number): void {
  patience[2] = Math.round(milliseconds * 1e6);
  futexCall(SYS_FUTEX, address, FUTEX_WAIT, value, patienceAddress, 0, 0);
}

const coreMask = new Uint8Array(128); // cpu_set_t
const coreMaskAddress = addressOf(coreMask);

/** The cores that the calling thread may run on, in order; empty when the system does not tell. */
export function allowedCores(): number[] {
  coreMask.fill(0);
  if (getaffinityCall(0, coreMask.length, coreMaskAddress) < 0) return [];
  return [...coreMask.keys()].flatMap((byte) => [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => (coreMask[byte] & (1 << bit)) !== 0).map((bit) => byte * 8 + bit));
}

/** Lets others have the core. */
export function yieldCore(): void {
  yieldCall();
}

/** The core that the calling thread runs on now. */
export function currentCore(): number {
  return getcpuCall() as number;
}

/** Has the calling thread, and no other of the process, run on these cores alone, but not on `except`. Nothing changes when it may not. */
export function runOn(cores: readonly number[], except = -1): void {
  coreMask.fill(0);
  for (let i = 0; i < cores.length; i++) if (cores[i] !== except) coreMask[cores[i] >> 3] |= 1 << (cores[i] & 7);
  setaffinityCall(0, coreMask.length, coreMaskAddress);
}

/** Maps the first `bytes` of an object for as long as the process lives; fd NONE: zeroes that are nobody else's. Throws when the system does not. */
export function mapShared(fd: number, bytes: number): ArrayBuffer {
  const address = mmapCall(0, bytes, PROT_READ_WRITE, fd === NONE ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, fd, 0) as number | bigint; // MAP_FAILED is no exact number
  if (typeof address !== 'number') throw new Error(`mmap of descriptor ${fd}: errno ${koffi.errno()}`);
  return koffi.view(BigInt(address), bytes);
}

/** A copy of the text at a native address, at most `most` bytes of it, without its NUL. */
export function textAt(address: number, most: number): Buffer {
  const bytes = strnlenCall(address, most) as number;
  const copy = Buffer.allocUnsafeSlow(bytes);
  if (bytes !== 0) memcpyCall(addressOf(copy), address, bytes);
  return copy;
}

/** Copies `bytes` from a native address to the start of `to`. */
export function copyFrom(to: Uint8Array, address: number, bytes: number): void {
  memcpyCall(addressOf(to), address, bytes);
}

/** What one non-blocking read found. */
export const NOTHING_YET = -1;
export const HUNG_UP = 0;

/** Reads at most `bytes` without waiting into `address`; bytes read, HUNG_UP (also on any error) or NOTHING_YET. */
export function receive(fd: number, address: number, bytes: number): number {
  const got = recvCall(fd, address, bytes, MSG_DONTWAIT) as number;
  if (got > 0) return got;
  if (got === 0) return HUNG_UP;
  const error = koffi.errno();
  return error === EAGAIN || error === EINTR ? NOTHING_YET : HUNG_UP;
}

const frame = new Frame();

export enum Sent { all, later, failed }

/** Sends all of `data` (or nothing) without waiting, with descriptor `passed` unless it is NONE. `later`: the peer does not
 *  read; `failed`: the peer is gone, or took a part only (it does not read whole structs, so it is as good as gone). */
export function send(fd: number, data: Buffer, passed = NONE): Sent {
  const sent = frame.send(fd, addressOf(data), data.length, passed);
  if (sent === data.length) return Sent.all;
  if (sent < 0 && koffi.errno() === EAGAIN) return Sent.later;
  return Sent.failed;
}

const credentials = Buffer.allocUnsafeSlow(16);
const credentialsAddress = addressOf(credentials);

/** The uid that the socket's peer had when it connected; -1 when the kernel does not say. */
export function peerUid(fd: number): number {
  credentials.writeUInt32LE(12, 12);
  if (getsockoptCall(fd, SOL_SOCKET, SO_PEERCRED, credentialsAddress, credentialsAddress + 12) !== 0) return -1;
  return credentials.readUInt32LE(4);
}

const prctlCall = libc.func('int prctl(int option, unsigned long value, unsigned long, unsigned long, unsigned long)');
const PR_SET_TIMERSLACK = 29;

/** Makes this thread's short sleeps as short as they are asked to be: the kernel's default adds 50 us. */
export function preciseSleeps(): void {
  prctlCall(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
}

const POLLIN = 1;
const PAIR = 2; // words of a struct pollfd: the descriptor; asked (low half) and found (high half)

/** Sleeps that end early when one of some descriptors has something to read or hangs up. One array for ever: nothing is allocated. */
export class Naps {
  private words = new Int32Array(64 * PAIR);
  private address = addressOf(this.words);
  private count = 0;
  private readonly time = new Int32Array(4); // struct timespec
  private readonly timeAddress = addressOf(this.time);

  clear(): void {
    this.count = 0;
  }

  /** One descriptor more; a negative one never has anything. */
  watch(fd: number): void {
    const at = this.count++ * PAIR;
    if (at === this.words.length) {
      const larger = new Int32Array(at * 2);
      larger.set(this.words);
      this.words = larger;
      this.address = addressOf(larger);
    }
    this.words[at] = fd;
    this.words[at + 1] = POLLIN;
  }

  /** Sleeps for `microseconds`, below a second; how many descriptors have something. */
  sleep(microseconds: number): number {
    this.time[2] = microseconds * 1000;
    const found = ppollCall(this.address, this.count, this.timeAddress, 0) as number;
    return found < 0 ? 0 : found;
  }

  /** Whether the descriptor that was the `index`-th has. */
  readable(index: number): boolean {
    return this.words[index * PAIR + 1] >>> 16 !== 0;
  }
}

const bells = Buffer.allocUnsafeSlow(4096);
const bellsAddress = addressOf(bells);

/** Reads doorbells, whose number means nothing: at most so many a time, so that a flood keeps nobody else waiting. Result: as receive. */
export function drainBells(fd: number): number {
  return fd < 0 ? NOTHING_YET : receive(fd, bellsAddress, bells.length);
}

let loop: number | null = null;

/**
 * libuv's epoll descriptor: the one of this process that watches `fd`, which libuv must have polled once. It is readable when libuv
 * has anything to do but timers. -1: none is found (another kernel, another libuv). Looked for once, which takes a
 * millisecond: the process does it before it has a zone.
 */
export function loopDescriptor(fd: number): number {
  loop ??= findLoop(fd);
  return loop;
}

function findLoop(fd: number): number {
  const watched = new RegExp(`^tfd:\\s+${fd}\\s`, 'm');
  try {
    for (const name of readdirSync('/proc/self/fd')) {
      try {
        if (!readlinkSync(`/proc/self/fd/${name}`).includes('[eventpoll]')) continue;
      } catch {
        continue; // the descriptor of this very listing
      }
      if (watched.test(readFileSync(`/proc/self/fdinfo/${name}`, 'utf8'))) return Number(name);
    }
  } catch {
    return -1;
  }
  return -1;
}
