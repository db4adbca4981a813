// The same sequence as sequence.c in TypeScript: libcuda.so.1 loaded in-process by ffi-rs, an FFI that the daemon does not
// use, as any application that dlopens it would. Run inside a zone; exits 0 and prints one line when every byte compares.
import { close, DataType, load, open } from 'ffi-rs'

const library = 'cuda'
open({ library, path: process.env.RINGFENCE_TEST_LIBCUDA ?? 'libcuda.so.1' })

const { BigInt: I64, I32, U64, U8Array } = DataType
type Arg = [DataType, unknown]

/** Calls a driver function; every one returns a CUresult. */
function call(funcName: string, ...args: Arg[]): number {
  return load({ library, funcName, retType: I32, paramsType: args.map((a) => a[0]), paramsValue: args.map((a) => a[1]) } as never) as unknown as number
}
function cu(funcName: string, ...args: Arg[]): void {
  const status = call(funcName, ...args)
  if (status !== 0) throw new Error(`${funcName}: CUresult ${status}`)
}
function must(what: string, condition: boolean): void {
  if (!condition) throw new Error(`not true: ${what}`)
}

const out = (bytes: number) => Buffer.alloc(bytes)
const i32 = (v: number): Arg => [I32, v]
const u64 = (v: number): Arg => [U64, v] // sizes and device addresses are below 2^53
const bytes = (b: Buffer): Arg => [U8Array, b]

const N = 3 * 1024 * 1024 + 136
const source = Buffer.alloc(N)
for (let i = 0, s = 0x9e3779b9; i < N; i++) {
  s = (Math.imul(s, 1664525) + 1013904223) >>> 0
  source[i] = s >>> 24
}

cu('cuInit', i32(0))
const version = out(4)
cu('cuDriverGetVersion', bytes(version))
must('version', version.readInt32LE() >= 12000)
const count = out(4)
cu('cuDeviceGetCount', bytes(count))
must('one device', count.readInt32LE() >= 1)
const name = out(256)
cu('cuDeviceGetName', bytes(name), i32(256), i32(0))
must('a name', name[0] !== 0)
const context = out(8)
cu('cuCtxCreate_v2', bytes(context), i32(0), i32(0))

const alloc = (): number => {
  const p = out(8)
  cu('cuMemAlloc_v2', bytes(p), u64(N))
  return Number(p.readBigUInt64LE())
}
const [a, b, c] = [alloc(), alloc(), alloc()]
must('three addresses', new Set([a, b, c]).size === 3)

const result = Buffer.alloc(N)
const size = u64(N)
cu('cuMemcpyHtoD_v2', u64(a), bytes(source), size)
cu('cuMemcpyDtoD_v2', u64(b), u64(a), size)
cu('cuMemcpyDtoH_v2', bytes(result), u64(b), size)
must('what went up comes down', source.equals(result))

cu('cuMemcpyHtoD_v2', u64(c), bytes(source), size)
cu('cuMemsetD8_v2', u64(c), i32(0xa5), u64(1001))
cu('cuMemsetD16_v2', u64(c + 2002), i32(0xbeef), u64(500))
cu('cuMemsetD32_v2', u64(c + 4004), i32(0xdeadbeef | 0), u64(250))
cu('cuCtxSynchronize')
cu('cuMemcpyDtoH_v2', bytes(result), u64(c), size)
source.fill(0xa5, 0, 1001)
for (let i = 0; i < 500; i++) source.writeUInt16LE(0xbeef, 2002 + 2 * i)
for (let i = 0; i < 250; i++) source.writeUInt32LE(0xdeadbeef, 4004 + 4 * i)
must('three memsets', source.equals(result))

for (const p of [a, b, c]) cu('cuMemFree_v2', u64(p))
must('a second free is refused', call('cuMemFree_v2', u64(c)) === 1)
cu('cuCtxDestroy_v2', [I64, context.readBigInt64LE()]) // handles use all 64 bits
console.log(`sequence-ffi: ok on ${name.toString('latin1', 0, name.indexOf(0))}`)
close(library)
