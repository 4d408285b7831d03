// The store against the least code that could store or restore the same files: a Python and a slug.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
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
import { buildExample, runArgs } from '../built-app.mjs';

function bundled(entry, outfile) {
  buildSync({
    entryPoints: [bench(entry)],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    minify: true,
    outfile,
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
  });
  return outfile;
}

export function store({ rounds }) {
  const names = ['CPython stored', 'slug from the store into a new folder', 'the same by a whole run, slug gone'];
  const example = buildExample();
  if (example.reason !== undefined) return names.map((name) => skippedFigure(name, example.reason));
  const folder = makeFolder();
  const python = join(example.slug, '.scalingo/python');
  const bundle = bundled('store-entry.mjs', join(folder, 'store.mjs'));
  const restore = bundled('restore-entry.mjs', join(folder, 'restore.mjs'));
  const parts = ['floor', 'cache', 'fresh', 'copy', 'slug-cache', 'restored'];
  const [floorStore, cache, fresh, copy, slugCache, restored] = parts.map((name) => join(folder, name));
  mkdirSync(slugCache);
  const slugLayer = execFileSync(process.execPath, [bundle, example.slug, slugCache], { encoding: 'utf8' }).trim();
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
        remove(restored);
        return nodeTime([restore, restored, slugCache, slugLayer]);
      },
    },
    {
      name: names[2],
      floor: () => {
        remove(copy);
        return time(['cp', '-a', example.slug, copy]);
      },
      pyflow: () => {
        remove(fresh);
        return pyflowTime(runArgs({ ...example, slug: fresh }), { env: networkEnv });
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
