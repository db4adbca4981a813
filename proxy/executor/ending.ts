/**
 * The end of a client: everything that it held goes back. In steps, because the GPU may still be at work in its memory and its
 * staging, and nothing here may wait:
 *
 *   1. it is served no more, its host functions let their streams go on, its memory returns to the zone's quota
 *   2. its streams are polled until they are idle (waits for values that nobody will write are ended for it, and so are kernels that
 *      go on, where the driver can: the software GPU. On hardware they run to their end)
 *   3. its contexts are destroyed, on another thread
 *   4. its memory is recycled, its handles are freed, its region is unmapped; `gone` is called
 */
import { CUresult } from '../driver/errors.ts';
import { close } from '../passed.ts';
import type { Client } from './client.ts';
import { clientCodeGone } from './code/handlers.ts';
import type { Executor } from './executor.ts';
import { endContext, KERNELS_GRACE_MS } from './handlers/contexts.ts';
import { releaseHostCalls } from './handlers/hostcalls.ts';
import { endWaits } from './handlers/waits.ts';

const WAITS_EVERY_MS = 2;

/** Ends a client; once only. `fd` is closed here. `gone` is called when nothing of it is left. */
export function endClient(executor: Executor, client: Client, gone: () => void): void {
  if (client.dead) return;
  client.dead = true;
  const at = executor.clients.indexOf(client);
  if (at >= 0) executor.clients.splice(at, 1);
  close(client.fd);
  client.fd = -1;
  client.memory.close();
  executor.usageChanged();

  let waitsAt = 0;
  let kernelsAt = performance.now();
  let round = 0;
  executor.poll(() => {
    // Calls of this client that were under way when it died may still begin host functions or make contexts.
    releaseHostCalls(client);
    const busy = isBusy(executor, client);
    if (!busy) {
      if (!client.graphs.end(executor.driver)) return false;
      destroyContexts(executor, client, gone);
      return true;
    }
    const now = performance.now();
    if (now - kernelsAt >= KERNELS_GRACE_MS) {
      kernelsAt = now;
      for (const context of client.known) executor.stopKernels(context);
    }
    // Also while a context is closing: that may be what its end waits for.
    if (client.waits.size !== 0) {
      if (now - waitsAt >= WAITS_EVERY_MS) {
        waitsAt = now;
        endWaits(executor, client, round++);
      }
    }
    return false;
  });
}

function isBusy(executor: Executor, client: Client): boolean {
  for (const context of client.known) if (context.waiting !== null || context.closing) return true;
  return executor.workStatus(client, null) === CUresult.NOT_READY;
}

function destroyContexts(executor: Executor, client: Client, gone: () => void): void {
  let left = 1;
  const one = (): void => {
    if (--left === 0) finish(executor, client, gone);
  };
  for (const context of client.known) {
    if (context.native === 0) continue;
    left++;
    endContext(executor, context, one);
  }
  one();
}

function finish(executor: Executor, client: Client, gone: () => void): void {
  clientCodeGone(executor, client);
  client.memory.contextsGone();
  executor.inPieces(() => executor.unregisterSome(client), () => letGo(executor, client, gone));
}

function letGo(executor: Executor, client: Client, gone: () => void): void {
  client.known.clear();
  const bytes = client.region.shape.size;
  client.words = client.empty;
  executor.unpinRegion(client, () => {
    client.region.close();
    executor.memory.releaseStaging(bytes);
    executor.usageChanged();
    gone();
  });
}
