/**
 * The executor's log: JSON lines on standard error (pino), which it shares with the supervisor. RINGFENCE_LOG is the level.
 * pino escapes what it prints; text of a tenant (its program's name) comes from the hello, which keeps printable ASCII alone.
 */
import pino from 'pino';

const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];
const wanted = process.env['RINGFENCE_LOG'] ?? '';

export const log = pino(
  { name: 'executor', level: LEVELS.includes(wanted) ? wanted : 'info' },
  pino.destination({ dest: 2, sync: true }),
);
