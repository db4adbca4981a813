/**
 * The control API: HTTP over `<run>/control.sock` (mode 0600, so that its user is the daemon's user or root). For the command line; the
 * routes are listed in `schemas.ts`. No TCP: an open port would be a way to the zones for everyone on the machine.
 */
import { chmodSync } from 'node:fs';
import fastify, { type FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { z } from 'zod';
import { RingfenceError, type ErrorBody, type ErrorCode } from '../errors.ts';
import type { ZoneLimits } from '../supervisor/messages.ts';
import { controlSocket } from '../supervisor/paths.ts';
import { describeIssue } from '../supervisor/state.ts';
import type { Supervisor, ZoneRequest } from '../supervisor/supervisor.ts';
import { createRequest, setRequest } from './schemas.ts';

const STATUS: Partial<Record<ErrorCode, number>> = { ZONE_UNKNOWN: 404, NOT_FOUND: 404, ZONE_EXISTS: 409, ZONE_BELOW_USE: 409, QUOTA_EXCEEDS_CARD: 409, STOPPING: 503, INTERNAL: 500 };

/** Listens. `close` ends every connection, the open leases' too. */
export async function startApi(supervisor: Supervisor, log: Logger): Promise<{ close(): Promise<void> }> {
  const api = fastify({ logger: false, forceCloseConnections: true, bodyLimit: 64 * 1024 });
  routes(api, supervisor, log);
  const path = controlSocket(supervisor.runDir);
  await api.listen({ path });
  chmodSync(path, 0o600);
  return { close: () => api.close() };
}

function routes(api: FastifyInstance, supervisor: Supervisor, log: Logger): void {
  api.setErrorHandler((error, _request, reply) => {
    const known = error instanceof RingfenceError ? error : translate(error as Error & { statusCode?: number });
    if (known.code === 'INTERNAL') log.error({ error: (error as Error).stack }, 'a request failed');
    void reply.status(STATUS[known.code] ?? 400).send(known.body() satisfies ErrorBody);
  });
  api.setNotFoundHandler((request, reply) => {
    void reply.status(404).send(new RingfenceError('NOT_FOUND', { method: request.method, path: request.url }).body());
  });

  api.get('/v1/status', async () => supervisor.status());
  api.get('/v1/zones', async () => supervisor.zones());
  api.post('/v1/zones', async (request) => supervisor.createZone(toRequest(request.body)));
  api.get<{ Params: { name: string } }>('/v1/zones/:name', async (request) => supervisor.zone(request.params.name));
  api.get<{ Params: { name: string } }>('/v1/zones/:name/access', async (request) => supervisor.access(request.params.name));
  api.patch<{ Params: { name: string } }>('/v1/zones/:name', async (request) => supervisor.setZone(request.params.name, dropUndefined(parse(setRequest, request.body))));
  api.delete<{ Params: { name: string } }>('/v1/zones/:name', async (request) => {
    await supervisor.removeZone(request.params.name);
    return {};
  });
  api.post('/v1/leases', async (request, reply) => {
    const zone = await supervisor.createZone(toRequest(request.body), true);
    const release = (): void => {
      supervisor.removeZone(zone.name).catch((error: unknown) => {
        // Removed by hand meanwhile, or the daemon stops and removes it itself.
        log.debug({ zone: zone.name, error: (error as Error).message }, 'a temporary zone was gone already');
      });
    };
    reply.hijack();
    reply.raw.once('close', release);
    reply.raw.writeHead(200, { 'content-type': 'application/x-ndjson' });
    reply.raw.write(`${JSON.stringify(zone)}\n`);
    // Its holder may have gone while the zone was being made; 'close' has been and will not come again.
    if (reply.raw.destroyed || request.raw.socket.destroyed) {
      reply.raw.off('close', release);
      release();
    }
  });
}

function toRequest(body: unknown): ZoneRequest {
  const { name, device, memory, limits, token, uid } = parse(createRequest, body);
  return { name, device, memory, limits: dropUndefined(limits), token, uid };
}

function parse<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const parsed = schema.safeParse(body);
  if (!parsed.success) throw new RingfenceError('REQUEST_INVALID', { why: describeIssue(parsed.error) });
  return parsed.data;
}

/** `{a: undefined}` must not overwrite a default when it is spread. */
function dropUndefined<T extends Partial<Record<keyof ZoneLimits, number | undefined>>>(value: T): { [K in keyof T]?: number } {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as { [K in keyof T]?: number };
}

/** Fastify's own refusals (a body that is not JSON or too large) are the request's fault, the rest is ours. */
function translate(error: Error & { statusCode?: number }): RingfenceError {
  const isRequest = error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500;
  return new RingfenceError(isRequest ? 'REQUEST_INVALID' : 'INTERNAL', { why: error.message });
}
