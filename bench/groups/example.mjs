// How much memory pyflow itself uses for a cold build of the example app, and for a big file.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildExample, cacheOfDownloads, runArgs } from '../built-app.mjs';
import { boundFigure, makeFolder, networkEnv, pyflowPeak, remove, skippedFigure } from '../measure.mjs';

export function example() {
  const name = 'example, cold, own peak memory';
  const ready = buildExample();
  if (ready.reason !== undefined) return [skippedFigure(name, ready.reason), bigFile()];
  const { folder, app } = ready;
  const cold = { app, slug: join(folder, 'cold-slug'), cache: join(folder, 'cold-cache') };
  cacheOfDownloads(ready.cache, cold.cache);
  const peak = pyflowPeak(runArgs(cold), { env: networkEnv });
  remove(cold.slug, cold.cache);
  return [boundFigure(name, 'MB', peak / 1e6, 150), bigFile()];
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
