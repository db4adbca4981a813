/**
 * Launch attributes as a client gave them, made into what the driver may see: values as they are, handles looked up, addresses
 * checked, anything that would let the driver write into the client refused.
 */
import { addressOf } from '../../driver/driver.ts';
import { CUresult } from '../../driver/errors.ts';
import { HandleType } from '../../generated/messages.ts';
import type { Invocation } from '../invocation.ts';

/** CUlaunchAttribute: id at 0, value of 64 bytes at 8. */
export const ATTRIBUTE_BYTES = 72;
const WORDS = ATTRIBUTE_BYTES >> 2;
const VALUE = 2;
export const ATTRIBUTES_MAX = 32;

/** CUlaunchAttributeID. */
const ACCESS_POLICY_WINDOW = 1;
const COOPERATIVE = 2;
const PROGRAMMATIC_EVENT = 7;
const LAUNCH_COMPLETION_EVENT = 12;
const DEVICE_UPDATABLE_KERNEL_NODE = 13;
const LAST = 16;

/** Room for one more than a client may send. */
const list = Buffer.allocUnsafeSlow((ATTRIBUTES_MAX + 1) * ATTRIBUTE_BYTES).fill(0);
const words = new Int32Array(list.buffer, list.byteOffset, list.length >> 2);

/** Native address of what readAttributes has put together. */
export const attributesAddress = addressOf(list);

/** Reads `count` attributes from word `off` of the payload on, and adds COOPERATIVE where asked. How many there are, or a negative
 *  CUresult. Good until the next call. */
export function readAttributes(v: Invocation, off: number, count: number, cooperative: boolean): number {
  if (count > ATTRIBUTES_MAX || (off << 2) + count * ATTRIBUTE_BYTES > v.bytes) return -CUresult.INVALID_VALUE;
  for (let i = 0; i < count; i++) {
    const at = i * WORDS;
    const from = off + at;
    for (let w = 0; w < WORDS; w++) words[at + w] = v.i32(from + w);
    words[at + 1] = 0;
    switch (v.u32(from)) {
      case ACCESS_POLICY_WINDOW:
        // base_ptr, num_bytes, ...: an empty window may point anywhere
        if (v.u64(from + VALUE + 2) !== 0 && v.address(from + VALUE, v.u64(from + VALUE + 2), false) < 0) return -CUresult.INVALID_VALUE;
        break;
      case PROGRAMMATIC_EVENT:
      case LAUNCH_COMPLETION_EVENT: {
        const event = v.handle(HandleType.event, from + VALUE);
        if (event < 0) return -v.invalid(HandleType.event);
        words[at + VALUE] = event >>> 0;
        words[at + VALUE + 1] = Math.floor(event / 4294967296);
        break;
      }
      case DEVICE_UPDATABLE_KERNEL_NODE:
        return -CUresult.NOT_SUPPORTED;
      default:
        if (v.u32(from) > LAST) return -CUresult.INVALID_VALUE;
    }
  }
  if (cooperative) {
    words.fill(0, count * WORDS, (count + 1) * WORDS);
    words[count * WORDS] = COOPERATIVE;
    words[count * WORDS + VALUE] = 1;
    count++;
  }
  return count;
}

/** CUlaunchConfig, 56 bytes: grid, block, shared memory, stream at 32, attributes at 40, how many at 48. */
const config = Buffer.allocUnsafeSlow(56).fill(0);
const configWords = new Int32Array(config.buffer, config.byteOffset, 14);
const configAddress = addressOf(config);
configWords[10] = attributesAddress >>> 0;
configWords[11] = Math.floor(attributesAddress / 4294967296);

/** Native address of a launch configuration whose seven numbers (grid, block, shared memory) lie from word `off` of the payload on. */
export function launchConfig(v: Invocation, off: number, stream: number, attributes: number): number {
  for (let i = 0; i < 7; i++) configWords[i] = v.i32(off + i);
  configWords[8] = stream >>> 0;
  configWords[9] = Math.floor(stream / 4294967296);
  configWords[12] = attributes;
  return configAddress;
}
