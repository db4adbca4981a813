/**
 * LZ4 blocks, as nvcc compresses variants in fat binaries: sequences of literals and of copies of what came before. Format: the LZ4
 * block format description (lz4.org). Node has no such thing of its own, and the packages that have want the frames around.
 */

/** What a block expands to, at most `most` bytes; null: it is damaged, or more. */
export function expandLz4(from: Buffer, most: number): Buffer | null {
  const to = Buffer.allocUnsafe(most);
  let at = 0;
  let out = 0;
  /** 15 in four bits: bytes follow, up to one that is not 255. -1: they do not end. */
  const length = (nibble: number): number => {
    if (nibble !== 15) return nibble;
    let sum = nibble;
    for (;;) {
      if (at >= from.length) return -1;
      const more = from[at++];
      sum += more;
      if (more !== 255) return sum;
    }
  };
  while (at < from.length) {
    const token = from[at++];
    const literals = length(token >> 4);
    if (literals < 0 || literals > from.length - at || literals > most - out) return null;
    from.copy(to, out, at, at + literals);
    at += literals;
    out += literals;
    if (at === from.length) return to.subarray(0, out); // the last sequence has no copy
    if (from.length - at < 2) return null;
    const distance = from.readUInt16LE(at);
    at += 2;
    const copied = length(token & 15);
    if (copied < 0 || distance === 0 || distance > out || copied + 4 > most - out) return null;
    // What is copied may be what is being written: byte after byte.
    for (let i = 0; i < copied + 4; i++, out++) to[out] = to[out - distance];
  }
  return null;
}
