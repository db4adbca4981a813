/**
 * A spare executor starts in the background: it takes a core for half a second just after a zone's first client came, and that
 * client's program shall not share its cores with it. Linux has two words for that, and both are needed:
 *
 *   - SCHED_IDLE: such a thread runs when no other wants the core. No other of its own scheduling group, that is;
 *   - the group's own share. Where no cgroup says otherwise each session is a group (autogroup, sched(7)), and a spare is a session of its
 *     own: beside a client's it would have half of a core whatever the policies of its threads. With a nice of 19 it has a seventieth.
 *
 * Inside a cgroup with a cpu controller the group is that, and its share of a core goes by what runs on it there: beside an executor that works a spare has a
 * sixtieth of a core that a client wants, beside silent ones still a half.
 *
 * The way back from SCHED_IDLE needs a right (a nice limit of 0, or CAP_SYS_NICE: sched(7)); without it the group's share alone is changed.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import koffi from 'koffi';

const SCHED_OTHER = 0;
const SCHED_IDLE = 5;
const CAP_SYS_NICE = 1n << 23n;
/** RLIMIT_NICE counts from 20 (nice 0) to 40 (nice -20). */
const NICE_ZERO = 20;
const NICE_LEAST = 19;

const libc = koffi.load(null);
const getPolicy = libc.func('int sched_getscheduler(int thread)');
const setPolicy = libc.func('int sched_setscheduler(int thread, int policy, const int *priority)');
const getSession = libc.func('int getsid(int process)');
const PRIORITY = new Int32Array(1);

/** Whether a process of ours that is in the background can be brought back: from the text of `/proc/self/limits` and `/proc/self/status`. */
export function mayReturn(limits: string, status: string): boolean {
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0';
  if ((BigInt(`0x${capabilities}`) & CAP_SYS_NICE) !== 0n) return true;
  const limit = /^Max nice priority\s+(\S+)/m.exec(limits)?.[1] ?? '0';
  return limit === 'unlimited' || Number(limit) >= NICE_ZERO;
}

const possible = ((): boolean => {
  try {
    return mayReturn(readFileSync('/proc/self/limits', 'latin1'), readFileSync('/proc/self/status', 'latin1'));
  } catch {
    return false;
  }
})();

/** All threads of the process; again until none was left, because a thread inherits its maker's policy, and may be made meanwhile, by one that
 *  has ended since too. One that may not be changed stays as it is. */
function schedule(pid: number, policy: number): void {
  for (let changed = true; changed; ) {
    changed = false;
    let threads: string[];
    try {
      threads = readdirSync(`/proc/${pid}/task`);
    } catch {
      return; // gone
    }
    for (const thread of threads.map(Number)) {
      const before = getPolicy(thread) as number;
      if (before === policy) continue;
      setPolicy(thread, policy, PRIORITY);
      if (before < 0 || getPolicy(thread) !== before) changed = true;
    }
  }
}

/** The share of the process's session, if that is its own and the kernel has such groups. False: the kernel wants to be asked again later. */
function share(pid: number, nice: number): boolean {
  if (getSession(pid) !== pid) return true; // ours, or a terminal's
  try {
    writeFileSync(`/proc/${pid}/autogroup`, String(nice));
  } catch (error) {
    // Without CAP_SYS_ADMIN it takes one such change in 0.1 s, of all processes together (proc_sched_autogroup_set_nice()).
    return (error as NodeJS.ErrnoException).code !== 'EAGAIN';
  }
  return true;
}

/** Puts a child process in the background, as far as it can be brought back. False: to be said again after SAID_AGAIN_MS. */
export function toBackground(pid: number): boolean {
  if (possible) schedule(pid, SCHED_IDLE);
  return share(pid, NICE_LEAST);
}

/** Brings it back. False: to be said again after SAID_AGAIN_MS. */
export function toForeground(pid: number): boolean {
  schedule(pid, SCHED_OTHER);
  return share(pid, 0);
}

/** More than the kernel wants, and a time that two daemons do not share for long. */
export const SAID_AGAIN_MS = 110 + (process.pid % 32);
