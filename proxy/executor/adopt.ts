/**
 * Takes over a client's connection that the supervisor accepted.
 *
 * The supervisor sends the accepted socket's bare `Pipe` handle (`child.send(message, socket._handle)`), not the
 * `net.Socket`. Node would wrap a `net.Socket` again on arrival, and that wrapper starts to read at once: bytes that come
 * before our `message` listener runs (an executor that is still loading) are swallowed into a JavaScript stream and
 * `recv` on the descriptor finds nothing. Node also keeps a list of sent sockets and a close notice for each. The bare
 * handle has neither: nothing reads it, and messages that arrive early are kept until a listener exists.
 */
import koffi from 'koffi';
import type { Socket } from 'node:net';

const F_DUPFD_CLOEXEC = 1030;

const libc = koffi.load(null);
const fcntl = libc.func('int fcntl(int fd, int command, ...)');

/** The part of libuv's pipe handle that is needed; Node does not document it. */
export interface PipeHandle {
  readonly fd: number;
  close(): void;
}

/**
 * Turns what came with a `client` message into a descriptor that the caller owns (and must `close`).
 *
 * Call it in the `message` listener itself: a `net.Socket` (accepted too, for tests) begins to read on the next turn of the
 * event loop. The descriptor is non-blocking and close-on-exec; read it with `recv(fd, …, MSG_DONTWAIT)` and watch it with
 * `koffi.node.poll(fd, { readable: true, disconnect: true }, callback)`.
 * Throws when there is no handle: its client hung up while the socket was on its way.
 */
export function adoptSocket(handle: unknown): number {
  const pipe = isPipe(handle) ? handle : (handle as (Socket & { _handle?: unknown }) | undefined)?._handle;
  if (!isPipe(pipe) || pipe.fd < 0) throw new Error('the client message came without an open socket');
  const fd = fcntl(pipe.fd, F_DUPFD_CLOEXEC, 'int', 0) as number;
  const errno = koffi.errno();
  if (pipe === handle) pipe.close();
  else (handle as Socket).destroy();
  if (fd < 0) throw new Error(`cannot duplicate the client's socket: errno ${errno}`);
  return fd;
}

function isPipe(value: unknown): value is PipeHandle {
  return typeof value === 'object' && value !== null && typeof (value as PipeHandle).fd === 'number'
    && typeof (value as PipeHandle).close === 'function';
}
