// Measures pyflow against floors in the same run: node bench/bench.mjs [--rounds N] [--only GROUP]... [--assert]
// Prints a table and writes bench/results/latest.json. With --assert, the exit status says whether all targets are met.

import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { adapter } from './groups/adapter.mjs';
import { example } from './groups/example.mjs';
import { layered, many } from './groups/layered.mjs';
import { large } from './groups/large.mjs';
import { managers } from './groups/managers.mjs';
import { packages } from './groups/packages.mjs';
import { outputs } from './groups/outputs.mjs';
import { remote } from './groups/remote.mjs';
import { startup } from './groups/startup.mjs';
import { store } from './groups/store.mjs';
import { versions } from './groups/versions.mjs';
import { bench, brokenFigure } from './measure.mjs';
import { isMissed, tableOf } from './table.mjs';

const GROUPS = {
  startup,
  layered,
  many,
  store,
  example,
  managers,
  adapter,
  large,
  outputs,
  packages,
  remote,
  versions,
};

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '15' },
    only: { type: 'string', multiple: true, default: Object.keys(GROUPS) },
    assert: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds takes a whole number from 1');
const unknown = values.only.filter((name) => !Object.hasOwn(GROUPS, name));
if (unknown.length > 0) throw new Error(`no group ${unknown.join(', ')}; there are ${Object.keys(GROUPS).join(', ')}`);

const groups = {};
for (const name of values.only) {
  let figures;
  try {
    figures = await GROUPS[name]({ rounds });
  } catch (error) {
    figures = [brokenFigure(name, error)];
  }
  groups[name] = figures;
  process.stdout.write(`${tableOf(name, figures)}\n`);
}

const result = {
  schema: 'pyflow.bench/1',
  finishedAt: new Date().toISOString(),
  machine: { cpu: cpus()[0]?.model, cores: availableParallelism(), node: process.version, os: process.platform },
  rounds,
  groups,
};
mkdirSync(bench('results'), { recursive: true });
writeFileSync(join(bench('results'), 'latest.json'), `${JSON.stringify(result, undefined, 2)}\n`);

const missed = Object.values(groups).flat().filter(isMissed);
if (missed.length > 0) process.stdout.write(`Missed: ${missed.map(({ name }) => name).join('; ')}\n`);
if (values.assert && missed.length > 0) process.exitCode = 1;
