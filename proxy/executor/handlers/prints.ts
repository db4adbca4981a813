/** What a client's kernels have printed, for the client to write out: PRINT_READ. See printed.ts. */
import { CUresult } from '../../driver/errors.ts';
import { SLOT_PAYLOAD } from '../../../idm/region.ts';
import { Message, MESSAGES, PrintReadReply } from '../../generated/messages.ts';
import type { Invocation } from '../invocation.ts';
import type { HandlerTable } from './table.ts';

const HEAD_BYTES = MESSAGES[Message.PRINT_READ].reply;
const ROOM = SLOT_PAYLOAD - HEAD_BYTES;

function read(v: Invocation): number {
  const { client } = v;
  const first = client.output[0];
  if (first === undefined) {
    v.replyU64(PrintReadReply.bytes, 0);
    return CUresult.SUCCESS;
  }
  const bytes = Math.min(first.text.length, ROOM);
  v.replyText(HEAD_BYTES >> 2, first.text, 0, ROOM);
  if (bytes === first.text.length) client.output.shift();
  else first.text = first.text.subarray(bytes);
  client.outputBytes -= bytes;
  v.replyU32(PrintReadReply.bytes, bytes);
  v.replyU32(PrintReadReply.file, first.file);
  v.replyU32(PrintReadReply.left, client.outputBytes);
  return CUresult.SUCCESS;
}

export function registerPrints(table: HandlerTable): void {
  table[Message.PRINT_READ] = read;
}
