#!/usr/bin/env node
/**
 * `npm run perf`: sets up and builds what is missing, then runs the harness in perf/ (`npm run perf -- --help`).
 * `--no-build` measures what lies in build/ as it is.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from './build.mjs';
import { setup } from './setup.mjs';

const argv = process.argv.slice(2);
const args = argv.filter((arg) => arg !== '--no-build');
if (args.length === argv.length && !args.includes('--help') && (await setup({ quiet: true })) !== 0) process.exit(1);
const result = spawnSync(process.execPath, ['--import', 'tsx', join(root, 'perf/main.ts'), ...args], { cwd: root, stdio: 'inherit' });
process.exit(result.status ?? 1);
