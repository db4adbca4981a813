/**
 * The first words with a client: its hello, the checks, the welcome with its region, or a refusal with a sentence that says how to
 * mend it. Afterwards the socket carries doorbells, and its hang-up is the client's end.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import koffi, { type node } from 'koffi';
import { HELLO_BYTES, HELLO_MAGIC, type Hello, readHello, Refusal, writeWelcome } from '../../idm/hello.ts';
import { FEATURE_MONITOR } from '../../idm/monitor.ts';
import { PROTOCOL } from '../../idm/region.ts';
import { CUresult } from '../driver/errors.ts';
import { addressOf } from '../driver/driver.ts';
import { TABLE_HASH } from '../generated/messages.ts';
import { close } from '../passed.ts';
import { Patience } from '../patience.ts';
import type { ZoneRecord } from '../supervisor/messages.ts';
import { drainBells, HUNG_UP, NOTHING_YET, peerUid, receive, send, Sent } from './system.ts';

const HELLO_WITHIN_MS = 5000;

/** What a refused client's cuInit answers. */
const CUDA_ERRORS: Readonly<Record<Refusal, number>> = {
  [Refusal.none]: CUresult.SUCCESS,
  [Refusal.protocol]: CUresult.SYSTEM_DRIVER_MISMATCH,
  [Refusal.token]: CUresult.NOT_PERMITTED,
  [Refusal.clients]: CUresult.DEVICE_UNAVAILABLE,
  [Refusal.staging]: CUresult.OUT_OF_MEMORY,
  [Refusal.uid]: CUresult.NOT_PERMITTED,
  [Refusal.driver]: CUresult.NO_DEVICE,
  [Refusal.hello]: CUresult.INVALID_VALUE,
};

/** A refusal: which, and the sentence. */
export class Refused extends Error {
  override name = 'Refused';
  constructor(readonly refusal: Refusal, message: string) {
    super(message);
  }
}

export interface Welcomed {
  readonly regionSize: number;
  /** Passed to the client; -1: none (a monitor has no region). */
  readonly descriptor: number;
}

export interface ConnectionEvents {
  /** The hello is fine: make the region. Throws Refused. */
  greet(hello: Hello): Welcomed;
  /** The welcome is out (true), or the client went before it (false; `hungUp` follows). */
  welcomed(sent: boolean): void;
  /** Doorbell bytes came; a monitor's question. */
  rang(): void;
  /** The connection is over: hang-up, refusal, time-out. The descriptor is closed unless greet() has succeeded: then it belongs to
   *  whoever owns the client. */
  hungUp(why: string): void;
}

const sha = (text: string): Buffer => createHash('sha256').update(text, 'latin1').digest();

/** Throws Refused unless this hello may enter the zone. */
export function checkHello(hello: Hello, zone: ZoneRecord, uid: number): void {
  if (hello.size !== HELLO_BYTES || hello.protocol >>> 16 !== PROTOCOL >>> 16)
    throw new Refused(Refusal.protocol, `this client library speaks protocol ${hello.protocol >>> 16}.${hello.protocol & 0xffff}, the daemon ${PROTOCOL >>> 16}.${PROTOCOL & 0xffff}; use the libcuda.so.1 that came with the daemon`);
  if (hello.tableHash !== TABLE_HASH)
    throw new Refused(Refusal.protocol, 'this client library was built from another call table than the daemon; use the libcuda.so.1 that came with the daemon');
  if ((hello.features & ~FEATURE_MONITOR) !== 0n) throw new Refused(Refusal.protocol, `this client library needs features (0x${hello.features.toString(16)}) that the daemon does not have; update the daemon`);
  // The daemon's own user may look into every zone (`ringfence smi`), and work in its own.
  const looks = hello.features === FEATURE_MONITOR && uid === process.getuid!();
  if (zone.uid !== null && uid !== zone.uid && !looks)
    throw new Refused(Refusal.uid, `zone "${zone.name}" belongs to uid ${zone.uid}, this process runs as ${uid}; run it as that user, or use a zone of your own`);
  // Hashed, so that neither length nor content shows in the time it takes.
  if (zone.token !== null && !timingSafeEqual(sha(hello.token), sha(Buffer.from(zone.token, 'utf8').toString('latin1'))))
    throw new Refused(Refusal.token, hello.token === '' ? `zone "${zone.name}" asks for a token; set RINGFENCE_TOKEN` : `this is not the token of zone "${zone.name}"; correct RINGFENCE_TOKEN`);
}

export class Connection {
  private readonly hello = Buffer.allocUnsafeSlow(HELLO_BYTES);
  private got = 0;
  private greeted = false;
  private over = false;
  private readonly poll: node.PollHandle;
  private readonly patience: Patience;

  /** Owns `fd` until greet() has succeeded. */
  constructor(readonly fd: number, private readonly events: ConnectionEvents) {
    // koffi calls with (status, events), whatever its types say. After a status that is not 0 libuv polls no more: the peer closed
    // with our bytes unread (POLLERR), and whatever it wrote before is of no use to anybody.
    const told = (status: unknown): void => (status === 0 ? this.readable() : this.end('hung up with notices unread'));
    this.poll = koffi.node.poll(fd, { readable: true, disconnect: true }, told);
    this.patience = new Patience(HELLO_WITHIN_MS, () =>
      this.refuse(new Refused(Refusal.hello, `no hello came within ${HELLO_WITHIN_MS / 1000} seconds; this is Ringfence's socket, and wants its libcuda.so.1`)));
  }

  /** The peer's uid. */
  get uid(): number {
    return peerUid(this.fd);
  }

  /** Refuses this client: sentence, hang-up. Only before it was greeted. */
  refuse(refused: Refused): void {
    if (this.over || this.greeted) return;
    send(this.fd, writeWelcome({ status: refused.refusal, cudaError: CUDA_ERRORS[refused.refusal], message: refused.message }));
    this.end(refused.message);
  }

  /** Stops listening; the descriptor stays open. */
  stop(): void {
    if (this.over) return;
    this.over = true;
    this.patience.end();
    this.poll.close();
  }

  private end(why: string): void {
    if (this.over) return;
    this.stop();
    if (!this.greeted) close(this.fd);
    this.events.hungUp(why);
  }

  private readable(): void {
    if (this.over) return;
    if (this.greeted) return this.drain();
    const got = receive(this.fd, addressOf(this.hello) + this.got, HELLO_BYTES - this.got);
    if (got === NOTHING_YET) return;
    if (got === HUNG_UP) return this.end('hung up before its hello');
    this.got += got;
    if (this.got >= 8 && this.hello.readBigUInt64LE(0) !== HELLO_MAGIC)
      return this.refuse(new Refused(Refusal.hello, 'that is not a hello of Ringfence; this socket wants its libcuda.so.1'));
    if (this.got < HELLO_BYTES) return;
    this.greet();
  }

  private greet(): void {
    let welcome: Welcomed;
    try {
      const hello = readHello(this.hello);
      if (hello === null) throw new Refused(Refusal.hello, 'that is not a hello of Ringfence; this socket wants its libcuda.so.1');
      welcome = this.events.greet(hello);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return this.refuse(error);
    }
    this.greeted = true;
    this.patience.end();
    const sent = send(this.fd, writeWelcome({ status: Refusal.none, regionSize: welcome.regionSize }), welcome.descriptor) === Sent.all;
    this.events.welcomed(sent);
    if (!sent) this.end('hung up before its welcome');
  }

  private drain(): void {
    const got = drainBells(this.fd);
    if (got === NOTHING_YET) return;
    if (got === HUNG_UP) return this.end('hung up');
    this.events.rang();
  }
}
