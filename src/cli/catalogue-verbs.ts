// The subcommands of `pyflow catalogue`. Only this command loads them, because they would slow the others down.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { countOf, formatBytes, table } from '../engine/render/messages.js';
import { auditCatalogue, daysBetween, type AuditOptions, type Finding } from '../manifests/catalogue/audit.js';
import { catalogueDigest } from '../manifests/catalogue/catalogue-digest.js';
import { FAMILIES, type Families } from '../manifests/catalogue/families.js';
import { succeed, type Result } from '../engine/failure.js';
import { complain, didYouMean, wrongUsage, type Given, type UsageProblem } from './command.js';
import { STALE_STATUS } from './exit-status.js';
import { pinArchive } from './pin-archive.js';
import { printJSON } from './print-json.js';
import { printFailure } from './refusal.js';
import { cacheDirOf } from './run-options.js';
import type { World } from './world.js';

export function list(given: Given, world: World): number {
  const families = Object.entries(FAMILIES as Families).map(([name, { about, source, retrieved, asOf }]) => ({
    name,
    retrieved,
    asOf,
    sources: source.length,
    about,
  }));
  const digest = catalogueDigest();
  if (given.flag('json')) {
    printJSON({ digest, families }, world);
    return 0;
  }
  const rows = families.map(({ name, retrieved, asOf = retrieved, sources, about }) => [
    name,
    asOf,
    countOf(Math.max(0, daysBetween(asOf, world.now())), 'day'),
    String(sources),
    firstSentence(about),
  ]);
  world.stdout.write(`${table([['NAME', 'AS OF', 'AGE', 'SOURCES', ''], ...rows]).join('\n')}\n`);
  world.stdout.write(`${countOf(rows.length, 'data file')}, digest ${digest.slice(0, 16)}\n`);
  return 0;
}

const firstSentence = (text: string): string => /^.*?(?=[:;.](?:\s|$))/.exec(text)?.[0] ?? text;

export function show(name: string, world: World): number {
  const family = Object.entries(FAMILIES).find(([known]) => known === name)?.[1];
  if (family === undefined) {
    return complain(world, {
      message: `The catalogue has no data file "${name}".`,
      remedy: `${didYouMean(name, Object.keys(FAMILIES)).trim()} \`pyflow catalogue ls\` lists the names.`.trim(),
    });
  }
  printJSON(family, world);
  return 0;
}

/** `defaultDays` is the default of --max-age. */
export function check(given: Given, world: World, defaultDays: number): number {
  const days = given.value('max-age');
  if (days !== undefined && !/^\d{1,5}$/.test(days)) {
    return complain(world, { message: `--max-age does not accept "${days}".`, remedy: 'Use a whole number of days.' });
  }
  const operatorPins = readOperatorPins(given, world);
  if (!operatorPins.ok) return complain(world, operatorPins.failure);
  const maxAgeDays = days === undefined ? defaultDays : Number(days);
  const options = { now: world.now(), maxAgeDays, ...operatorPins.value };
  const findings = auditCatalogue(FAMILIES, options);
  if (given.flag('json')) printJSON(findings, world);
  else world.stdout.write(findingsText(findings));
  return findings.some(({ level }) => level === 'wrong') ? STALE_STATUS : 0;
}

function findingsText(findings: readonly Finding[]): string {
  const lines = findings.flatMap(({ level, problem, family, what, remedy }) => [
    `${level}: ${family}: ${what} [${problem}]`,
    `  ${remedy}`,
  ]);
  const wrong = findings.filter(({ level }) => level === 'wrong').length;
  const notes = findings.length - wrong;
  const total = wrong === 0 ? 'no problems' : countOf(wrong, 'problem');
  return `${[...lines, `${total}${notes === 0 ? '' : `, ${countOf(notes, 'note')}`}`].join('\n')}\n`;
}

function readOperatorPins(given: Given, world: World): Result<Pick<AuditOptions, 'operatorPins'>, UsageProblem> {
  const named = given.value('pins') ?? (world.env['PYFLOW_PINS'] || undefined);
  if (named === undefined) return succeed({});
  try {
    return succeed({ operatorPins: { file: named, text: readFileSync(resolve(world.cwd, named), 'utf8') } });
  } catch (error) {
    return wrongUsage(
      `pyflow can't read the pin file ${named}: ${(error as Error).message}`,
      'Name another file with --pins FILE.',
    );
  }
}

export async function pin(place: string, given: Given, world: World): Promise<number> {
  const named = given.value('pins') ?? (world.env['PYFLOW_PINS'] || undefined);
  if (named === undefined) {
    return complain(world, {
      message: 'pyflow catalogue pin needs a pin file.',
      remedy: 'Name it with --pins FILE or PYFLOW_PINS. pyflow creates a missing file.',
    });
  }
  const sha256 = given.value('sha256');
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/i.test(sha256)) {
    return complain(world, {
      message: `--sha256 does not accept "${sha256}".`,
      remedy: 'A SHA-256 digest has 64 hexadecimal digits.',
    });
  }
  const pinned = await pinArchive(
    {
      place,
      pinFile: resolve(world.cwd, named),
      cacheDir: cacheDirOf(given, world),
      replace: given.flag('replace'),
      ...(sha256 === undefined ? {} : { sha256: sha256.toLowerCase() }),
    },
    world,
  );
  if (!pinned.ok) return printFailure(pinned.failure, world);
  const { name, wasPinned, ...entry } = pinned.value;
  if (given.flag('json')) printJSON({ name, ...entry, pinFile: resolve(world.cwd, named) }, world);
  else {
    const did = wasPinned ? 'was already pinned' : 'is now pinned';
    world.stdout.write(`${name} ${did} in ${named}: ${entry.sha256}, ${formatBytes(entry.sizeBytes)}\n`);
    const inUse = world.env['PYFLOW_PINS'];
    if (inUse === undefined || resolve(world.cwd, inUse) !== resolve(world.cwd, named))
      world.stdout.write(
        `To use it in builds, set PYFLOW_PINS to this file and list the provider \`scalingo\` in the pipeline.\n`,
      );
  }
  return 0;
}
