/** One look at a zone over its socket, as NVML takes it in the zone (idm/monitor.h). */
import net from 'node:net';
import { readWelcome, Refusal, WELCOME_BYTES, writeHello } from '../../idm/hello.ts';
import { FEATURE_MONITOR, readSnapshot, SNAPSHOT_BYTES, type SnapshotView } from '../../idm/monitor.ts';
import { RingfenceError } from '../errors.ts';
import { TABLE_HASH } from '../generated/messages.ts';

const WITHIN_MS = 10_000;

/** Throws RingfenceError ZONE_UNREACHABLE with the reason: nobody there, or the executor's own sentence. */
export function lookAt(socket: string, token: string | null): Promise<SnapshotView> {
  return new Promise((done, fail) => {
    let got = Buffer.alloc(0);
    let welcomed = false;
    const connection = net.connect(socket);
    const end = (why: string | null, view?: SnapshotView): void => {
      connection.destroy();
      if (view !== undefined) done(view);
      else fail(new RingfenceError('ZONE_UNREACHABLE', { path: socket, why: why! }));
    };
    connection.setTimeout(WITHIN_MS, () => end(`no answer within ${WITHIN_MS / 1000} seconds`));
    connection.on('error', (error) => end(error.message));
    connection.on('close', () => end('the broker hung up'));
    connection.on('connect', () => connection.write(writeHello({ tableHash: TABLE_HASH, pid: process.pid, features: FEATURE_MONITOR, token: token ?? '', program: 'ringfence smi' })));
    connection.on('data', (data) => {
      got = Buffer.concat([got, data]);
      if (!welcomed) {
        if (got.length < WELCOME_BYTES) return;
        const welcome = readWelcome(got);
        if (welcome === null) return end('what listens there is no Ringfence broker of this version');
        if (welcome.status !== Refusal.none) return end(welcome.message);
        welcomed = true;
        got = got.subarray(WELCOME_BYTES);
        connection.write('?');
      }
      if (got.length < SNAPSHOT_BYTES) return;
      const view = readSnapshot(got);
      if (view === null) end('what listens there is no Ringfence broker of this version');
      else end(null, view);
    });
  });
}
