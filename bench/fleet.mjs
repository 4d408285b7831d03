// Simulates a fleet of build hosts with a shared cache: node bench/fleet.mjs [--set NAME=VALUE]... [--seed N] [--load X]...
// [--part PART]... [--json] [--page FILE]. docs/operators/fleet.md explains the model and discusses the results; `--page` writes
// its tables.

import { readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { parseArgs } from 'node:util';
import * as report from './fleet/report.mjs';
import { SETTINGS, settingsWith } from './fleet/settings.mjs';
import { POLICIES, simulate } from './fleet/simulate.mjs';
import { makeWorkload } from './fleet/workload.mjs';

const { values } = parseArgs({
  options: {
    set: { type: 'string', multiple: true, default: [] },
    seed: { type: 'string', default: '1' },
    load: { type: 'string', multiple: true, default: ['1', '5', '10', '20', '50', '100'] },
    part: { type: 'string', multiple: true, default: ['policies', 'loads'] },
    json: { type: 'boolean', default: false },
    page: { type: 'string' },
  },
});
const seed = Number(values.seed);
if (!Number.isInteger(seed) || seed < 0) throw new Error('--seed takes a whole number from 0');
const loads = values.load.map(Number);
if (!loads.every((load) => load > 0)) throw new Error('--load takes a number above 0');

/** Questions of the kind "what if": settings that differ, or another seed. */
const VARIANTS = [
  ['as above', []],
  ['other random numbers', [], 2],
  ['all requirements have hashes', ['hashedShare=1']],
  ['hosts replaced each day', ['hostLifeHours=24']],
  ['host caches of 50 GiB', [`hostCacheBytes=${50 * 1024 ** 3}`]],
  ['twice as many lockfile changes', ['sourceShare=0.68', 'lockShare=0.24']],
  ['a Python release', ['pythonRelease=1']],
  ['round trip of 20 ms', ['roundTrip=0.02']],
];

const settings = settingsWith(values.set);
/** Pushes depend on the settings and the seed only. */
const workloadOf = (ofSettings, ofSeed) =>
  makeWorkload(ofSettings, ofSettings.warmUpBuilds + ofSettings.measuredBuilds, ofSeed);
const run = (ofSettings, workload, options) => ({
  ...options,
  cpuShare: ofSettings.cpuShare,
  summary: report.summaryOf(simulate(ofSettings, workload, options)),
});

function* variants() {
  for (const [variant, changes, ofSeed = seed] of VARIANTS) {
    const changed = settingsWith([...values.set, ...changes]);
    const workload = workloadOf(changed, ofSeed);
    for (const policy of ['affinity', 'all', 'affinity-all']) yield { variant, ...run(changed, workload, { policy }) };
  }
}

const workload = workloadOf(settings, seed);
const PARTS = {
  policies: () => Object.keys(POLICIES).map((policy) => run(settings, workload, { policy })),
  loads: () => loads.map((load) => run(settings, workload, { policy: 'all', load })),
  // With as many more slots as builds.
  slots: () => loads.map((load) => run(settings, workload, { policy: 'all', load, slotFactor: load })),
  variants: () => [...variants()],
};
const unknown = values.part.filter((part) => !Object.hasOwn(PARTS, part));
if (unknown.length > 0) throw new Error(`no part ${unknown.join(', ')}; there are ${Object.keys(PARTS).join(', ')}`);
const parts = Object.fromEntries(values.part.map((part) => [part, PARTS[part]()]));

const TABLES = {
  assumptions: () => report.assumptionsTable(settings, SETTINGS),
  ...(parts.policies && {
    sources: () => report.sourcesTable(parts.policies),
    policies: () => report.policiesTable(parts.policies),
    headroom: () =>
      report.headroomTable(
        parts.policies.filter(({ policy }) => ['none', 'all', 'affinity', 'affinity-all'].includes(policy)),
      ),
  }),
  ...(parts.loads && { loads: () => report.loadsTable(parts.loads) }),
  ...(parts.slots && { slots: () => report.loadsTable(parts.slots) }),
  ...(parts.variants && { variants: () => report.variantsTable(parts.variants) }),
};

if (values.page !== undefined) {
  const text = readFileSync(values.page, 'utf8');
  writeFileSync(values.page, report.fillPage(text, TABLES));
} else if (values.json) {
  process.stdout.write(`${JSON.stringify({ schema: 'pyflow.fleet/1', seed, settings, ...parts }, undefined, 2)}\n`);
} else {
  for (const [name, table] of Object.entries(TABLES)) process.stdout.write(`## ${name}\n\n${table()}\n\n`);
}
