#!/usr/bin/env node
/**
 * `npm test`: sets up, builds (release, ASan/UBSan, TSan: what the tests link with), type-checks, then runs every `tests/**\/*.test.ts`.
 *
 *   node scripts/test.mjs [--no-setup] [PART-OF-A-PATH...]
 *
 * Each file runs in its own process and process group (uvu through tsx), two at a time, those with the longest time limit first: a
 * long file that begins last would have a core for itself. The first line of a file can say
 *   // test: alone          nothing else runs beside it (timing-sensitive, or it takes the whole machine)
 *   // test: timeout 300    seconds before it is ended and counted as failed (default 120)
 * or both (`// test: alone timeout 300`). The last line printed is `N passed, N failed`, the sum of uvu's counts; a file that
 * crashes, hangs, runs no test or leaves with an error outside a test adds one failure. With CI=true a skipped test is a
 * failure too: there, everything a test needs is installed. Before the last line each failure is told once more in a few lines: of a
 * log that is cut, its end is what remains.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { buildAll, root } from './build.mjs';
import { setup } from './setup.mjs';

const AT_ONCE = 2;
const TIMEOUT_S = 120;
const GRACE_MS = 3_000;
/** Of each failure, at the end of the run: lines; and of all of them, lines and columns. */
const SHORT_LINES = 8;
const SHORT_TOTAL = 32;
const SHORT_COLUMNS = 300;
const inCI = process.env.CI === 'true' || process.env.CI === '1';

const argv = process.argv.slice(2);
const skipSetup = argv.includes('--no-setup');
const wanted = argv.filter((arg) => arg !== '--no-setup');
const badFlag = wanted.find((arg) => arg.startsWith('-'));
if (badFlag !== undefined) {
  console.error(`test: cannot use "${badFlag}"; usage: node scripts/test.mjs [--no-setup] [PART-OF-A-PATH...]`);
  process.exit(2);
}

let passed = 0;
let failed = 0;
let skipped = 0;
/** What failed, in short: told again at the end. */
const failures = [];

/** The process groups of the files that run now, so that an interrupted run leaves nothing behind. */
const running = new Set();
/** Living processes of a group; a zombie that its new parent has not reaped yet is none. */
const members = (group) => readdirSync('/proc').filter((name) => {
  if (!/^\d+$/.test(name)) return false;
  try {
    const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
    const [state, , pgrp] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(pgrp) === group && state !== 'Z';
  } catch {
    return false;
  }
}).length;
const endGroup = (pid) => {
  try {
    process.kill(-pid, 'SIGKILL');
    return true;
  } catch {
    return false;
  }
};
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    for (const pid of running) endGroup(pid);
    process.exit(130);
  });
}

function runProcess(command, args, timeoutS) {
  return new Promise((done) => {
    const started = Date.now();
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' },
    });
    running.add(child.pid);
    let output = '';
    const take = (data) => {
      output += data;
      if (output.length > 4 << 20) output = output.slice(-(2 << 20));
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      endGroup(child.pid);
    }, timeoutS * 1000);
    child.on('error', (error) => take(`${error.message}\n`));
    // 'exit', not 'close': a process that the test left behind may hold the pipe open, and that must not hang the run.
    child.on('exit', async (code, signal) => {
      clearTimeout(timer);
      // tsx's compiler and the like end a moment after their parent; what is still there then was forgotten by the test.
      for (const end = Date.now() + GRACE_MS; members(child.pid) > 0 && Date.now() < end;) await new Promise((next) => setTimeout(next, 20));
      const leftovers = !timedOut && members(child.pid) > 0;
      endGroup(child.pid);
      running.delete(child.pid);
      done({ code, signal, timedOut, leftovers, output, seconds: (Date.now() - started) / 1000 });
    });
  });
}

function settings(file) {
  const first = readFileSync(join(root, file), 'utf8').split('\n', 1)[0];
  const marked = /^\/\/ test:(.*)$/.exec(first)?.[1] ?? '';
  const timeout = /\btimeout (\d+)/.exec(marked);
  return { file, alone: /\balone\b/.test(marked), timeoutS: timeout ? Number(timeout[1]) : TIMEOUT_S };
}

async function runFile({ file, timeoutS }) {
  const result = await runProcess(process.execPath, ['--import', 'tsx', file], timeoutS);
  // A file may hold several suites: uvu prints one block at the end, the last one counts.
  const count = (name) => Number([...result.output.matchAll(new RegExp(`^\\s*${name}:\\s+(\\d+)`, 'gm'))].at(-1)?.[1] ?? 0);
  const total = count('Total');
  const ok = count('Passed');
  const left = count('Skipped');
  let bad = Math.max(0, total - ok - left);
  const notes = [];
  if (result.timedOut) notes.push(`ended after ${timeoutS} s`);
  else if (result.signal) notes.push(`died of ${result.signal}`);
  else if (result.code !== 0 && bad === 0) notes.push(`left with status ${result.code} outside a test`);
  else if (total === 0) notes.push('ran no test');
  if (left > 0 && inCI) notes.push(`${left} skipped, which CI does not allow`);
  if (result.leftovers) notes.push('left processes behind');
  if (left > 0 && inCI) bad += left;
  if (bad === 0 && notes.length > 0) bad = 1;
  passed += ok;
  failed += bad;
  skipped += left;
  const counts = `${ok} passed${bad ? `, ${bad} failed` : ''}${left ? `, ${left} skipped` : ''}`;
  console.log(`${bad ? 'FAIL' : 'ok  '} ${file}  ${counts}  ${result.seconds.toFixed(1)} s${notes.length ? `  (${notes.join('; ')})` : ''}`);
  if (bad === 0) return;
  console.log(result.output.replace(/^/gm, '     '));
  failures.push(`${file}${notes.length ? `  (${notes.join('; ')})` : ''}`, ...inShort(result.output));
}

/** The first lines of each of uvu's failures, and where in the tests each was found; the last lines of a file that told none. */
function inShort(output) {
  const clean = (text) => text.split('\n').map((line) => line.trim()).filter(Boolean);
  const blocks = output.split(/^ {3}FAIL {2}/m).slice(1);
  if (blocks.length === 0) return clean(output).slice(-SHORT_LINES).map((line) => `  ${line}`);
  return blocks.flatMap((block) => {
    const [said, trace] = block.split(/^(?= {4}at )/m, 2);
    // Of uvu's comparison what is the same (··) is left out.
    const [name, ...lines] = clean(said).filter((line) => !line.startsWith('··'));
    const where = clean(trace ?? '').concat(clean(block)).find((line) => line.startsWith('at ') && line.includes('/tests/'));
    return [`  ${name}`, ...[...lines.slice(0, SHORT_LINES), ...(where ? [where.replaceAll(`${root}/`, '')] : [])].map((line) => `    ${line}`)];
  });
}

async function runAll(files) {
  const all = files.map(settings);
  const queue = all.filter((item) => !item.alone).sort((a, b) => b.timeoutS - a.timeoutS);
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await runFile(item);
  }));
  for (const item of all.filter((each) => each.alone)) await runFile(item);
}

function fail(what, text) {
  failed += 1;
  console.log(`FAIL ${what}`);
  console.log(text.replace(/^/gm, '     '));
  failures.push(what, ...inShort(text));
}

if (!skipSetup) {
  if ((await setup()) !== 0) fail('setup and build', 'see above');
  // The release variant is made (and its failures told) by setup; here only the sanitized ones.
  if (failed === 0) for (const text of await buildAll({ variantNames: ['asan', 'tsan'], only: 'c' })) fail('build with sanitizers', text);
  const types = await runProcess(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '--noEmit'], 300);
  if (types.code === 0) console.log(`ok   tsc --noEmit  ${types.seconds.toFixed(1)} s`);
  else fail('tsc --noEmit', types.output);
}

const tests = existsSync(join(root, 'tests'))
  ? readdirSync(join(root, 'tests'), { recursive: true }).filter((name) => name.endsWith('.test.ts')).map((name) => join('tests', name)).sort()
  : [];
const chosen = wanted.length === 0 ? tests : tests.filter((file) => wanted.some((part) => file.includes(part)));
if (chosen.length === 0) fail('tests', `no test file matches ${wanted.join(' ') || 'tests/**/*.test.ts'}`);
await runAll(chosen);

if (failures.length > 0) {
  console.log('\nWhat failed, in short (each in full above):');
  for (const line of failures.slice(0, SHORT_TOTAL)) console.log(line.length > SHORT_COLUMNS ? `${line.slice(0, SHORT_COLUMNS)}...` : line);
  if (failures.length > SHORT_TOTAL) console.log(`... and ${failures.length - SHORT_TOTAL} lines more`);
}
if (skipped > 0 && !inCI) console.log(`${skipped} skipped`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
