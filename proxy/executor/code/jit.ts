/**
 * The options of the driver's compiler. Those that are plain numbers are passed on; logs go to buffers of ours, which the client
 * fetches (JIT_LOG); those that are pointers into the client are not there at all.
 */
import { addressOf } from '../../driver/driver.ts';
import { CUresult } from '../../driver/errors.ts';
import type { Invocation } from '../invocation.ts';
import { LoadReport } from './images.ts';

/** CUjit_option. */
const WALL_TIME = 2;
const INFO_LOG = 3;
const INFO_SIZE = 4;
const ERROR_LOG = 5;
const ERROR_SIZE = 6;
/** Options that take a number: registers, threads, optimisation level, target, fallback, debug and line information, verbosity, cache
 *  mode, fast compilation, LTO, FTZ to FMA, position independence, blocks per multiprocessor, threads per block, overriding. */
const PLAIN = new Set([0, 1, 7, 8, 9, 10, 11, 12, 13, 14, 16, 20, 21, 22, 23, 24, 30, 31, 32, 33]);
const OPTIONS_MAX = 64;
const LOG_MAX = 65536;

/** Options as the driver takes them: two arrays. Keep the object until the driver is done with them. */
export class JitOptions {
  readonly count: number;
  private readonly names: Buffer;
  private readonly values: Buffer;
  private readonly info: Buffer;
  private readonly errors: Buffer;
  private readonly at = new Map<number, number>();

  constructor(plain: [number, bigint][], infoBytes: number, errorBytes: number) {
    this.info = Buffer.allocUnsafeSlow(infoBytes + 1).fill(0);
    this.errors = Buffer.allocUnsafeSlow(errorBytes + 1).fill(0);
    const all: [number, bigint][] = [...plain, [WALL_TIME, 0n]];
    if (infoBytes !== 0) all.push([INFO_LOG, BigInt(addressOf(this.info))], [INFO_SIZE, BigInt(infoBytes)]);
    if (errorBytes !== 0) all.push([ERROR_LOG, BigInt(addressOf(this.errors))], [ERROR_SIZE, BigInt(errorBytes)]);
    this.count = all.length;
    this.names = Buffer.allocUnsafeSlow(all.length * 4);
    this.values = Buffer.allocUnsafeSlow(all.length * 8);
    all.forEach(([name, value], i) => {
      this.names.writeUInt32LE(name, i * 4);
      this.values.writeBigUInt64LE(value, i * 8);
      this.at.set(name, i);
    });
  }

  get namesAddress(): number {
    return addressOf(this.names);
  }

  get valuesAddress(): number {
    return addressOf(this.values);
  }

  /** What the driver has filled in. */
  report(): LoadReport {
    const report = new LoadReport();
    report.milliseconds = this.values.readFloatLE(this.at.get(WALL_TIME)! * 8);
    report.info = this.log(this.info, INFO_SIZE);
    report.errors = this.log(this.errors, ERROR_SIZE);
    return report;
  }

  private log(text: Buffer, option: number): Buffer {
    const at = this.at.get(option);
    if (at === undefined) return text.subarray(0, 0);
    // The driver says how much it wrote; whatever it says, a NUL ends it.
    const end = text.indexOf(0);
    return Buffer.from(text.subarray(0, Math.min(end, this.values.readUInt32LE(at * 8))));
  }
}

/** Reads `count` pairs of u64 from word `off` of the payload on. `logs` false: there is another place for them. A CUresult if they are not to be had. */
export function readOptions(v: Invocation, off: number, count: number, logs = true): JitOptions | number {
  if (count > OPTIONS_MAX || (off << 2) + count * 16 > v.bytes) return CUresult.INVALID_VALUE;
  const plain: [number, bigint][] = [];
  let info = 0;
  let errors = 0;
  for (let i = 0; i < count; i++) {
    const name = v.u32(off + i * 4);
    if (name === INFO_SIZE) info = Math.min(v.u32(off + i * 4 + 2), LOG_MAX);
    else if (name === ERROR_SIZE) errors = Math.min(v.u32(off + i * 4 + 2), LOG_MAX);
    else if (PLAIN.has(name)) plain.push([name, (BigInt(v.u32(off + i * 4 + 3)) << 32n) | BigInt(v.u32(off + i * 4 + 2))]);
    else return CUresult.INVALID_VALUE;
  }
  return logs ? new JitOptions(plain, info, errors) : new JitOptions(plain, 0, 0);
}
