/**
 * The control API's client: HTTP over the daemon's UNIX socket (`node:http`; `fetch` has no UNIX sockets). An error of the daemon is thrown as
 * an ApiError that carries its code, sentence and fix.
 */
import http from 'node:http';
import { RingfenceError, type ErrorBody } from '../errors.ts';
import { controlSocket } from '../supervisor/paths.ts';
import type { Status, ZoneView } from '../supervisor/supervisor.ts';
import type { CreateRequest, SetRequest } from './schemas.ts';

/** Removing a zone waits for its executor's end, which the daemon limits to some seconds. */
const TIMEOUT_MS = 30_000;

export class ApiError extends Error implements ErrorBody {
  readonly code: string;
  readonly fix: string;

  constructor(body: ErrorBody) {
    super(body.message);
    this.name = 'ApiError';
    this.code = body.code;
    this.fix = body.fix;
  }
}

/** A temporary zone; `release` (or this process's end) removes it. */
export interface Lease {
  readonly zone: ZoneView;
  release(): void;
}

export class ApiClient {
  readonly runDir: string;

  constructor(runDir: string) {
    this.runDir = runDir;
  }

  /** Whether a daemon answers. Throws when there is one that this user may not talk to. */
  async isServing(): Promise<boolean> {
    try {
      await this.status();
      return true;
    } catch (error) {
      if (error instanceof RingfenceError && error.code === 'NO_DAEMON') return false;
      throw error;
    }
  }

  status(): Promise<Status> {
    return this.#call('GET', '/v1/status');
  }

  zones(): Promise<ZoneView[]> {
    return this.#call('GET', '/v1/zones');
  }

  zone(name: string): Promise<ZoneView> {
    return this.#call('GET', `/v1/zones/${encodeURIComponent(name)}`);
  }

  access(name: string): Promise<{ socket: string; token: string | null }> {
    return this.#call('GET', `/v1/zones/${encodeURIComponent(name)}/access`);
  }

  create(request: CreateRequest): Promise<ZoneView> {
    return this.#call('POST', '/v1/zones', request);
  }

  set(name: string, request: SetRequest): Promise<ZoneView> {
    return this.#call('PATCH', `/v1/zones/${encodeURIComponent(name)}`, request);
  }

  remove(name: string): Promise<void> {
    return this.#call('DELETE', `/v1/zones/${encodeURIComponent(name)}`);
  }

  /** Makes a temporary zone that lives as long as the answer stays open. */
  async lease(request: CreateRequest): Promise<Lease> {
    const response = await this.#request('POST', '/v1/leases', request);
    if (response.statusCode !== 200) throw refusal(await text(response));
    const line = await new Promise<string>((done, fail) => {
      let got = '';
      response.setEncoding('utf8');
      response.on('data', (data: string) => {
        got += data;
        if (got.includes('\n')) done(got.slice(0, got.indexOf('\n')));
      });
      response.on('error', fail);
      response.on('end', () => fail(new Error('the daemon closed the connection')));
    });
    response.on('error', () => {});
    return { zone: JSON.parse(line) as ZoneView, release: () => response.destroy() };
  }

  async #call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await this.#request(method, path, body);
    const answer = await text(response);
    if (response.statusCode !== 200) throw refusal(answer);
    return JSON.parse(answer) as T;
  }

  #request(method: string, path: string, body?: unknown): Promise<http.IncomingMessage> {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const headers = payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) };
    return new Promise((done, fail) => {
      const request = http.request({ socketPath: controlSocket(this.runDir), method, path, headers, agent: false, timeout: TIMEOUT_MS });
      request.on('response', (response) => {
        request.setTimeout(0);
        done(response);
      });
      request.on('timeout', () => request.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
      request.on('error', (error: NodeJS.ErrnoException) => {
        const absent = error.code === 'ENOENT' || error.code === 'ECONNREFUSED' || error.code === 'ENOTDIR';
        fail(absent ? new RingfenceError('NO_DAEMON', { path: this.runDir }) : new RingfenceError('DAEMON_UNREACHABLE', { path: this.runDir, why: error.message }));
      });
      request.end(payload);
    });
  }
}

async function text(response: http.IncomingMessage): Promise<string> {
  let all = '';
  response.setEncoding('utf8');
  for await (const part of response) all += part as string;
  return all;
}

function refusal(body: string): ApiError {
  try {
    const { code, message, fix } = JSON.parse(body) as ErrorBody;
    return new ApiError({ code, message, fix });
  } catch {
    return new ApiError(new RingfenceError('INTERNAL', { why: `it answered "${body.slice(0, 200)}"` }).body());
  }
}
