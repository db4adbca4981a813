/**
 * `ringfence run`: a command inside a zone, as if it had been started directly: its standard streams, its signals, its status.
 *
 * Status: the command's own; 128+n when signal n ended it; 127 not found; 126 found but not executable; 125 when Ringfence itself failed
 * (as env, timeout and container tools do).
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { RingfenceError } from '../errors.ts';
import { layout } from '../supervisor/layout.ts';
import { openSession, type Session, type SessionRequest } from './session.ts';

/** Relayed to the command. */
const RELAYED = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const;
/** Typed at a terminal these reach the whole foreground group, the command too; a second copy would say "at once" to programs like ffmpeg. */
const TYPED = ['SIGINT', 'SIGQUIT'] as const;

class Interrupted extends Error {
  readonly signal: NodeJS.Signals;

  constructor(signal: NodeJS.Signals) {
    super(signal);
    this.signal = signal;
  }
}

/** Runs `command` and resolves with the status to exit with. Throws a RingfenceError or ApiError when the zone cannot be had. */
export async function runCommand(request: SessionRequest, command: readonly string[]): Promise<number> {
  const { clientLibraries } = layout();
  const library = join(clientLibraries, 'libcuda.so.1');
  if (!existsSync(library)) throw new RingfenceError('CLIENT_LIBRARY_MISSING', { path: library });

  let relay: ((signal: NodeJS.Signals) => void) | null = null;
  let interrupt!: (error: Interrupted) => void;
  const interrupted = new Promise<never>((_, fail) => (interrupt = fail));
  interrupted.catch(() => {});
  const onSignal = (signal: NodeJS.Signals): void => (relay ? relay(signal) : interrupt(new Interrupted(signal)));
  for (const signal of [...RELAYED, ...TYPED]) process.on(signal, onSignal);

  const opening = openSession(request);
  let session: Session;
  try {
    session = await Promise.race([opening, interrupted]);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    await opening.then((late) => late.end(), () => {});
    return 128 + constants.signals[error.signal];
  }
  try {
    return await runIn(session, clientLibraries, command, (send) => (relay = send));
  } finally {
    await session.end();
  }
}

function runIn(session: Session, libraries: string, command: readonly string[], setRelay: (relay: (signal: NodeJS.Signals) => void) => void): Promise<number> {
  const env: NodeJS.ProcessEnv = { ...process.env, RINGFENCE_SOCKET: session.socket };
  delete env['RINGFENCE_TOKEN'];
  if (session.token !== null) env['RINGFENCE_TOKEN'] = session.token;
  // Our libraries come first, and our nvidia-smi, for NVIDIA's own does not speak to another's libnvidia-ml. What the user had stays. An empty
  // element would mean the current folder.
  for (const name of ['LD_LIBRARY_PATH', 'PATH']) env[name] = [libraries, ...(process.env[name] ?? '').split(':').filter(Boolean)].join(':');
  const [program, ...args] = command as [string, ...string[]];
  const atTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;

  return new Promise((done, fail) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      const missing = error.code === 'ENOENT' || error.code === 'ENOTDIR';
      fail(missing ? new RingfenceError('COMMAND_NOT_FOUND', { command: program }) : new RingfenceError('COMMAND_NOT_EXECUTABLE', { command: program, why: error.message }));
    };
    try {
      const child = spawn(program, args, { stdio: 'inherit', env });
      setRelay((signal) => {
        if (atTerminal && (TYPED as readonly string[]).includes(signal)) return;
        child.kill(signal);
      });
      child.on('error', failed);
      child.on('exit', (code, signal) => done(signal ? 128 + constants.signals[signal] : code!));
    } catch (error) {
      // spawn throws where the arguments themselves cannot be passed (a NUL byte, E2BIG on some systems).
      failed(error as NodeJS.ErrnoException);
    }
  });
}
