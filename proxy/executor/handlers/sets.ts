/** Memsets of every form: GPU_SET. */
import { CUresult } from '../../driver/errors.ts';
import { GpuSet, HandleType, Message } from '../../generated/messages.ts';
import { DEFERRED, type Invocation } from '../invocation.ts';
import { StepKind } from '../pending.ts';
import type { HandlerTable } from './table.ts';

function set(v: Invocation): number {
  const address = v.u64(GpuSet.address);
  const pitch = v.u64(GpuSet.pitch);
  const width = v.u64(GpuSet.width);
  const rows = v.u64(GpuSet.rows);
  const value = v.u32(GpuSet.value);
  const element = v.u32(GpuSet.element);
  const stream = v.stream(GpuSet.stream);
  if (stream < 0) return v.invalid(HandleType.stream);
  if (element !== 1 && element !== 2 && element !== 4) return CUresult.INVALID_VALUE;
  const bytes = width * element;
  let status: number = CUresult.SUCCESS;
  if (bytes !== 0 && rows !== 0) {
    if (rows > 1 && pitch < bytes) return CUresult.INVALID_VALUE;
    if (!v.executor.memory.check(v.client.memory, address, (rows - 1) * pitch + bytes, true)) return v.outside();
    const driver = v.driver;
    if (rows === 1) {
      if (element === 1) status = driver.cuMemsetD8Async(address, value & 0xff, width, stream);
      else if (element === 2) status = driver.cuMemsetD16Async(address, value & 0xffff, width, stream);
      else status = driver.cuMemsetD32Async(address, value, width, stream);
    } else if (element === 1) status = driver.cuMemsetD2D8Async(address, pitch, value & 0xff, width, rows, stream);
    else if (element === 2) status = driver.cuMemsetD2D16Async(address, pitch, value & 0xffff, width, rows, stream);
    else status = driver.cuMemsetD2D32Async(address, pitch, value, width, rows, stream);
  }
  if (status !== 0 || v.posted) return status;
  const work = v.executor.work;
  work.open(v.found!).add(work.step(StepKind.reply, v.client, v.current, v.slot, v.ticket));
  return DEFERRED;
}

export function registerSets(table: HandlerTable): void {
  table[Message.GPU_SET] = set;
}
