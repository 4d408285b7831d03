// The example app: built cold with everything downloaded before, against the same steps by hand; and its memory.

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import {
  bench,
  boundFigure,
  interleave,
  makeFolder,
  networkEnv,
  pyflowPeak,
  pyflowTime,
  ratioFigure,
  remove,
  root,
  skippedFigure,
  time,
} from '../measure.mjs';

const APP_ID = 'bench';
/** What a cache keeps of other people's bytes: they are the download cache of the comparison. */
const DOWNLOADED = ['downloads', 'apps'];

let built;

/** Builds the example once, with the network; every group that needs it shares the result. */
export function buildExample() {
  built ??= build();
  return built;
}

function build() {
  const folder = makeFolder();
  const example = { folder, cache: join(folder, 'cache'), slug: join(folder, 'slug'), app: join(folder, 'app') };
  const reportFile = join(folder, 'report.json');
  cpSync(join(root, 'examples/flask-pip'), example.app, { recursive: true });
  try {
    pyflowTime([...runArgs(example), '--report', reportFile], { env: networkEnv });
    // Twice, so that all that a first run remembers for later ones is there.
    pyflowTime(runArgs(example), { env: networkEnv });
  } catch (error) {
    return {
      reason: `the example cannot be built here: ${error.message.split('\n').slice(-8).join(' ').slice(0, 300)}`,
    };
  }
  const { nodes } = JSON.parse(readFileSync(reportFile, 'utf8'));
  const { version, provider } = Object.values(nodes).find(({ kind }) => kind === 'fetch-runtime').outputs;
  return { ...example, version, provider };
}

const runArgs = ({ app, slug, cache }) => [
  'run',
  join(root, 'pipelines/python.yml'),
  `--app=${app}`,
  `--out=${slug}`,
  `--cache-dir=${cache}`,
  `--app-id=${APP_ID}`,
  '--log=plain',
];
export const upToDateArgs = runArgs;

export function example({ rounds }) {
  const ready = buildExample();
  const name = 'example, cold, downloads warm';
  if (ready.reason !== undefined) return [skippedFigure(name, ready.reason), bigFile()];
  const { folder, app } = ready;
  const cold = { app, slug: join(folder, 'cold-slug'), cache: join(folder, 'cold-cache') };
  const reset = () => {
    remove(cold.slug, cold.cache);
    mkdirSync(cold.cache);
    for (const part of DOWNLOADED) {
      const from = join(ready.cache, part);
      if (existsSync(from)) cpSync(from, join(cold.cache, part), { recursive: true });
    }
  };
  const hand = { work: join(folder, 'hand-work'), out: join(folder, 'hand-slug'), pip: join(folder, 'hand-pip-cache') };
  const handArgs = ['bash', bench('by-hand.sh'), runtimeOf(ready), app, hand.work, hand.out, hand.pip];
  const byHand = () => {
    remove(hand.work, hand.out);
    return time(handArgs, { env: networkEnv });
  };
  byHand();
  const samples = interleave(Math.min(rounds, 5), [
    {
      name,
      floor: byHand,
      pyflow: () => {
        reset();
        return pyflowTime(runArgs(cold), { env: networkEnv });
      },
    },
  ]);
  reset();
  const peak = pyflowPeak(runArgs(cold), { env: networkEnv });
  return [
    ratioFigure(`${name} (${ready.provider} ${ready.version})`, samples[name], 1.15),
    boundFigure('example, cold, own peak memory', 'MB', peak / 1e6, 150),
    bigFile(),
  ];
}

/** The archive that was downloaded, or the folder of the machine's interpreter that was copied. */
function runtimeOf({ cache, provider, version }) {
  if (provider === 'system') {
    const pyenv = join(process.env.PYENV_ROOT ?? join(homedir(), '.pyenv'), 'versions', version);
    if (existsSync(pyenv)) return pyenv;
    throw new Error(`no folder of Python ${version} to build by hand from`);
  }
  const files = readdirSync(join(cache, 'downloads'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  return files.sort((a, b) => statSync(b).size - statSync(a).size)[0];
}

/** One node that leaves a file of 2 GB. */
function bigFile() {
  const folder = makeFolder();
  mkdirSync(join(folder, 'app'));
  const pipeline = join(folder, 'big.yml');
  const argv = ['/bin/sh', '-c', 'head -c 2147483648 /dev/zero | tr "\\0" x > big.bin'];
  writeFileSync(
    pipeline,
    JSON.stringify({
      pyflow: 1,
      name: 'big',
      nodes: { big: { uses: 'command', with: { argv, writes: ['big.bin'] } } },
    }),
  );
  const args = ['run', pipeline, '--app', join(folder, 'app'), '--out', join(folder, 'slug')];
  const peak = pyflowPeak([...args, '--cache-dir', join(folder, 'cache'), '--sandbox', 'none', '--log', 'plain']);
  remove(folder);
  return boundFigure('a file of 2 GB digested and stored, own peak memory', 'MB', peak / 1e6, 200);
}
