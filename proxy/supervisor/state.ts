/**
 * The zones' records on disk: `<run>/zones.json`. Written as a whole to a temporary file, synced and renamed, so that a crash at any
 * moment leaves the old or the new state, never half of one. A file that is damaged anyway is an error that names it: starting
 * with no zones instead would silently drop tenants.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { RingfenceError } from '../errors.ts';
import { zoneRecord, type ZoneRecord } from './messages.ts';

const stateSchema = z.strictObject({ version: z.literal(1), zones: z.array(zoneRecord).max(10_000) });

/** The records in the file, none if there is no file. Throws STATE_CORRUPT. */
export function loadZones(path: string): ZoneRecord[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new RingfenceError('STATE_CORRUPT', { path, why: (error as Error).message });
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new RingfenceError('STATE_CORRUPT', { path, why: `it is not JSON (${(error as Error).message})` });
  }
  const parsed = stateSchema.safeParse(json);
  if (!parsed.success) throw new RingfenceError('STATE_CORRUPT', { path, why: describeIssue(parsed.error) });
  const names = new Set<string>();
  for (const { name } of parsed.data.zones) {
    if (names.has(name)) throw new RingfenceError('STATE_CORRUPT', { path, why: `zone "${name}" is in it twice` });
    names.add(name);
  }
  return parsed.data.zones;
}

/** Replaces the file's content; with no zones the file goes. Throws the system's error (a full disk, say) with the old file intact. */
export function saveZones(path: string, zones: readonly ZoneRecord[]): void {
  if (zones.length === 0) {
    rmSync(path, { force: true });
  } else {
    const temporary = `${path}.${process.pid}.tmp`;
    const fd = openSync(temporary, 'w', 0o600);
    try {
      writeFileSync(fd, `${JSON.stringify({ version: 1, zones }, null, 2)}\n`);
      fsyncSync(fd);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  }
  // The rename itself is durable only when the folder is.
  const folder = openSync(dirname(path), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** `zones.0.limits.memory: Invalid input: …`: the first problem, with its place. */
export function describeIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  if (!issue) return 'it does not fit';
  return issue.path.length > 0 ? `${issue.path.join('.')}: ${issue.message}` : issue.message;
}
