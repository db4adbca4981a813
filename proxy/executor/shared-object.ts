/**
 * Shared memory objects: clients' regions and pinned memory, made by shm-typed-array, given to the client by descriptor.
 *
 * shm-typed-array keeps a record of every name it was ever given, for ever, and searches them one by one: a client that allocates
 * and frees pinned memory in a loop would grow and slow the executor without bound. So there is one name. It exists only within
 * make(), between creation and unlinking, and the package's one record of it stays empty: it is made with the first object, which
 * is detached at once, and a name that is known already gets no new mapping noted down. Unmapping is therefore done here.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, constants, openSync, rmSync, statfsSync, unlinkSync } from 'node:fs';
import koffi from 'koffi';
import shm from 'shm-typed-array';
import { PACKAGE_BYTES } from '../../idm/region.ts';
import { addressOf } from '../driver/driver.ts';

const munmap = koffi.load(null).func('int munmap(uintptr_t address, size_t bytes)');

/** The supervisor removes what begins so when this process has died between the two (supervisor/messages.ts: shmPrefix). */
const NAME = `/ringfence-${process.pid}-${randomBytes(12).toString('hex')}`;
const PATH = `/dev/shm${NAME}`;
const PAGE = 4096;
/** Bytes of /dev/shm that stay for the pages of objects that are there already. */
const RESERVE = 4 << 20;

let known = false;

/** The largest object, bytes. */
export const SHARED_MAX = shm.LengthMax;

export class SharedObject {
  /** From byte 8 of the object on: the package keeps its length in the first 8. Must not be touched after close(). */
  readonly buffer: Buffer;
  /** Native address of the object's byte 0; page-aligned. */
  readonly base: number;
  /** To be passed on, then closed with closeDescriptor(). */
  descriptor: number;
  private mapped = true;

  /** `bytes`: of the whole object. Throws what the operating system says when it cannot be made. Its pages come when they are
   *  touched. */
  constructor(readonly bytes: number) {
    // A page that cannot be had when it is touched is a SIGBUS, the end of this process: refuse while there is still some left.
    const { bavail, bsize } = statfsSync('/dev/shm');
    if (bavail * bsize < bytes + RESERVE) throw new Error(`/dev/shm has ${bavail * bsize} bytes left, ${bytes + RESERVE} are needed`);
    if (!known) {
      known = true;
      create(PAGE);
      unlinkSync(PATH);
      shm.detach(NAME, false);
    }
    const buffer = create(bytes);
    this.base = addressOf(buffer) - PACKAGE_BYTES;
    this.buffer = buffer;
    try {
      this.descriptor = openSync(PATH, constants.O_RDWR | constants.O_NOFOLLOW);
    } catch (error) {
      this.descriptor = -1;
      this.close();
      throw error;
    } finally {
      unlinkSync(PATH);
    }
  }

  closeDescriptor(): void {
    if (this.descriptor >= 0) closeSync(this.descriptor);
    this.descriptor = -1;
  }

  /** Unmaps. Nothing of the driver's may be under way in it any more. */
  close(): void {
    this.closeDescriptor();
    if (!this.mapped) return;
    this.mapped = false;
    munmap(this.base, Math.ceil(this.bytes / PAGE) * PAGE);
  }
}

function create(bytes: number): Buffer {
  let buffer: Buffer | null;
  try {
    buffer = shm.create(bytes - PACKAGE_BYTES, 'Buffer', NAME, '600') as Buffer | null;
  } catch (error) {
    // The package leaves the object behind when it cannot be sized or mapped; the next one wants the name.
    rmSync(PATH, { force: true });
    throw error;
  }
  if (buffer === null) throw new Error(`shared memory object ${NAME} exists already`);
  return buffer;
}
