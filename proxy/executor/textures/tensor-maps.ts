/**
 * Tensor maps: 128 bytes that only the driver can write, which kernels get as data. Nothing of them is kept here. The address in one is as
 * good as any that a kernel could make up by itself, and reaches memory through the kernel's own context.
 */
import { CUresult } from '../../driver/errors.ts';
import { Message, MESSAGES, TensorMap, TensorMapReply } from '../../generated/messages.ts';
import type { HandlerTable } from '../handlers/table.ts';
import type { Invocation } from '../invocation.ts';

enum What { tiled = 0, im2col = 1, im2colWide = 2, replace = 3 }

const MAP = 128;
/** What follows the request (libvgpu/tensormap.c), in bytes: the map, dimensions, strides, the box or corners, element strides. */
const DIM = MAP;
const STRIDES = DIM + 40;
const BOX = STRIDES + 40;
const UPPER = BOX + 12;
const ELEMENTS = BOX + 24;
const ALL = ELEMENTS + 24;
const REQUEST_WORDS = MESSAGES[Message.TENSOR_MAP].request >> 2;
const REPLY_WORDS = MESSAGES[Message.TENSOR_MAP].reply >> 2;
const RANK_MAX = 5;

function encode(v: Invocation): number {
  if (v.bytes < (REQUEST_WORDS << 2) + ALL) return CUresult.INVALID_VALUE;
  // Maps must lie at a multiple of 64 bytes.
  const offset = -v.scratch & 63;
  const map = v.scratch + offset;
  v.scratchPut(offset, REQUEST_WORDS, ALL);
  const address = v.u64(TensorMap.address);
  const what = v.u32(TensorMap.what);
  const rank = v.u32(TensorMap.rank);
  const { driver } = v;
  let status: number;
  if (what === What.replace) status = driver.cuTensorMapReplaceAddress(map, address);
  // The driver reads as many numbers as the rank says.
  else if (rank < 1 || rank > RANK_MAX) return CUresult.INVALID_VALUE;
  else {
    const [type, interleave, swizzle, promotion, fill] = [v.u32(TensorMap.type), v.u32(TensorMap.interleave), v.u32(TensorMap.swizzle), v.u32(TensorMap.promotion), v.u32(TensorMap.fill)];
    const [channels, pixels] = [v.u32(TensorMap.channels), v.u32(TensorMap.pixels)];
    const [dim, strides, box, elements] = [map + DIM, map + STRIDES, map + BOX, map + ELEMENTS];
    if (what === What.tiled) status = driver.cuTensorMapEncodeTiled(map, type, rank, address, dim, strides, box, elements, interleave, swizzle, promotion, fill);
    else if (what === What.im2col) status = driver.cuTensorMapEncodeIm2col(map, type, rank, address, dim, strides, box, map + UPPER, channels, pixels, elements, interleave, swizzle, promotion, fill);
    else if (what === What.im2colWide)
      status = driver.cuTensorMapEncodeIm2colWide(map, type, rank, address, dim, strides, v.i32(TensorMap.lower), v.i32(TensorMap.upper), channels, pixels, elements, interleave, v.u32(TensorMap.mode), swizzle, promotion, fill);
    else return CUresult.INVALID_VALUE;
  }
  if (status !== 0) return status;
  v.replyU32(TensorMapReply.bytes, MAP);
  v.replyText(REPLY_WORDS, v.scratchBytes.subarray(offset, offset + MAP), 0, MAP);
  return 0;
}

export function registerTensorMaps(table: HandlerTable): void {
  table[Message.TENSOR_MAP] = encode;
}
