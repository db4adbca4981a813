// Programs that measure in turn (perf/programs/turns.h): each gets all of its slices, nobody measures beside another, and one that fails takes the others along
// in place of leaving them to wait for its turns.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { executable } from '../../perf/programs.ts'
import { type Program, samplesOf } from '../../perf/sides.ts'
import { inTurns } from '../../perf/turns.ts'
import type { Side } from '../../perf/model.ts'
import { root } from '../support/cc.ts'

const folder = mkdtempSync(join(tmpdir(), 'ringfence-turns-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))

const SIDES: Side[] = ['ringfence', 'direct', 'bare']
const SLICES = 20

/** A program that tells when each of its slices began and ended, in nanoseconds of the steady clock (report() rounds); `fails`: it leaves in the middle of that slice. */
function timed(): string {
  const source = join(folder, 'timed.c')
  writeFileSync(source, `#include "turns.h"
static void tell(const char *what) { printf("{\\"metric\\":\\"%s\\",\\"value\\":%llu}\\n", what, (unsigned long long)now_ns()); }
int main(int argc, char **argv)
{
    uint64_t fails = number_argument(argc, argv, 1, 1000);
    turns_open();
    while (turn_begins()) {
        tell("began");
        if (turns.slice == fails) { fprintf(stderr, "on purpose\\n"); return 1; }
        usleep(300);
        tell("ended");
        turn_ends();
    }
    turns_close();
    return 0;
}
`)
  const target = join(folder, 'timed')
  const made = spawnSync(process.env['CC'] ?? 'cc', ['-std=c11', '-D_GNU_SOURCE', '-O1', '-Wall', '-Wextra', '-Werror', '-I', join(root, 'perf/programs'), source, '-o', target], { encoding: 'utf8' })
  assert.is(made.status, 0, made.stderr)
  return target
}

const program = timed()
const run = (args: string[]) => (side: Side, environment: Record<string, string>, stop: AbortSignal) =>
  samplesOf({ file: program, arguments: side === 'direct' ? args : [] } satisfies Program, environment, stop)

test('every side has its slices, one at a time, in orders that differ', async () => {
  const samples = await inTurns(SIDES, SLICES, run([]))
  const orders = new Set<string>()
  for (let slice = 0; slice < SLICES; slice++) {
    const row = SIDES.map((side) => ({ side, ...(samples[side]![slice] as { began: number; ended: number }) }))
    row.sort((a, b) => a.began - b.began)
    for (let i = 1; i < row.length; i++) assert.ok(row[i].began >= row[i - 1].ended, `slice ${slice}: ${JSON.stringify(row)}`)
    orders.add(row.map(({ side }) => side).join())
  }
  assert.ok(orders.size >= 3, `orders: ${[...orders].join('; ')}`)
})

test('one that fails ends the others and is named', async () => {
  try {
    await inTurns(SIDES, SLICES, run(['3']))
    assert.unreachable()
  } catch (error) {
    assert.match((error as Error).message, /^direct: timed 3: on purpose$/)
  }
})

test('a variable that says nothing is refused by name', () => {
  const result = spawnSync(executable('references/memcpy'), ['4096', '1'], { encoding: 'utf8', env: { ...process.env, RINGFENCE_PERF_TURNS: 'nonsense' } })
  assert.is(result.status, 2)
  assert.match(result.stderr, 'RINGFENCE_PERF_TURNS')
})

test.run()
