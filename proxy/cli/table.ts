/** What people read: the zones' table, one zone in full, the daemon's status. Scripts use `--json`. */
import Table from 'cli-table3';
import { roundSize, formatSize } from '../supervisor/size.ts';
import type { Status, ZoneView } from '../supervisor/supervisor.ts';

/** No frame and one space between columns: ten columns fit 80 characters with ordinary names and numbers. */
const PLAIN = {
  top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '',
  left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  ',
};

function table(head: string[], rows: string[][], right: ReadonlySet<number>): string {
  const made = new Table({
    head,
    chars: PLAIN,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
    colAligns: head.map((_, i) => (right.has(i) ? 'right' : 'left')),
  });
  made.push(...rows);
  return made.toString().split('\n').map((line) => line.trimEnd()).join('\n');
}

/** 1234567 -> `1.2M`: a count must not push the table over the edge. */
export function shortCount(n: number): string {
  if (n < 10_000) return String(n);
  for (const [unit, one] of [['G', 1e9], ['M', 1e6], ['k', 1e3]] as const) {
    if (n >= one) return `${n / one >= 100 ? Math.floor(n / one) : Math.floor(n / one * 10) / 10}${unit}`;
  }
  return String(n);
}

export function zoneTable(zones: readonly ZoneView[]): string {
  if (zones.length === 0) return 'no zones; make one with "ringfence zone create NAME --memory SIZE"';
  const rows = zones.map(({ name, usage, limits, state }) => [
    name,
    `${roundSize(usage.memory)}/${roundSize(limits.memory)}`,
    roundSize(usage.memoryPeak),
    `${usage.clients}/${limits.clients}`,
    shortCount(usage.allocations),
    shortCount(usage.handles),
    shortCount(usage.calls),
    shortCount(usage.refused),
    state,
  ]);
  return table(['NAME', 'MEMORY', 'PEAK', 'CLIENTS', 'ALLOCS', 'HANDLES', 'CALLS', 'REFUSED', 'STATE'], rows, new Set([1, 2, 3, 4, 5, 6, 7]));
}

const both = (bytes: number): string => (formatSize(bytes) === String(bytes) ? String(bytes) : `${formatSize(bytes)} (${bytes} bytes)`);

export function zoneText(zone: ZoneView): string {
  const { usage, limits } = zone;
  const exit = zone.lastExit;
  const rows = [
    ['name', `${zone.name}${zone.temporary ? ' (temporary)' : ''}`],
    ['state', zone.executor === null ? zone.state : `${zone.state} (executor ${zone.executor.pid})`],
    ['device', String(zone.device)],
    ['socket', zone.socket],
    ['owner', zone.uid === null ? 'the daemon\'s user' : `uid ${zone.uid}`],
    ['token', zone.token ? 'needed' : 'none'],
    ['memory', `${both(usage.memory)} of ${both(limits.memory)}`],
    ['peak', both(usage.memoryPeak)],
    ['clients', `${usage.clients} of ${limits.clients}`],
    ['connections', `${zone.connections} (clients, monitors, others)`],
    ['allocations', `${usage.allocations} of ${limits.allocations}`],
    ['handles', `${usage.handles} of ${limits.handles}`],
    ['staging', `${both(usage.staging)} of ${both(limits.staging)}`],
    ['calls', String(usage.calls)],
    ['refused', `${usage.refused} (by a limit)`],
    ['restarts', exit === null ? String(zone.restarts) : `${zone.restarts}, last ${exit.at}: ${exit.why ?? exit.signal ?? `status ${exit.code}`}`],
  ];
  return rows.map(([name, value]) => `${name!.padEnd(12)}${value}`).join('\n');
}

export function statusText(status: Status): string {
  const { driver } = status;
  const version = `${Math.floor(driver.version / 1000)}.${Math.floor((driver.version % 1000) / 10)}`;
  const lines = [
    ['daemon', `process ${status.pid} in ${status.runDir}`],
    ['driver', `${driver.software ? 'software GPU, ' : ''}CUDA ${version}, ${driver.path}`],
    ...status.devices.map((device) => [`device ${device.ordinal}`, `${device.name}, ${roundSize(device.totalMemory)}, ${roundSize(device.promised)} promised to zones`]),
    ['overcommit', status.overcommit ? 'allowed' : 'refused'],
    ['pool', `${status.pool.ready} of ${status.pool.size} executors ready`],
    ['zones', String(status.zones)],
  ];
  return lines.map(([name, value]) => `${name!.padEnd(12)}${value}`).join('\n');
}
