#!/usr/bin/env node
/**
 * From a bare clone to something that runs: checks the tools, installs the packages, builds.
 *
 *   node scripts/setup.mjs [--quiet] [--no-build]
 *
 * Safe to run any number of times: what is up to date is left alone. Nothing is installed outside the checkout; a missing
 * tool is named together with the command that installs it.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildAll, root } from './build.mjs';

/** Tool on PATH, Debian/Ubuntu package that has it, what needs it. */
const TOOLS = [
  ['cc', 'gcc', 'the C parts'],
  ['g++', 'g++', 'shm-typed-array'],
  ['make', 'make', 'shm-typed-array'],
  ['python3', 'python3', 'shm-typed-array'],
];

const onPath = (tool) => (process.env.PATH ?? '').split(':').some((folder) => folder && existsSync(join(folder, tool)));

/** One line that says what is missing and how to get it, or null. */
export function missingTools() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 20) return `setup: Node ${process.versions.node} is too old, Ringfence needs Node 20 or later (https://nodejs.org)`;
  const wanted = TOOLS.filter(([tool]) => !onPath(tool) && !(tool === 'cc' && process.env.CC));
  if (wanted.length > 0) {
    const names = wanted.map(([tool, , why]) => `${tool} (for ${why})`).join(', ');
    const packages = [...new Set(['libc6-dev', ...wanted.map(([, name]) => name)])].join(' ');
    return `setup: missing ${names}; on Debian or Ubuntu: apt-get install ${packages}`;
  }
  const compiled = spawnSync(process.env.CC ?? 'cc', ['-x', 'c', '-', '-fsyntax-only'], { input: '#include <pthread.h>\n', encoding: 'utf8' });
  if (compiled.status !== 0) return `setup: ${process.env.CC ?? 'cc'} cannot compile against the C library; on Debian or Ubuntu: apt-get install libc6-dev`;
  return null;
}

/** npm records what it installed in node_modules/.package-lock.json; a package of our lock file that is absent or of another version there makes the tree stale. */
export function packagesAreStale() {
  const installed = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installed)) return true;
  const have = JSON.parse(readFileSync(installed, 'utf8')).packages;
  const want = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  return Object.entries(want).some(([path, entry]) => path !== '' && !entry.optional && have[path]?.version !== entry.version);
}

/** Returns 0, or 1 after saying on stderr what went wrong. */
export async function setup({ quiet = false, build = true } = {}) {
  const missing = missingTools();
  if (missing) {
    console.error(missing);
    return 1;
  }
  if (packagesAreStale()) {
    if (!quiet) console.log('setup: npm ci');
    try {
      // npm's own chatter goes to stderr so that a caller's stdout stays its own.
      execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, stdio: ['ignore', quiet ? 'ignore' : 2, 'inherit'] });
    } catch {
      console.error('setup: npm ci failed (see above); it needs a registry that answers, and node-gyp needs Node\'s headers');
      return 1;
    }
  }
  if (!build) return 0;
  const failures = await buildAll({ say: quiet ? () => {} : console.log });
  for (const failure of failures) console.error(failure);
  return failures.length > 0 ? 1 : 0;
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const flags = process.argv.slice(2);
  const unknown = flags.find((flag) => !['--quiet', '--no-build'].includes(flag));
  if (unknown !== undefined) {
    console.error(`setup: cannot use "${unknown}"; usage: node scripts/setup.mjs [--quiet] [--no-build]`);
    process.exit(2);
  }
  process.exit(await setup({ quiet: flags.includes('--quiet'), build: !flags.includes('--no-build') }));
}
