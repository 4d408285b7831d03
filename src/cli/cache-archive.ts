// `pyflow cache export` and `import`: move results between machines in a file.

import { resolve } from 'node:path';
import type { ExportReport, LeftOut } from '../engine/store/export-archive.js';
import { countOf, formatBytes } from '../engine/render/messages.js';
import { appIdOf, readLastRun } from '../engine/run/run-record.js';
import type { Failure } from '../engine/failure.js';
import type { ActionKey } from '../engine/files/digest.js';
import { complain, EMPTY_VALUE, type Given } from './command.js';
import { printJSON } from './print-json.js';
import { printFailure } from './refusal.js';
import { appOf, type AppPlace } from './run-options.js';
import type { World } from './world.js';

/** By default the results of the app's last complete run. */
export async function exportTo(given: Given, world: World, operand: string): Promise<number> {
  const place = placeOf(given, world, operand);
  if (typeof place === 'number') return place;
  const { cacheDir } = place;
  const keys = given.flag('all') ? undefined : keysOfLastRun(place);
  if (keys === 'no-run') return printFailure(noRun(appIdOf(place)), world);
  const { exportResults } = await import('../engine/store/export-archive.js');
  const { KEY_FORMAT } = await import('../engine/node/key.js');
  const { signal, interruption } = world.onInterrupt();
  const file = resolve(world.cwd, operand);
  const exported = await exportResults(cacheDir, {
    file,
    keyFormat: KEY_FORMAT,
    signal,
    ...(keys === undefined ? {} : { keys }),
  });
  if (!exported.ok) return interruption()?.exitStatus ?? printFailure(exported.failure, world);
  if (given.flag('json')) printJSON({ file, ...exported.value }, world);
  else world.stdout.write(exportText(exported.value, operand));
  return 0;
}

function placeOf(given: Given, world: World, operand: string): AppPlace | number {
  const place = appOf(given, world);
  if (!place.ok) return complain(world, place.failure);
  return operand === '' ? complain(world, { message: 'FILE is empty.', remedy: EMPTY_VALUE }) : place.value;
}

function keysOfLastRun(place: AppPlace): 'no-run' | readonly ActionKey[] {
  const last = readLastRun(place.cacheDir, appIdOf(place));
  return last === undefined
    ? 'no-run'
    : Object.values(last.nodes).flatMap(({ key }) => (key === undefined ? [] : [key]));
}

const noRun = (appId: string): Failure => ({
  code: 'cache::export-no-run',
  blame: 'pipeline',
  title: `The cache has no complete run of the app ${appId}`,
  detail: 'Without --all, pyflow exports the results of the last complete run of an app.',
  remedy: 'Run the pipeline first, check --app, --app-id and --cache-dir, or export all results with --all.',
});

const WHY: Readonly<Record<LeftOut, string>> = {
  app: 'only one app may use it',
  degraded: 'it is a fallback for this machine',
  secrets: 'it was made with secrets',
  variables: 'it was made with variables of the app',
  derived: 'it was made from results with secrets or variables of the app',
  packed: 'it is a layer of an archive or image, which the other machine packs itself',
  missing: 'it is not in the cache',
  unusable: 'this version of pyflow cannot use it',
};

function exportText({ results, blobs, bytes, leftOut }: ExportReport, file: string): string {
  const lines = [
    `Exported ${countOf(results, 'result')} and ${countOf(blobs, 'blob')}, ${formatBytes(bytes)}, to ${file}`,
  ];
  for (const why of Object.keys(leftOut).sort() as LeftOut[]) {
    lines.push(`Left out ${countOf(leftOut[why] ?? 0, 'result')}: ${WHY[why]}.`);
  }
  return `${lines.join('\n')}\n`;
}

export async function importFrom(given: Given, world: World, operand: string): Promise<number> {
  const place = placeOf(given, world, operand);
  if (typeof place === 'number') return place;
  const { cacheDir, settings } = place;
  const { importResults } = await import('../engine/store/import-archive.js');
  const { KEY_FORMAT } = await import('../engine/node/key.js');
  const { signal, interruption } = world.onInterrupt();
  const file = resolve(world.cwd, operand);
  const { keepQuota } = await import('../engine/report/record.js');
  const imported = await importResults(cacheDir, {
    file,
    keyFormat: KEY_FORMAT,
    now: world.now(),
    signal,
    keepQuota: (bytesWritten) => keepQuota({ cacheDir, settings }, bytesWritten),
  });
  if (!imported.ok) return interruption()?.exitStatus ?? printFailure(imported.failure, world);
  if (given.flag('json')) printJSON({ file, ...imported.value }, world);
  else {
    const { results, blobs, bytes, known } = imported.value;
    const size = `${countOf(blobs, 'blob')}, ${formatBytes(bytes)}`;
    world.stdout.write(`Imported ${countOf(results, 'new result')} and ${size}, from ${operand}\n`);
    const before = `${countOf(known.results, 'result')} and ${countOf(known.blobs, 'blob')}`;
    if (known.results + known.blobs > 0) world.stdout.write(`The cache already had ${before} of the file.\n`);
  }
  return 0;
}
