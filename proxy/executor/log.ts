/**
 * The executor's log: JSON lines on standard error (pino), which it shares with the supervisor. RINGFENCE_LOG is the level.
 * pino escapes what it prints; text of a tenant (its program's name) comes from the hello, which keeps printable ASCII alone.
 */
import koffi from 'koffi';
import pino from 'pino';

/** Standard error as it was given to this process: it may become a driver's later (printed.ts). */
const dup = koffi.load(null).func('int dup(int fd)');
const own = dup(2) as number;

const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];
const wanted = process.env['RINGFENCE_LOG'] ?? '';

export const log = pino(
  { name: 'executor', level: LEVELS.includes(wanted) ? wanted : 'info' },
  pino.destination({ dest: own < 0 ? 2 : own, sync: true }),
);
