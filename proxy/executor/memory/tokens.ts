/**
 * Numbers under which clients of one zone find what another of them lets them use: 256 random bits, known to this process alone. Another
 * zone, which is another process, knows no such number.
 */
import { randomBytes } from 'node:crypto';
import type { MemoryInvocation } from './types.ts';

const BYTES = 32;
const WORDS = BYTES / 4;

export const newToken = (): string => randomBytes(BYTES).toString('hex');

/** The number at word `at` of the request. */
export function tokenAt(v: MemoryInvocation, at: number): string {
  const token = Buffer.allocUnsafe(BYTES);
  for (let i = 0; i < WORDS; i++) token.writeUInt32LE(v.u32(at + i), i * 4);
  return token.toString('hex');
}

/** Replies the number from word `at` on. */
export function replyToken(v: MemoryInvocation, at: number, token: string): void {
  const bytes = Buffer.from(token, 'hex');
  for (let i = 0; i < WORDS; i++) v.replyU32(at + i, bytes.readUInt32LE(i * 4));
}

/** Replies the number under which others find `value`, which `owner` keeps: made when it is asked for first. */
export function replyTokenOf<T>(v: MemoryInvocation, at: number, owner: { token: string }, exported: Map<string, T>, value: T): void {
  if (owner.token === '') exported.set((owner.token = newToken()), value);
  replyToken(v, at, owner.token);
}
