/**
 * The daemon's life: start, API, signals, end. `ringfence serve` imports the bundle made of this file and calls `serve`.
 */
import { pino } from 'pino';
import { startApi } from '../api/server.ts';
import { Supervisor, type SupervisorOptions } from './supervisor.ts';

export interface ServeOptions extends SupervisorOptions {
  /** pino's names: fatal error warn info debug trace silent. Lines of JSON on stderr. */
  readonly logLevel: string;
}

/** What a daemon tells the process that forked it, once it serves. */
export interface PrivateReady {
  readonly type: 'serving';
  readonly runDir: string;
}

/**
 * Runs the daemon until SIGTERM or SIGINT, or, when it was forked with an IPC channel (the private daemon of `ringfence run`), until that
 * channel closes: a private daemon must not outlive the command, however the command line dies. Resolves with the exit status. Throws
 * a RingfenceError when it cannot start.
 */
export async function serve(options: ServeOptions): Promise<number> {
  // Sockets and the state must not be open to others even between creation and chmod.
  process.umask(0o077);
  // Executors log alike.
  process.env['RINGFENCE_LOG'] = options.logLevel;
  const log = pino({ level: options.logLevel, base: { pid: process.pid } }, pino.destination({ fd: 2, sync: true }));

  let stop!: (status: number) => void;
  const stopped = new Promise<number>((resolve) => (stop = resolve));
  let signals = 0;
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      log.info({ signal }, 'stopping');
      // The second one is from someone whose patience ended: the kernel and the next start clean up.
      if (++signals > 1) process.exit(1);
      stop(0);
    });
  }
  const isPrivate = process.send !== undefined;
  if (isPrivate) process.on('disconnect', () => stop(0));
  process.on('uncaughtException', (error) => {
    log.fatal({ error: error.stack }, 'the daemon made a mistake and stops');
    stop(1);
  });

  const supervisor = await Supervisor.start(options, log);
  let api: { close(): Promise<void> };
  try {
    api = await startApi(supervisor, log);
  } catch (error) {
    await supervisor.stop();
    throw error;
  }
  const { driver, devices } = supervisor.status();
  log.info({ runDir: supervisor.runDir, driver, devices }, 'serving');
  if (isPrivate) process.send!({ type: 'serving', runDir: supervisor.runDir } satisfies PrivateReady);
  else console.log(`ringfence: serving in ${supervisor.runDir} on ${devices.map((device) => device.name).join(', ')}${driver.software ? ' (software GPU)' : ''}`);

  const status = await stopped;
  await api.close();
  await supervisor.stop();
  log.info('stopped');
  return status;
}
