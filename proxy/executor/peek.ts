/**
 * Looks ahead in a stalled client's ring for HOST_DONE.
 *
 * A ring stalls when a stream has too much in front of it. If that stream is held back by a host function, the word that lets it
 * go on may lie behind the record that is stalled. HOST_DONE depends on nothing before it, so it is acted on where it is seen; when
 * its turn comes in the ring, its cookie is unknown and nothing happens. What is read here is read in place, once, and believed
 * no further than a look-up of a cookie: a client that changes it meanwhile only lets its own streams go on.
 */
import { CALL_PADDING, RECORD_HEADER, RECORD_MAX, RecordWord, wordAt } from '../../idm/ring.ts';
import { HostDone, Message } from '../generated/messages.ts';
import type { Client } from './client.ts';

const HIGH = 4294967296;

/** Calls `found` with the cookie of every HOST_DONE that the client has written and the loop has not come to. */
export function peekHostDone(client: Client, found: (cookie: number) => void): void {
  const { batch, head } = client.reader;
  for (let at = client.at; at < client.end;) {
    const length = batch[at];
    if (length < 8) break;
    look(batch, at, length, batch[at + RecordWord.callAndSlot] & 0xffff, found);
    at += ((length + 7) >>> 3) << 1;
  }
  // Behind the batch: in the ring itself, from the reader's position to the first record that is not committed, once around.
  const { words } = client;
  const units = client.region.shape.ringUnits;
  const data = wordAt(client.region.shape.ring);
  for (let seen = 0; seen < units;) {
    const place = (head + seen) & (units - 1);
    const at = data + (place << 1);
    const length = Atomics.load(words, at);
    if (length <= 0) break;
    const size = (length + 7) >>> 3;
    const call = words[at + RecordWord.callAndSlot] & 0xffff;
    if (place + size > units || (length > RECORD_MAX && call !== CALL_PADDING)) break;
    look(words, at, length, call, found);
    seen += size;
  }
}

function look(words: Int32Array, at: number, length: number, call: number, found: (cookie: number) => void): void {
  if (call !== Message.HOST_DONE || length < RECORD_HEADER + 8) return;
  const cookie = at + RecordWord.payload + HostDone.cookie;
  found((words[cookie + 1] >>> 0) * HIGH + (words[cookie] >>> 0));
}
