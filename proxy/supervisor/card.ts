/**
 * The software GPU's card memory: one object of the card's size, made by the supervisor and inherited by every executor, so that
 * the executors' software GPUs are one card: total and free memory are true across processes, and freed frames stay dirty as on
 * real hardware. Sparse: it costs what is touched.
 */
import { RingfenceError } from '../errors.ts';
import { sealedMemory } from './sealed-memory.ts';
import { formatSize } from './size.ts';

/** Returns a descriptor the caller owns. Throws CARD_MEMORY_FAILED. */
export function createCard(bytes: number): number {
  try {
    return sealedMemory('ringfence-card', bytes);
  } catch (error) {
    throw new RingfenceError('CARD_MEMORY_FAILED', { size: formatSize(bytes), why: (error as Error).message });
  }
}
