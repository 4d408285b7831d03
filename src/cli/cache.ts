// `pyflow cache`: lists, checks, shrinks, clears and moves the cache.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Failure } from '../engine/failure.js';
import { cleanText } from '../engine/files/clean-text.js';
import { countOf, formatBytes, formatCount, formatDuration, table } from '../engine/render/messages.js';
import { dropFastRecord } from '../engine/run/run-record.js';
import type { Leftover } from '../engine/files/remove-tree.js';
import { complain, type Command, type Given } from './command.js';
import { DAMAGE_STATUS } from './exit-status.js';
import { printJSON } from './print-json.js';
import { printFailure } from './refusal.js';
import { REMOTE_OPTIONS } from './remote-options.js';
import { APP_OPTIONS, cacheDirOf } from './run-options.js';
import { withSubcommands } from './subcommands.js';
import type { World } from './world.js';

/** The options of every subcommand. */
const COMMON = ['cache-dir', 'json'];

export const command: Command = withSubcommands({
  name: 'cache',
  summary: 'List, show, verify, shrink, clear, export or import the cache, or check a remote cache',
  subcommands: [
    { verb: 'ls', summary: 'List the stored results', options: COMMON, run: list },
    {
      verb: 'show',
      operand: { placeholder: 'KEY', phrase: 'a KEY', remedy: '`pyflow cache ls` lists the keys.' },
      summary: 'Show a result and what its key was made from; the beginning of a key is enough',
      options: COMMON,
      run: show,
    },
    {
      verb: 'verify',
      summary: 'Check all content against its digests and remove what is damaged',
      options: COMMON,
      run: verify,
    },
    {
      verb: 'gc',
      summary: 'Remove the least recently used results until the cache is small enough',
      options: [...COMMON, 'max-size', 'max-age'],
      run: collect,
    },
    { verb: 'clear', summary: 'Remove everything that pyflow can make again', options: COMMON, run: clear },
    {
      verb: 'export',
      operand: { placeholder: 'FILE', phrase: 'a FILE', remedy: 'Name the file to write.' },
      summary: "Write the results of the app's last complete run, or all, to a file for another machine",
      options: [...COMMON, 'app', 'app-id', 'all'],
      run: async (...asked) => (await import('./cache-archive.js')).exportTo(...asked),
    },
    {
      verb: 'import',
      operand: { placeholder: 'FILE', phrase: 'a FILE', remedy: 'Name a file that `pyflow cache export` wrote.' },
      summary: 'Add the results of such a file to the cache',
      options: COMMON,
      run: async (...asked) => (await import('./cache-archive.js')).importFrom(...asked),
    },
    {
      verb: 'remote',
      operand: { placeholder: 'status', phrase: 'to know what to do', remedy: 'Write `pyflow cache remote status`.' },
      summary: 'Check the server of the remote cache, and show what it can do',
      options: ['json', ...REMOTE_OPTIONS.map(({ name }) => name)],
      run: async (...asked) => (await import('./cache-remote.js')).remote(...asked),
    },
  ],
  options: [
    ...APP_OPTIONS,
    { name: 'all', summary: 'With export: all results that may leave this machine' },
    {
      name: 'max-size',
      value: 'SIZE',
      summary: 'With gc: maximum size of the cache, such as 500MB or 2GiB (default: 10GiB)',
    },
    {
      name: 'max-age',
      value: 'AGE',
      summary: 'With gc: remove results that were not used for this long, such as 12h or 30d',
    },
    ...REMOTE_OPTIONS,
    { name: 'json', summary: 'Print JSON' },
  ],
  examples: [
    'pyflow cache gc --max-size 2GiB',
    'pyflow cache verify',
    'pyflow cache export results.tar --app ../shop',
    'pyflow cache import results.tar',
    'pyflow cache remote status --remote grpcs://cache.example:443',
  ],
});

async function list(given: Given, world: World): Promise<number> {
  const cacheDir = cacheDirOf(given, world);
  const { listResults } = await import('../engine/store/care.js');
  const listed = await listResults(cacheDir);
  if (!listed.ok) return printFailure(listed.failure, world);
  if (given.flag('json')) {
    printJSON(listed.value, world);
    return 0;
  }
  const { results, bytes } = listed.value;
  const rows = results.map(({ key, kind, usedAt, durationMs, files, bytes: size, degraded }) => [
    key.slice(0, SHOWN_KEY),
    kind ?? '?',
    new Date(usedAt).toISOString().slice(0, 10),
    formatDuration(durationMs),
    formatCount(files),
    formatBytes(size),
    degraded === undefined ? '' : `degraded: ${cleanText(degraded)}`,
  ]);
  if (rows.length > 0) {
    const lines = table([['KEY', 'KIND', 'LAST USED', 'TOOK', 'FILES', 'SIZE', ''], ...rows]);
    world.stdout.write(`${lines.join('\n')}\n`);
  }
  world.stdout.write(`${countOf(results.length, 'result')}, ${formatBytes(bytes)} in ${cacheDir}\n`);
  const { KEY_FORMAT } = await import('../engine/node/key.js');
  const old = results.filter(({ format }) => format !== undefined && format !== KEY_FORMAT);
  if (old.length > 0) world.stdout.write(oldText(old.length));
  return 0;
}

const oldText = (count: number): string =>
  `${countOf(count, 'result')} of another key format: this version of pyflow doesn't use ${count === 1 ? 'it' : 'them'}. ` +
  `To remove what was not used lately, run \`pyflow cache gc --max-age 1d\`; otherwise the limit of the cache does.\n`;

const SHOWN_KEY = 16;

async function show(given: Given, world: World, prefix: string): Promise<number> {
  const { showResults } = await import('../engine/store/care.js');
  const shown = await showResults(cacheDirOf(given, world), prefix);
  if (!shown.ok) return printFailure(shown.failure, world);
  const [only] = shown.value;
  if (only === undefined || shown.value.length > 1) {
    return complain(world, {
      message:
        only === undefined
          ? `No stored result has a key that starts with "${prefix}".`
          : `The keys of ${shown.value.length} results start with "${prefix}".`,
      remedy: only === undefined ? '`pyflow cache ls` lists the keys.' : 'Write more characters of the key.',
    });
  }
  printJSON({ key: only.stored.key, madeFrom: only.record, result: only.stored.result }, world);
  return 0;
}

async function verify(given: Given, world: World): Promise<number> {
  const { verifyCache } = await import('../engine/store/care.js');
  const verified = await verifyCache(cacheDirOf(given, world));
  if (!verified.ok) return printFailure(verified.failure, world);
  const { results, blobs, bytes, problems } = verified.value;
  if (given.flag('json')) printJSON(verified.value, world);
  else {
    for (const { what, name } of problems) world.stdout.write(`${DAMAGE[what]} ${name}: removed\n`);
    const found =
      problems.length === 0
        ? 'no damage'
        : `removed ${countOf(problems.length, 'damaged item')}; the next run makes what is missing again`;
    world.stdout.write(`${countOf(results, 'result')}, ${countOf(blobs, 'blob')}, ${formatBytes(bytes)}: ${found}\n`);
  }
  return problems.length === 0 ? 0 : DAMAGE_STATUS;
}

const DAMAGE = { result: 'damaged result', blob: 'damaged blob', 'incomplete-result': 'incomplete result' } as const;

async function collect(given: Given, world: World): Promise<number> {
  const cacheDir = cacheDirOf(given, world);
  const size = given.value('max-size');
  const age = given.value('max-age');
  const maxBytes = size === undefined ? undefined : parseSize(size);
  const maxAgeMs = age === undefined ? undefined : parseAge(age);
  if (size !== undefined && maxBytes === undefined) {
    return complain(world, {
      message: `--max-size does not accept "${size}".`,
      remedy: 'Write a number and a unit: 0B, 500MB, 2GiB.',
    });
  }
  if (age !== undefined && maxAgeMs === undefined) {
    return complain(world, {
      message: `--max-age does not accept "${age}".`,
      remedy: 'Write a number and a unit: 45m, 12h, 30d.',
    });
  }
  const { collectGarbage } = await import('../engine/store/quota.js');
  const collected = await collectGarbage(cacheDir, {
    explain: true,
    ...(maxBytes === undefined ? {} : { maxBytes }),
    ...(maxAgeMs === undefined ? {} : { maxAgeMs }),
  });
  if (collected === undefined) {
    const { refusedPlace } = await import('../engine/store/cache-place.js');
    return printFailure(refusedPlace(cacheDir) ?? cannotCollect(cacheDir), world);
  }
  if (given.flag('json')) printJSON(collected, world);
  else {
    const { bytesBefore, bytesAfter, evictedResults, removedBlobs, kept } = collected;
    const removed = `${countOf(evictedResults, 'result')} and ${countOf(removedBlobs, 'blob')}`;
    world.stdout.write(`Removed ${removed}: ${formatBytes(bytesBefore)} before, ${formatBytes(bytesAfter)} now\n`);
    for (const [what, why, remedy] of KEPT) {
      const { blobs, bytes } = kept?.[what] ?? { blobs: 0, bytes: 0 };
      const subject = `${countOf(blobs, 'blob')} (${formatBytes(bytes)}) that no stored result needs`;
      if (blobs > 0) world.stdout.write(`Kept ${subject}: ${why}. ${remedy}\n`);
    }
  }
  return 0;
}

const KEPT = [
  [
    'young',
    'less than an hour old, so a run may be about to use it',
    'Run this command again later, or remove everything with `pyflow cache clear`.',
  ],
  ['running', 'written by a run that has not ended', 'Run this command again when it has.'],
] as const;

const cannotCollect = (cacheDir: string): Failure => ({
  code: 'cache::busy',
  blame: 'environment',
  title: `pyflow could not shrink the cache ${cacheDir}`,
  detail: 'Another pyflow process is shrinking it, or the folder is not writable.',
  remedy: 'Wait until the other process ends, or check the permissions of the folder.',
  retryable: true,
});

const cannotClear = (cacheDir: string, left: readonly Leftover[]): Failure => ({
  code: 'cache::cannot-clear',
  blame: 'environment',
  title: `pyflow could not clear the cache ${cacheDir}`,
  detail: left.map(({ path, code }) => `${path} (${code})`).join('\n'),
  remedy: 'Check the permissions of these paths, then run the command again.',
});

/** What pyflow can make again besides results and blobs. It keeps run records and sticky versions, which it can't. */
const REMAKEABLE = ['apps', 'builders', 'downloads', 'packages', 'plans', 'state/stat-cache'];

async function clear(given: Given, world: World): Promise<number> {
  const cacheDir = cacheDirOf(given, world);
  const { clearCache } = await import('../engine/store/care.js');
  const { bytes, left } = await clearCache(cacheDir, { also: REMAKEABLE });
  // Otherwise the next run would be up to date, do nothing, and leave the cache empty.
  for (const appId of appIds(cacheDir)) dropFastRecord(cacheDir, appId);
  if (given.flag('json')) printJSON({ bytes }, world);
  else world.stdout.write(`Removed ${formatBytes(bytes)} from ${cacheDir}\n`);
  if (left.length === 0) return 0;
  return printFailure(cannotClear(cacheDir, left), world);
}

function appIds(cacheDir: string): readonly string[] {
  try {
    return readdirSync(join(cacheDir, 'runs'));
  } catch {
    return [];
  }
}

const SIZES: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
};
const AGES: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

const parseSize = (text: string): number | undefined => parseQuantity(text, SIZES);
const parseAge = (text: string): number | undefined => parseQuantity(text, AGES);

function parseQuantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const [, amount, unit] = /^(\d{1,9}(?:\.\d{1,3})?) ?([a-z]{1,3})$/i.exec(text) ?? [];
  const factor = units[unit?.toLowerCase() ?? ''];
  return amount === undefined || factor === undefined ? undefined : Math.round(Number(amount) * factor);
}
