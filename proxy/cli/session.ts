/**
 * Where `ringfence run` gets its zone from: the daemon in the run directory, or a private one for the command's lifetime in a run directory
 * of its own, so that nothing of it is left afterwards.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiClient, type Lease } from '../api/client.ts';
import { RingfenceError } from '../errors.ts';
import { layout } from '../supervisor/layout.ts';
import type { PrivateReady } from '../supervisor/main.ts';

/** The zone that is used when none is named. */
const DEFAULT_ZONE = 'default';
const STOP_TIMEOUT_MS = 8_000;
/** mkdtemp's path, the zone's folder and socket must fit into 107 bytes. */
const MAX_TEMPORARY_FOLDER = 60;

export interface SessionRequest {
  readonly runDir: string;
  readonly zone?: string;
  /** Bytes; given: a temporary zone (named `zone`, if that is given too). */
  readonly memory?: number;
}

export interface Session {
  readonly socket: string;
  readonly token: string | null;
  /** Gives the temporary zone and the private daemon up; resolves when they are gone. */
  end(): Promise<void>;
}

/** Throws NO_DAEMON, ZONE_UNKNOWN, DEFAULT_ZONE_MISSING, DAEMON_DIED or what creating a zone throws. */
export async function openSession(request: SessionRequest): Promise<Session> {
  const api = new ApiClient(request.runDir);
  const serving = await api.isServing();
  if (request.memory !== undefined) {
    const name = request.zone ?? `run-${process.pid}`;
    return serving ? leased(api, name, request.memory, async () => {}) : startPrivate(name, request.memory);
  }
  if (!serving) {
    if (request.zone !== undefined) throw new RingfenceError('NO_DAEMON', { path: request.runDir });
    return startPrivate('run', null);
  }
  const zone = request.zone ?? DEFAULT_ZONE;
  try {
    const { socket, token } = await api.access(zone);
    return { socket, token, end: async () => {} };
  } catch (error) {
    if (request.zone === undefined && (error as { code?: string }).code === 'ZONE_UNKNOWN') throw new RingfenceError('DEFAULT_ZONE_MISSING', { path: request.runDir });
    throw error;
  }
}

async function leased(api: ApiClient, name: string, memory: number | null, after: () => Promise<void>): Promise<Session> {
  const lease: Lease = await api.lease({ name, memory });
  return {
    socket: lease.zone.socket,
    token: null,
    end: async () => {
      lease.release();
      await after();
    },
  };
}

async function startPrivate(zone: string, memory: number | null): Promise<Session> {
  const parent = tmpdir();
  const runDir = mkdtempSync(join(parent.length <= MAX_TEMPORARY_FOLDER ? parent : '/tmp', 'ringfence-run-'));
  const args = ['serve', '--run-dir', runDir, '--pool', '0', '--keep-first', '--log-level', process.env['RINGFENCE_LOG'] ?? 'error'];
  // A newcomer asks for memory, not for a card: the software one is made large enough.
  if (memory !== null && process.env['RINGFENCE_STUB_MEMORY'] === undefined) args.push('--card-memory-at-least', String(memory));
  // Which devices to see is said to the command, whose library obeys it; the daemon's driver would obey it a second time.
  const { CUDA_VISIBLE_DEVICES: _commands, ...env } = process.env;
  // In a process group of its own: Ctrl-C is for the command, and the daemon must outlive it to clean up.
  const daemon = fork(layout().cli, args, { detached: true, execArgv: [], stdio: ['ignore', 2, 2, 'ipc'], env });
  const end = async (): Promise<void> => {
    await stopDaemon(daemon);
    rmSync(runDir, { recursive: true, force: true });
  };
  try {
    await new Promise<void>((done, fail) => {
      daemon.once('message', (message) => {
        if ((message as PrivateReady).type === 'serving') done();
      });
      daemon.once('error', (error) => fail(new RingfenceError('DAEMON_DIED', { why: error.message })));
      daemon.once('exit', (code, signal) => fail(new RingfenceError('DAEMON_DIED', { why: `it ended with ${signal ? `signal ${signal}` : `status ${code}`}` })));
    });
    return await leased(new ApiClient(runDir), zone, memory, end);
  } catch (error) {
    await end();
    throw error;
  }
}

/** Closing the channel is what stops a private daemon. */
async function stopDaemon(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null || daemon.pid === undefined) return;
  const gone = new Promise<void>((done) => daemon.once('exit', () => done()));
  if (daemon.connected) daemon.disconnect();
  const timer = setTimeout(() => daemon.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await gone;
  clearTimeout(timer);
}
