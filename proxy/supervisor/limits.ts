/** The limits that a zone has by default; apart from the book of zones so that the command line's help can tell them cheaply. */
import type { ZoneLimits } from './messages.ts';

/**
 * What a zone gets when it asks for nothing but memory: room for a training job with its data loaders, small enough that one
 * tenant's records (some hundred bytes each) cannot fill its executor's heap.
 */
export const DEFAULT_LIMITS: Readonly<Omit<ZoneLimits, 'memory'>> = Object.freeze({
  clients: 64,
  allocations: 65_536,
  handles: 65_536,
  staging: 2 ** 30,
});
