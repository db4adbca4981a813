/**
 * `ringfence smi`: the table that every user of a GPU knows, from the source that NVML has in a zone. In the driver domain it shows
 * all zones (or one); inside a zone, where RINGFENCE_SOCKET says which, that zone as its programs see it.
 */
import type { SensorValues, SnapshotView } from '../../idm/monitor.ts';
import { ApiClient } from '../api/client.ts';
import type { ZoneView } from '../supervisor/supervisor.ts';
import { lookAt } from './monitor.ts';

/** What is shown of one zone; `view` is null while it has no client: then nothing of it runs that could be asked. */
export interface ZoneLook {
  zone: string;
  view: SnapshotView | null;
  memoryTotal: number;
  memoryUsed: number;
  device: number;
  deviceName: string;
}

export interface Look {
  cudaVersion: number;
  zones: ZoneLook[];
}

export async function lookFromInside(socket: string, token: string | null): Promise<Look> {
  const view = await lookAt(socket, token);
  return { cudaVersion: view.cudaVersion, zones: [{ zone: view.zone, view, memoryTotal: view.memoryTotal, memoryUsed: view.memoryUsed, device: 0, deviceName: view.name }] };
}

export async function lookFromOutside(api: ApiClient, only: string | undefined): Promise<Look> {
  const status = await api.status();
  const zones = only === undefined ? await api.zones() : [await api.zone(only)];
  return { cudaVersion: status.driver.version, zones: await Promise.all(zones.map((zone) => lookAtZone(api, zone, status.devices[zone.device]?.name ?? '?'))) };
}

/** A zone at rest is not woken for the sake of being looked at. */
async function lookAtZone(api: ApiClient, zone: ZoneView, deviceName: string): Promise<ZoneLook> {
  let view: SnapshotView | null = null;
  if (zone.executor !== null) {
    const { socket, token } = await api.access(zone.name);
    view = await lookAt(socket, token);
  }
  return { zone: zone.name, view, memoryTotal: view?.memoryTotal ?? zone.limits.memory, memoryUsed: view?.memoryUsed ?? zone.usage.memory, device: zone.device, deviceName };
}

const WIDTH = 89;
const COLUMNS = [41, 24, 22] as const;

const mebibytes = (bytes: number): string => `${Math.round(bytes / 1048576)}MiB`;
const line = (text: string): string => `|${text.slice(0, WIDTH).padEnd(WIDTH)}|`;
const row = (...cells: [string, string, string]): string => `|${cells.map((cell, i) => cell.slice(0, COLUMNS[i]).padEnd(COLUMNS[i]!)).join('|')}|`;
const rule = (fill: string, edge: string): string => edge + COLUMNS.map((width) => fill.repeat(width)).join('+') + edge;
const full = (fill: string, edge: string): string => edge + fill.repeat(WIDTH) + edge;
const or = (value: number | undefined, unit: string): string => (value === undefined ? 'N/A' : `${value}${unit}`);
const watts = (value: number | undefined): string => (value === undefined ? 'N/A' : `${Math.round(value / 1000)}W`);
const right = (text: string, width: number): string => `${text.padStart(width)} `;
const hex = (value: number, digits: number): string => value.toString(16).toUpperCase().padStart(digits, '0');

const NO_SENSORS: SensorValues = { driverVersion: '' };

function zoneRows(look: ZoneLook): string[] {
  const { view } = look;
  const sensors = view?.sensors ?? NO_SENSORS;
  const bus = view === null ? 'N/A' : `${hex(view.pciDomain, 8)}:${hex(view.pciBus, 2)}:${hex(view.pciDevice, 2)}.0`;
  const performance = sensors.performanceState === undefined ? 'N/A' : `P${sensors.performanceState}`;
  return [
    row(`${String(look.device).padStart(4)}  ${look.deviceName.slice(0, 28).padEnd(29)}  On `, right(`${bus} Off`, 23), right(view?.ecc ? '0' : 'N/A', 21)),
    row(`${or(sensors.fan, '%').padStart(4)}  ${or(sensors.temperature, 'C').padStart(4)}    ${performance.padEnd(3)}${right(`${watts(sensors.power)} / ${watts(sensors.powerLimit).padStart(5)}`, 23)}`,
      right(`${mebibytes(look.memoryUsed)} / ${mebibytes(look.memoryTotal)}`, 23), `${or(view?.utilization ?? 0, '%').padStart(8)}${right('Default', 13)}`),
    row(`      zone ${look.zone}`, '', right('N/A', 21)),
    rule('-', '+'),
  ];
}

/** The table. `now`: the moment that its first line tells. */
export function smiText(look: Look, version: string, now: Date): string {
  const cuda = `${Math.floor(look.cudaVersion / 1000)}.${Math.floor((look.cudaVersion % 1000) / 10)}`;
  const driver = look.zones.find((zone) => zone.view !== null)?.view?.sensors.driverVersion ?? 'N/A';
  const out = [
    now.toString().replace(/ GMT.*/, ''),
    full('-', '+'),
    line(` RINGFENCE-SMI ${version.padEnd(20)}Driver Version: ${driver.padEnd(15)}CUDA Version: ${cuda}`),
    `|${COLUMNS.map((width) => '-'.repeat(width)).join('+')}|`,
    row(' GPU  Name                 Persistence-M', ' Bus-Id          Disp.A', ' Volatile Uncorr. ECC'),
    row(' Fan  Temp   Perf          Pwr:Usage/Cap', right('Memory-Usage', 23), ' GPU-Util  Compute M.'),
    row('', '', right('MIG M.', 21)),
    rule('=', '|'),
  ];
  if (look.zones.length === 0) out.push(line('  No zones; make one with "ringfence zone create NAME --memory SIZE"'), full('-', '+'));
  for (const zone of look.zones) out.push(...zoneRows(zone));
  out.push('', full('-', '+'), line(' Processes:'),
    line('  GPU   Zone                     PID   Type   Process name                  GPU Memory'),
    line('                                                                            Usage'),
    full('=', '|'));
  let any = false;
  for (const zone of look.zones) {
    for (const process of zone.view?.processes ?? []) {
      any = true;
      out.push(line(`${String(zone.device).padStart(5)}   ${zone.zone.slice(0, 16).padEnd(16)} ${String(process.pid).padStart(11)}      C   ${process.program.slice(0, 28).padEnd(28)}${mebibytes(process.memory).padStart(12)}`));
    }
  }
  if (!any) out.push(line('  No running processes found'));
  out.push(full('-', '+'));
  return out.join('\n');
}
