/**
 * Sends a client's accepted socket to an executor. The other half, and why it is the bare handle, is in
 * `proxy/executor/adopt.ts`.
 */
import type { ChildProcess, SendHandle } from 'node:child_process';
import type { Socket } from 'node:net';
import type { SupervisorMessage } from './messages.ts';

const handleOf = (socket: Socket): SendHandle | null => (socket as Socket & { _handle: SendHandle | null })._handle;

/** False: its client has hung up, and there is nothing to hand over. */
export const hasHandle = (socket: Socket): boolean => handleOf(socket) !== null;

/**
 * Sends `message` with `socket`'s handle and closes our copy. Resolves once the kernel holds the descriptor in flight (if the
 * executor then dies without taking it, the kernel closes it and the client sees a hang-up). Rejects, with our copy closed
 * (the same hang-up), when the socket or the channel is already gone.
 */
export function sendSocket(child: ChildProcess, message: SupervisorMessage, socket: Socket): Promise<void> {
  const handle = handleOf(socket);
  return new Promise<void>((done, fail) => {
    if (handle === null) throw new Error('the client hung up before its socket was handed over');
    child.send(message, handle, undefined, (error) => (error ? fail(error) : done()));
  }).finally(() => socket.destroy());
}
