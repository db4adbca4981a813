/** Sizes of what textures of plain memory read. */

/** Bytes of one channel by CUarray_format: those that linear and pitched memory may have. */
const CHANNEL_BYTES: ReadonlyMap<number, number> = new Map([
  [0x01, 1], [0x02, 2], [0x03, 4], [0x08, 1], [0x09, 2], [0x0a, 4], [0x10, 2], [0x20, 4],
]);

/** Bytes of a texel; 0: there is no such format. */
export function texelBytes(format: number, channels: number): number {
  return channels === 1 || channels === 2 || channels === 4 ? (CHANNEL_BYTES.get(format) ?? 0) * channels : 0;
}

/** Bytes from the first texel of pitched memory to behind its last; 0: there are none, or more than can be counted. */
export function imageBytes(texel: number, width: number, height: number, pitch: number): number {
  if (width === 0 || height === 0) return 0;
  const bytes = (height - 1) * pitch + width * texel;
  return Number.isSafeInteger(bytes) ? bytes : 0;
}
