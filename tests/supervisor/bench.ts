/** What the supervisor's tests share: a daemon in a folder of its own with the fake executor, and clients that talk to it in lines. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { Supervisor, type SupervisorOptions, type ZoneRequest, type ZoneView } from '../../proxy/supervisor/supervisor.ts';

export const fakeExecutor = fileURLToPath(new URL('./fake-executor.mjs', import.meta.url));

export const MiB = 2 ** 20;
export const GiB = 2 ** 30;

export class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), 'rf-sup-'));
  readonly runDir = join(this.folder, 'run');
  readonly #lines: string[] = [];
  readonly log = pino({ level: 'debug', base: null }, { write: (line: string) => void this.#lines.push(line) });

  /** The daemon's log so far, as lines of JSON. */
  get logged(): string {
    return this.#lines.join('');
  }

  /** An existing file that stands for a driver; its name chooses the fake executor's behaviour. */
  driver(name: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, '');
    return path;
  }

  start(options: Partial<SupervisorOptions> = {}): Promise<Supervisor> {
    return Supervisor.start({ runDir: this.runDir, driver: this.driver('good'), cardMemory: GiB, pool: 1, overcommit: false, executor: fakeExecutor, ...options }, this.log);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export const request = (name: string, memory: number | null, more: Partial<ZoneRequest> = {}): ZoneRequest => ({ name, device: 0, memory, limits: {}, token: null, uid: null, ...more });

/** One connection; `ask` sends a line and waits for one, or rejects with the hang-up. */
export class Client {
  readonly #socket: net.Socket;
  #text = '';
  #waiting: { done(line: string): void; fail(error: Error): void }[] = [];
  readonly closed: Promise<void>;

  constructor(path: string) {
    this.#socket = net.connect(path);
    this.#socket.setEncoding('utf8');
    this.#socket.on('data', (data: string) => {
      this.#text += data;
      for (let end = this.#text.indexOf('\n'); end >= 0; end = this.#text.indexOf('\n')) {
        this.#waiting.shift()?.done(this.#text.slice(0, end));
        this.#text = this.#text.slice(end + 1);
      }
    });
    this.#socket.on('error', () => {});
    this.closed = new Promise((done) => this.#socket.on('close', () => {
      for (const { fail } of this.#waiting) fail(new Error('hung up'));
      this.#waiting = [];
      done();
    }));
  }

  ask(line: string): Promise<string> {
    return new Promise((done, fail) => {
      if (this.#socket.destroyed) return fail(new Error('hung up'));
      this.#waiting.push({ done, fail });
      this.say(line);
    });
  }

  say(line: string): void {
    this.#socket.write(`${line}\n`);
  }

  end(): void {
    this.#socket.destroy();
  }
}

/** Waits until `test` holds; fails by name after `ms`. */
export async function until(what: string, test: () => boolean, ms = 30_000): Promise<void> {
  const end = Date.now() + ms;
  while (!test()) {
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}

/** A promise's error, or a failure when it has none. */
export async function failure(promise: Promise<unknown>): Promise<{ code?: string; message: string; fix?: string }> {
  try {
    await promise;
  } catch (error) {
    return error as { code?: string; message: string; fix?: string };
  }
  throw new Error('it succeeded');
}

export const pidOf = (zone: ZoneView): number => {
  if (zone.executor === null) throw new Error(`zone ${zone.name} has no executor`);
  return zone.executor.pid;
};
