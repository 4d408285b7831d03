// A real project with many packages: how much memory pyflow itself uses to build it, and how long that takes.

import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, cacheOfDownloads, runArgs } from '../built-app.mjs';
import { bench, boundFigure, networkEnv, pyflowPeakAndTime, remove, skippedFigure } from '../measure.mjs';

export function large() {
  const name = 'LNbits with all groups, cold, downloads warm';
  // With --test, the development groups are installed too.
  const ready = build((folder) => cpSync(bench('fixtures/lnbits'), folder, { recursive: true }), ['--test']);
  if (ready.reason !== undefined) return [skippedFigure(name, ready.reason)];
  const cold = { ...ready, slug: join(ready.folder, 'cold-slug'), cache: join(ready.folder, 'cold-cache') };
  cacheOfDownloads(ready.cache, cold.cache);
  const reportFile = join(ready.folder, 'cold-report.json');
  const { bytes, ms } = pyflowPeakAndTime([...runArgs(cold), '--report', reportFile], { env: networkEnv });
  const { nodes } = JSON.parse(readFileSync(reportFile, 'utf8'));
  const packages = Object.keys(nodes.uv.outputs.packages).length;
  remove(ready.folder);
  return [
    boundFigure(`${name}, ${packages} packages, own peak memory`, 'MB', bytes / 1e6, 150),
    boundFigure(`${name}, time`, 's', ms / 1000),
  ];
}
