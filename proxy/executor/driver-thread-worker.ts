/**
 * A thread for the driver's slow calls: a worker of the executor with nothing but the driver in it. It makes one call at a
 * time, in the context that the call names, sleeps between calls, and is told what to do in shared memory (driver-thread.ts):
 * every value that crosses is a number.
 */
import { workerData } from 'node:worker_threads';
import { addressOf, loadDriver } from '../driver/driver.ts';
import { CALLS, Field, OUT, OUTS, State, type ThreadData } from './driver-thread-protocol.ts';

const { memory, driver: path } = workerData as ThreadData;
const state = new Int32Array(memory, 0, 1);
const fields = new Float64Array(memory, 8);
const driver = loadDriver(path);
const out = Buffer.allocUnsafeSlow(OUTS * 8).fill(0);
const outAddress = addressOf(out);

Atomics.store(state, 0, State.idle);
for (;;) {
  for (let seen = Atomics.load(state, 0); seen !== State.asked; seen = Atomics.load(state, 0)) Atomics.wait(state, 0, seen);
  const args: number[] = [];
  for (let i = 0; i < fields[Field.count]; i++) {
    const value = fields[Field.args + i];
    args.push(value <= OUT ? outAddress + (OUT - value) * 8 : value);
  }
  out.fill(0);
  let status = driver.cuCtxSetCurrent(fields[Field.context]);
  if (status === 0) {
    status = (driver[CALLS[fields[Field.call]]] as (...args: number[]) => number)(...args);
    // A context that is current nowhere can be destroyed at any time; one that was just made is current.
    driver.cuCtxSetCurrent(0);
  }
  fields[Field.status] = status;
  for (let i = 0; i < OUTS; i++) fields[Field.out + i] = Number(out.readBigUInt64LE(i * 8));
  Atomics.store(state, 0, State.done);
}
