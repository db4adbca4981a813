/**
 * The control API's requests, as the daemon accepts them and the command line sends them. Answers are the types of
 * `proxy/supervisor/supervisor.ts` as JSON; every error is `{code, message, fix}` of `proxy/errors.ts`.
 *
 *   GET    /v1/status                  Status
 *   GET    /v1/zones                   ZoneView[]
 *   POST   /v1/zones                   createRequest -> ZoneView
 *   GET    /v1/zones/:name             ZoneView
 *   PATCH  /v1/zones/:name             setRequest -> ZoneView
 *   DELETE /v1/zones/:name             {}
 *   GET    /v1/zones/:name/access      {socket, token}
 *   POST   /v1/leases                  createRequest -> one line of JSON (ZoneView), then the answer stays open: the zone is temporary
 *                                      and is removed when this connection closes, however its holder ends
 */
import { z } from 'zod';

const count = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);

export const setRequest = z.strictObject({
  memory: count.optional(),
  clients: count.optional(),
  allocations: count.optional(),
  handles: count.optional(),
  staging: count.optional(),
});
export type SetRequest = z.infer<typeof setRequest>;

export const createRequest = z.strictObject({
  name: z.string().max(256),
  /** Bytes; null: all that the device has not promised to other zones. */
  memory: count.nullable(),
  limits: setRequest.omit({ memory: true }).default({}),
  device: z.number().int().nonnegative().default(0),
  token: z.string().min(1).max(128).nullable().default(null),
  uid: z.number().int().nonnegative().max(0xffff_fffe).nullable().default(null),
});
export type CreateRequest = z.input<typeof createRequest>;
