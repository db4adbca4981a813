/**
 * The command line. Its names (`serve`, `zone create NAME --memory SIZE`, `zone list`, `run`, …) and exit statuses are an interface that others
 * script against.
 *
 * Status: 0 done; 1 the daemon or the system refused (one line says what, the next how to fix it); 2 the command line itself is wrong;
 * `run` has its own, see `run.ts`.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { ApiClient } from '../api/client.ts';
import { isErrorBody, RingfenceError, type ErrorBody } from '../errors.ts';
import { layout } from '../supervisor/layout.ts';
import type { serve } from '../supervisor/main.ts';
import { defaultRunDir } from '../supervisor/paths.ts';
import { DEFAULT_LIMITS } from '../supervisor/limits.ts';
import { formatSize } from '../supervisor/size.ts';
import { limitOptions, pickLimits, runDirOption, size, whole, word, type LimitFlags } from './options.ts';
import { runCommand } from './run.ts';
import { lookFromInside, lookFromOutside, smiText } from './smi.ts';
import { statusText, zoneTable, zoneText } from './table.ts';

const LEVELS = ['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'];
/** The software GPU's own default. */
const CARD_MEMORY = '8Gi';

interface Common {
  runDir?: string;
  json?: boolean;
}

const runDirOf = (flags: Common): string => (flags.runDir === undefined ? defaultRunDir() : resolve(flags.runDir));
const apiOf = (flags: Common): ApiClient => new ApiClient(runDirOf(flags));
const print = (flags: Common, value: unknown, text: string): void => console.log(flags.json ? JSON.stringify(value, null, 2) : text);
const jsonOption = (): Option => new Option('--json', 'print JSON');

let status = 0;

function version(): string {
  try {
    return (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version;
  } catch {
    return 'unknown';
  }
}

const program = new Command('ringfence')
  .description('Share a GPU between zones: containers, VMs and programs that own none.')
  .version(version(), '-V, --version', 'print the version')
  .enablePositionalOptions()
  .showHelpAfterError('(add --help for the options)')
  .addHelpText('after', `
Environment:
  RINGFENCE_RUN_DIR   the daemon's sockets and state; by default /run/ringfence
                      for root, else $XDG_RUNTIME_DIR/ringfence or
                      /tmp/ringfence-UID

Exit status: 0 done, 1 refused, 2 wrong usage; "run" has the command's
(see "ringfence run --help").`);

program.command('serve')
  .description('run the daemon in the foreground')
  .addOption(runDirOption())
  .addOption(new Option('--driver <driver>', 'auto (a GPU if one answers, else the software GPU), stub (the software GPU), or the path of a libcuda.so.1').env('RINGFENCE_DRIVER').default('auto').argParser(word))
  .addOption(new Option('--card-memory <size>', 'memory of the software GPU').env('RINGFENCE_STUB_MEMORY').default(size(CARD_MEMORY), CARD_MEMORY).argParser(size))
  .addOption(new Option('--card-memory-at-least <size>').argParser(size).hideHelp())
  .addOption(new Option('--pool <n>', 'executors kept waiting for a zone\'s first client').default(1).argParser(whole(0, 64)))
  .addOption(new Option('--keep-first').hideHelp())
  .option('--overcommit', 'allow zones more memory together than the device has')
  .addOption(new Option('--log-level <level>', 'of the log on stderr').env('RINGFENCE_LOG').choices(LEVELS).default('info'))
  .addHelpText('after', '\nStops in order at SIGTERM or SIGINT. Zones are kept in the run directory and are\nthere again at the next start.')
  .action(async (flags: Common & { driver: string; cardMemory: number; cardMemoryAtLeast?: number; pool: number; keepFirst?: boolean; overcommit?: boolean; logLevel: string }) => {
    // Loaded here only: the other commands do without the daemon's libraries and start faster.
    const daemon = (await import(pathToFileURL(layout().supervisor).href)) as { serve: typeof serve };
    status = await daemon.serve({
      runDir: runDirOf(flags),
      driver: flags.driver,
      cardMemory: Math.max(flags.cardMemory, flags.cardMemoryAtLeast ?? 0),
      pool: flags.pool,
      keepFirst: flags.keepFirst ?? false,
      overcommit: flags.overcommit ?? false,
      logLevel: flags.logLevel,
    });
  });

const zone = program.command('zone').description('make, list, change and remove zones');

const create = zone.command('create')
  .description('make a zone')
  .argument('<name>', 'lower-case letters, digits, "-" and "_"')
  .addOption(runDirOption())
  // Required, which commander would look at before it looks for options that it does not know: a mistyped --memory is to be named.
  .option('--memory <size>', 'device memory of all its clients together: 16Gi, 4G, 512Mi, 1073741824', size);
for (const option of limitOptions()) {
  const name = option.attributeName() as keyof typeof DEFAULT_LIMITS;
  option.description += ` (default: ${name === 'staging' ? formatSize(DEFAULT_LIMITS[name]) : DEFAULT_LIMITS[name]})`;
  create.addOption(option);
}
create
  .addOption(new Option('--device <n>', 'the device, as "ringfence status" numbers them').argParser(whole(0, 1023)).default(0))
  .addOption(new Option('--uid <n>', 'the user that owns the zone\'s socket (default: the daemon\'s)').argParser(whole(0, 0xffff_fffe)))
  .addOption(new Option('--token <token>', 'a secret that clients must also give, in RINGFENCE_TOKEN').argParser(word))
  .addOption(jsonOption())
  .action(async (name: string, flags: Common & LimitFlags & { memory?: number; device: number; uid?: number; token?: string }) => {
    if (flags.memory === undefined) return create.error("error: required option '--memory <size>' not specified");
    const made = await apiOf(flags).create({ name, memory: flags.memory, limits: pickLimits(flags), device: flags.device, uid: flags.uid ?? null, token: flags.token ?? null });
    print(flags, made, `zone ${made.name}: ${formatSize(made.limits.memory)}, socket ${made.socket}`);
  });

zone.command('list')
  .description('a table of the zones, with what each uses')
  .addOption(runDirOption())
  .addOption(jsonOption())
  .action(async (flags: Common) => {
    const zones = await apiOf(flags).zones();
    print(flags, zones, zoneTable(zones));
  });

zone.command('show')
  .description('one zone in full')
  .argument('<name>')
  .addOption(runDirOption())
  .addOption(jsonOption())
  .action(async (name: string, flags: Common) => {
    const shown = await apiOf(flags).zone(name);
    print(flags, shown, zoneText(shown));
  });

const set = zone.command('set')
  .description('change limits of a zone while it runs')
  .argument('<name>')
  .addOption(runDirOption())
  .addOption(new Option('--memory <size>', 'device memory of all its clients together').argParser(size));
for (const option of limitOptions()) set.addOption(option);
set
  .addOption(jsonOption())
  .action(async (name: string, flags: Common & LimitFlags & { memory?: number }, command: Command) => {
    const change = { ...pickLimits(flags), ...(flags.memory === undefined ? {} : { memory: flags.memory }) };
    if (Object.keys(change).length === 0) command.error('error: nothing to change; give --memory, --clients, --allocations, --handles or --staging', { exitCode: 2 });
    const changed = await apiOf(flags).set(name, change);
    print(flags, changed, zoneText(changed));
  });

zone.command('remove')
  .description('end a zone and all its clients')
  .argument('<name>')
  .addOption(runDirOption())
  .action(async (name: string, flags: Common) => {
    await apiOf(flags).remove(name);
    console.log(`zone ${name} removed`);
  });

program.command('status')
  .description('the daemon, its driver and devices')
  .addOption(runDirOption())
  .addOption(jsonOption())
  .action(async (flags: Common) => {
    const shown = await apiOf(flags).status();
    print(flags, shown, statusText(shown));
  });

program.command('smi')
  .description('the table of devices and processes, per zone')
  .addOption(runDirOption())
  .addOption(new Option('--zone <name>', 'this zone alone').argParser(word))
  .addOption(jsonOption())
  .addHelpText('after', '\nInside a zone (RINGFENCE_SOCKET is set) it shows that zone, as its programs see it\nthrough NVML.')
  .action(async (flags: Common & { zone?: string }) => {
    const socket = process.env['RINGFENCE_SOCKET'];
    const inside = socket !== undefined && socket !== '' && flags.zone === undefined && flags.runDir === undefined;
    const look = inside ? await lookFromInside(socket, process.env['RINGFENCE_TOKEN'] ?? null) : await lookFromOutside(apiOf(flags), flags.zone);
    print(flags, look, smiText(look, version(), new Date()));
  });

program.command('run')
  .description('run a command inside a zone')
  .usage('[options] [--] COMMAND [ARGUMENT...]')
  .argument('<command...>', 'the command and its arguments')
  .addOption(runDirOption())
  .addOption(new Option('--zone <name>', 'an existing zone (default: "default"); with --memory: the temporary zone\'s name').argParser(word))
  .addOption(new Option('--memory <size>', 'make a zone of this size for the command, and remove it afterwards').argParser(size))
  .passThroughOptions()
  .addHelpText('after', `
With no daemon in the run directory a private one is started for the command:
on the GPU if one answers, else on the software GPU (RINGFENCE_DRIVER and
RINGFENCE_STUB_MEMORY choose otherwise). Without --memory its zone gets the
whole device.

Exit status: the command's; 128+n if signal n ended it; 127 not found;
126 not executable; 125 if Ringfence itself failed.`)
  .action(async (command: string[], flags: Common & { zone?: string; memory?: number }) => {
    status = 125;
    status = await runCommand({
      runDir: runDirOf(flags),
      ...(flags.zone === undefined ? {} : { zone: flags.zone }),
      ...(flags.memory === undefined ? {} : { memory: flags.memory }),
    }, command);
  });

function report(error: ErrorBody): void {
  console.error(`ringfence: ${error.message} [${error.code}]\n  fix: ${error.fix}`);
}

/** Every command, for settings that commander does not inherit. */
function everyCommand(from: Command): Command[] {
  return [from, ...from.commands.flatMap(everyCommand)];
}

for (const command of everyCommand(program)) command.exitOverride().showHelpAfterError('(add --help for the options)');
try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError && !(error instanceof InvalidArgumentError)) {
    // Help and version have been printed and are no errors; everything else of commander's is wrong usage, already told.
    const asked = ['commander.helpDisplayed', 'commander.version'].includes(error.code) || (error.code === 'commander.help' && error.exitCode === 0);
    status = asked ? 0 : 2;
  } else if (isErrorBody(error)) {
    report(error);
    if (error.code === 'COMMAND_NOT_FOUND') status = 127;
    else if (error.code === 'COMMAND_NOT_EXECUTABLE') status = 126;
    else status ||= 1;
  } else {
    report(new RingfenceError('UNEXPECTED', { why: (error as Error).message }));
    status ||= 1;
  }
}
// Output to files, terminals and pipes is synchronous on Linux: nothing is cut off, and nothing forgotten can keep the process.
process.exit(status);
