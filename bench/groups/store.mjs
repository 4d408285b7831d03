// The store against the least that could keep or give back the same files: a Python and a slug.

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import {
  bench,
  interleave,
  makeFolder,
  networkEnv,
  nodeTime,
  pyflowTime,
  ratioFigure,
  remove,
  skippedFigure,
  time,
} from '../measure.mjs';
import { buildExample, upToDateArgs } from './example.mjs';

export function store({ rounds }) {
  const names = ['CPython stored', 'slug from the store into a new folder'];
  const example = buildExample();
  if (example.reason !== undefined) return names.map((name) => skippedFigure(name, example.reason));
  const folder = makeFolder();
  const python = join(example.slug, '.scalingo/python');
  const bundle = join(folder, 'store.mjs');
  buildSync({
    entryPoints: [bench('store-entry.mjs')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    outfile: bundle,
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
  });
  const [floorStore, cache, fresh, copy] = ['floor', 'cache', 'fresh', 'copy'].map((name) => join(folder, name));
  const steps = [
    {
      name: names[0],
      target: 1.5,
      floor: () => {
        remove(floorStore);
        return nodeTime([bench('store-floor.mjs'), python, floorStore]);
      },
      pyflow: () => {
        remove(cache);
        mkdirSync(cache);
        return nodeTime([bundle, python, cache]);
      },
    },
    {
      name: names[1],
      target: 1.5,
      floor: () => {
        remove(copy);
        return time(['cp', '-a', example.slug, copy]);
      },
      pyflow: () => {
        remove(fresh);
        return pyflowTime(upToDateArgs({ ...example, slug: fresh }), { env: networkEnv });
      },
    },
  ];
  for (const step of steps) {
    step.floor();
    step.pyflow();
  }
  const samples = interleave(rounds, steps);
  if (!existsSync(join(fresh, '.scalingo/python'))) throw new Error('the slug was not written');
  return steps.map(({ name, target }) => ratioFigure(name, samples[name], target));
}
