// scripts/ringfence: from a checkout, whatever the current folder and however it is reached, with the command's status.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const script = fileURLToPath(new URL('../../scripts/ringfence', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'rf-checkout-'));
test.after(() => rmSync(folder, { recursive: true }));

test('from another folder, through a link', () => {
  const link = join(folder, 'rf');
  symlinkSync(script, link);
  const { status, stdout, stderr } = spawnSync(link, ['--help'], { cwd: folder, encoding: 'utf8' });
  assert.is(status, 0, stderr);
  assert.match(stdout, /^Usage: ringfence/);
});

test('statuses pass through', () => {
  assert.is(spawnSync(script, ['zone', 'create'], { cwd: folder }).status, 2);
  assert.is(spawnSync(script, ['zone', 'list', '--run-dir', folder], { cwd: folder }).status, 1);
});

test('without node it says what to install', () => {
  const tools = join(folder, 'bin');
  mkdirSync(tools);
  for (const tool of ['dirname', 'readlink', 'find']) symlinkSync(`/usr/bin/${tool}`, join(tools, tool));
  const { status, stderr } = spawnSync('/bin/sh', [script, '--help'], { cwd: folder, encoding: 'utf8', env: { PATH: tools } });
  assert.is(status, 1);
  assert.match(stderr, /node is not on PATH; install Node 20/);
});

test.run();
