// Small language models in llama.cpp's file format (GGUF 3, https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): two layers, 320
// words, weights drawn at random. No weights of anybody's can be fetched where tests run, and random ones want the same arithmetic.
import { writeFileSync } from 'node:fs'

const WIDTH = 256, HEADS = 4, KEY_HEADS = 2, FEED_FORWARD = 512, LAYERS = 2, WORDS = 320

/** How ggml stores numbers: its type, and how many lie together in how many bytes, of which those at `scales` are half-precision factors. */
const FORMATS = {
  F32: { type: 0, numbers: 1, bytes: 4, scales: [] },
  F16: { type: 1, numbers: 1, bytes: 2, scales: [] },
  Q4_0: { type: 2, numbers: 32, bytes: 18, scales: [[0, 0.012]] },
  Q8_0: { type: 8, numbers: 32, bytes: 34, scales: [[0, 0.0009]] },
  Q4_K: { type: 12, numbers: 256, bytes: 144, scales: [[0, 0.0003], [2, 0.0022]] },
  Q6_K: { type: 14, numbers: 256, bytes: 210, scales: [[208, 0.00005]] },
} as const
export type Format = Exclude<keyof typeof FORMATS, 'F32'>

/** A number's bits in half precision, cut off: drawn at random, it need not be rounded. */
function half(value: number): number {
  const bits = new Uint32Array(new Float32Array([value]).buffer)[0]!
  const exponent = ((bits >>> 23) & 255) - 112, sign = (bits >>> 16) & 0x8000
  if (exponent <= 0) return exponent < -10 ? sign : sign | (((bits & 0x7fffff) | 0x800000) >> (14 - exponent))
  return sign | (exponent << 10) | ((bits & 0x7fffff) >> 13)
}

export function writeModel(file: string, format: Format): void {
  let seed = 12345
  const random = (): number => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32
  const normal = (): number => Math.sqrt(-2 * Math.log(random() + 1e-9)) * Math.cos(2 * Math.PI * random())

  const parts: Buffer[] = []
  let size = 0
  const put = (bytes: Uint8Array): void => void (parts.push(Buffer.from(bytes)), (size += bytes.length))
  const number = (bytes: number, write: (b: Buffer) => void): void => {
    const b = Buffer.alloc(bytes)
    write(b)
    put(b)
  }
  const u32 = (v: number): void => number(4, (b) => b.writeUInt32LE(v))
  const u64 = (v: number): void => number(8, (b) => b.writeBigUInt64LE(BigInt(v)))
  const f32 = (v: number): void => number(4, (b) => b.writeFloatLE(v))
  const text = (v: string): void => (u64(Buffer.byteLength(v)), put(Buffer.from(v)))
  const align = (): void => put(new Uint8Array((32 - (size % 32)) % 32))

  /** Metadata: their type's number, and what writes them. */
  const entries: [string, number, () => void][] = []
  const name = (key: string, v: string): void => void entries.push([key, 8, () => text(v)])
  const count = (key: string, v: number): void => void entries.push([key, 4, () => u32(v)])
  const real = (key: string, v: number): void => void entries.push([key, 6, () => f32(v)])
  const list = (key: string, type: number, write: (i: number) => void): void =>
    void entries.push([key, 9, () => { u32(type); u64(WORDS); for (let i = 0; i < WORDS; i++) write(i) }])
  name('general.architecture', 'llama')
  count('llama.context_length', 512)
  count('llama.embedding_length', WIDTH)
  count('llama.block_count', LAYERS)
  count('llama.feed_forward_length', FEED_FORWARD)
  count('llama.attention.head_count', HEADS)
  count('llama.attention.head_count_kv', KEY_HEADS)
  count('llama.rope.dimension_count', WIDTH / HEADS)
  real('llama.attention.layer_norm_rms_epsilon', 1e-5)
  name('tokenizer.ggml.model', 'llama')
  // Three marks, a word for each byte, and others.
  const word = (i: number): string => (i < 3 ? ['<unk>', '<s>', '</s>'][i]! : i < 259 ? `<0x${(i - 3).toString(16).toUpperCase().padStart(2, '0')}>` : `▁w${i}`)
  list('tokenizer.ggml.tokens', 8, (i) => text(word(i)))
  list('tokenizer.ggml.scores', 6, (i) => f32(i < 259 ? 0 : -i))
  list('tokenizer.ggml.token_type', 5, (i) => u32(i === 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1))
  count('tokenizer.ggml.bos_token_id', 1)
  count('tokenizer.ggml.eos_token_id', 2)
  count('tokenizer.ggml.unknown_token_id', 0)

  const tensors: { name: string; shape: number[]; type: number; data: Buffer }[] = []
  const tensor = (label: string, shape: number[], stored: keyof typeof FORMATS = format): void => {
    const { type, numbers, bytes, scales } = FORMATS[stored]
    const blocks = shape.reduce((a, b) => a * b) / numbers
    const data = Buffer.alloc(blocks * bytes)
    for (let i = 0; i < data.length; i += bytes) {
      if (stored === 'F32') data.writeFloatLE(1 + 0.1 * normal(), i)
      else if (stored === 'F16') data.writeUInt16LE(half(0.06 * normal()), i)
      else for (let j = 0; j < bytes; j++) data[i + j] = random() * 256
      for (const [at, scale] of scales) data.writeUInt16LE(half(scale), i + at)
    }
    tensors.push({ name: `${label}.weight`, shape, type, data })
  }
  tensor('token_embd', [WIDTH, WORDS])
  tensor('output_norm', [WIDTH], 'F32')
  tensor('output', [WIDTH, WORDS])
  for (let layer = 0; layer < LAYERS; layer++) {
    const at = (part: string): string => `blk.${layer}.${part}`
    tensor(at('attn_norm'), [WIDTH], 'F32')
    tensor(at('attn_q'), [WIDTH, WIDTH])
    tensor(at('attn_k'), [WIDTH, (KEY_HEADS * WIDTH) / HEADS])
    tensor(at('attn_v'), [WIDTH, (KEY_HEADS * WIDTH) / HEADS])
    tensor(at('attn_output'), [WIDTH, WIDTH])
    tensor(at('ffn_norm'), [WIDTH], 'F32')
    tensor(at('ffn_gate'), [WIDTH, FEED_FORWARD])
    tensor(at('ffn_up'), [WIDTH, FEED_FORWARD])
    tensor(at('ffn_down'), [FEED_FORWARD, WIDTH])
  }

  put(Buffer.from('GGUF'))
  u32(3)
  u64(tensors.length)
  u64(entries.length)
  for (const [key, type, write] of entries) (text(key), u32(type), write())
  let offset = 0
  for (const { name: label, shape, type, data } of tensors) {
    text(label)
    u32(shape.length)
    shape.forEach(u64)
    u32(type)
    u64(offset)
    offset += Math.ceil(data.length / 32) * 32
  }
  align()
  for (const { data } of tensors) (put(data), align())
  writeFileSync(file, Buffer.concat(parts))
}
