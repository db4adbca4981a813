/**
 * A client's accepted socket as it is given to an executor. The supervisor reads none of its bytes; the descriptor is that of libuv's bare
 * handle, which Node does not document.
 */
import type { Socket } from 'node:net';

/** The socket's descriptor; -1: its client has hung up, and there is nothing to hand over. */
export const descriptorOf = (socket: Socket): number => (socket as Socket & { _handle: { readonly fd: number } | null })._handle?.fd ?? -1;
