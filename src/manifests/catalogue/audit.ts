// Finds stale, missing and unsigned entries in the catalogue on a given day. The data is an argument, so that tests can pass
// other data.

import compare from 'semver/functions/compare.js';
import type { FAMILIES, Families } from './families.js';
import { parsePins } from './pin-file.js';

export interface Finding {
  /** `wrong` should be fixed before the next release; `note` is intended, but worth knowing. */
  readonly level: 'wrong' | 'note';
  /** Stable. */
  readonly problem:
    | 'stale'
    | 'incomplete-head'
    | 'minor-past-end-of-life'
    | 'minor-released'
    | 'default-deprecated'
    | 'stack-past-end'
    | 'no-distribution'
    | 'no-artifact'
    | 'unsigned'
    | 'no-lock'
    | 'bad-pin'
    | 'unpinned'
    | 'pin-of-ended-minor';
  readonly family: string;
  /** One sentence. */
  readonly what: string;
  readonly remedy: string;
}

export type CatalogueData = typeof FAMILIES;

export interface AuditOptions {
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly maxAgeDays: number;
  /** The operator's pin file, in addition to the shipped pins. */
  readonly operatorPins?: { readonly file: string; readonly text: string };
}

/** Wrong entries before notes, each sorted by family. */
export function auditCatalogue(data: CatalogueData, options: AuditOptions): readonly Finding[] {
  const day = new Date(options.now).toISOString().slice(0, 10);
  const findings = [
    ...heads(data, options),
    ...releases(data, day),
    ...stacks(data, day),
    ...runtimes(data),
    ...tools(data),
    ...pins(data, day, options.operatorPins),
  ];
  const rank = ({ level, family }: Finding): string => `${level === 'wrong' ? 0 : 1} ${family}`;
  return findings.toSorted((a, b) => (rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0));
}

/** Whole days between the two. */
export const daysBetween = (from: string, now: number): number => Math.floor((now - Date.parse(from)) / 86_400_000);

function* heads(families: Families, { now, maxAgeDays }: AuditOptions): Generator<Finding> {
  for (const [family, { about, source, retrieved, asOf }] of Object.entries(families)) {
    const isDay = (text: unknown): boolean => typeof text === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(text);
    if (typeof about !== 'string' || !Array.isArray(source) || source.length === 0 || !isDay(retrieved)) {
      yield {
        level: 'wrong',
        problem: 'incomplete-head',
        family,
        what: 'The file is missing `about`, `source` or a valid `retrieved`.',
        remedy: 'Fill in `about`, `source` and `retrieved` (YYYY-MM-DD).',
      };
      continue;
    }
    // Pins don't get stale.
    if (family === 'platform-pins') continue;
    const of = asOf ?? retrieved;
    const days = daysBetween(of, now);
    if (days <= maxAgeDays) continue;
    yield {
      level: 'wrong',
      problem: 'stale',
      family,
      what: `The data is ${days} days old (${of}).`,
      remedy: 'Check its sources again and update the date, as described in docs/catalogue.md.',
    };
  }
}

function* releases({ 'python-releases': data }: CatalogueData, day: string): Generator<Finding> {
  const family = 'python-releases';
  for (const row of data.minors) {
    const { minor, supported, endOfLifeMonth, firstRelease } = row;
    const refusedFrom = 'refusedFrom' in row ? row.refusedFrom : undefined;
    if (!supported && firstRelease <= day && day.slice(0, 7) <= endOfLifeMonth) {
      yield {
        level: 'note',
        problem: 'minor-released',
        family,
        what: `Python ${minor} was released on ${firstRelease} according to the data, but is not supported yet.`,
        remedy: 'Add its builds to python-runtimes, set `supported`, and run `npm run tool-locks`.',
      };
    }
    if (!supported || day.slice(0, 7) <= endOfLifeMonth) continue;
    const isOver = refusedFrom === undefined || refusedFrom <= day;
    yield {
      level: isOver ? 'wrong' : 'note',
      problem: 'minor-past-end-of-life',
      family,
      what: `Python ${minor} has had no fixes since ${endOfLifeMonth} and ${
        refusedFrom === undefined
          ? 'has no date from which pyflow refuses it'
          : isOver
            ? `has been refused since ${refusedFrom}, but is still marked as supported`
            : `is accepted with a warning until pyflow refuses it from ${refusedFrom} on`
      }.`,
      remedy: isOver ? 'Set `refusedFrom`, or set `supported` to false.' : 'Nothing to do before that date.',
    };
  }
  const usual = data.minors.find(({ minor }) => minor === data.default);
  const deprecatedFrom = usual !== undefined && 'deprecatedFrom' in usual ? usual.deprecatedFrom : undefined;
  const isDeprecated = deprecatedFrom !== undefined && deprecatedFrom <= day;
  if (usual?.supported !== true || isDeprecated || day.slice(0, 7) > usual.endOfLifeMonth) {
    yield {
      level: 'wrong',
      problem: 'default-deprecated',
      family,
      what: `The default, Python ${data.default}, is deprecated or not supported.`,
      remedy: 'Choose a newer default.',
    };
  }
}

function* stacks({ stacks: data, distributions: known }: CatalogueData, day: string): Generator<Finding> {
  const family = 'stacks';
  const isOver = (end: string): boolean => day.slice(0, end.length) > end;
  for (const stack of data.stacks) {
    const end = 'end' in stack ? stack.end : undefined;
    const releases: readonly { readonly version: string }[] =
      known.distributions.find(({ id }) => id === stack.distro)?.releases ?? [];
    // A stack without a release stands for the machine that builds.
    const hasRelease = stack.status === 'accepted' && stack.release !== undefined;
    if (hasRelease && !releases.some(({ version }) => version === stack.release)) {
      yield {
        level: 'wrong',
        problem: 'no-distribution',
        family: 'distributions',
        what: `The stack ${stack.name} is accepted, but the packages of ${stack.distro} ${stack.release} are unknown.`,
        remedy: 'Add the release to distributions.json.',
      };
    }
    if (stack.status !== 'accepted' || end === undefined || !isOver(end)) continue;
    yield {
      level: 'wrong',
      problem: 'stack-past-end',
      family,
      what: `The platform ended the stack ${stack.name} in ${end}, but it is still accepted.`,
      remedy: 'Set its `status` to `end-of-life`, and remove it from the choices in pipelines/python.yml.',
    };
  }
  const usual = data.stacks.find(({ name }) => name === data.default);
  if (usual?.status === 'accepted') return;
  yield {
    level: 'wrong',
    problem: 'default-deprecated',
    family,
    what: `The default stack, ${data.default}, is not accepted.`,
    remedy: 'Choose a newer default in stacks.json and in pipelines/python.yml.',
  };
}

type Rows = Readonly<Record<string, Readonly<Record<string, readonly unknown[]>>>>;

const newestOf = (latest: object): string =>
  Object.values(latest as Readonly<Record<string, string>>)
    .toSorted((a, b) => compare(a, b))
    .at(-1) ?? '';

/** The supported minors with their newest patch. */
const supported = ({ 'python-releases': { minors } }: CatalogueData): readonly { minor: string; newest: string }[] =>
  minors
    .filter(({ supported: isSupported }) => isSupported)
    .map(({ minor, latest }) => ({ minor, newest: newestOf(latest) }));

function* runtimes(data: CatalogueData): Generator<Finding> {
  const family = 'python-runtimes';
  const { platforms, runtimes: table } = data[family];
  const rows = table as unknown as Rows;
  for (const { newest } of supported(data)) {
    const without = Object.keys(platforms).filter((platform) => rows[newest]?.[platform] === undefined);
    if (without.length === 0) continue;
    yield {
      level: 'wrong',
      problem: 'no-artifact',
      family,
      what: `Python ${newest}, the newest patch of its minor version, has no build for ${without.join(', ')}.`,
      remedy: 'Add the rows with the published digests.',
    };
  }
  for (const [version, builds] of Object.entries(rows)) {
    for (const [platform, [, , sha256]] of Object.entries(builds)) {
      if (isDigest(sha256)) continue;
      yield {
        level: 'wrong',
        problem: 'unsigned',
        family,
        what: `The build of Python ${version} for ${platform} has no SHA-256.`,
        remedy: 'Add the published digest, or remove the row.',
      };
    }
  }
}

const isDigest = (text: unknown): boolean => typeof text === 'string' && /^[0-9a-f]{64}$/.test(text);

interface LockFile {
  readonly versions?: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
  readonly hashes?: Readonly<Record<string, readonly string[]>>;
}

function* tools(data: CatalogueData): Generator<Finding> {
  const files = data as unknown as Readonly<Record<string, LockFile>>;
  for (const [tool, entry] of Object.entries(data.tools.tools)) {
    const { version, also = [] } = entry as { readonly version: string; readonly also?: readonly string[] };
    const family = `tool-locks/${tool}`;
    const { versions = {}, hashes = {} } = files[family] ?? {};
    for (const known of [version, ...also]) {
      const missing = supported(data).filter(({ minor }) => versions[known]?.[minor] === undefined);
      if (missing.length > 0) {
        yield {
          level: 'wrong',
          problem: 'no-lock',
          family,
          what: `${tool} ${known} is not locked for Python ${missing.map(({ minor }) => minor).join(', ')}.`,
          remedy: 'Run `npm run tool-locks`.',
        };
      }
      const pinned = new Set(Object.values(versions[known] ?? {}).flatMap((lines) => lines.map(nameAndVersion)));
      const bare = [...pinned].filter((line) => !(hashes[line]?.length && hashes[line].every(isDigest))).sort();
      if (bare.length === 0) continue;
      yield {
        level: 'wrong',
        problem: 'unsigned',
        family,
        what: `The lock of ${tool} ${known} has no SHA-256 for ${bare.join(', ')}.`,
        remedy: 'Run `npm run tool-locks -- --refresh ' + tool + '`.',
      };
    }
  }
}

/** Without the platform marker. */
const nameAndVersion = (line: string): string => line.split(' ; ')[0] ?? '';

function* pins(data: CatalogueData, day: string, operator: AuditOptions['operatorPins']): Generator<Finding> {
  const archives: Record<string, unknown> = { ...data['platform-pins'].archives };
  yield* readPins({ family: 'platform-pins', text: JSON.stringify(data['platform-pins']) }, archives);
  if (operator !== undefined) yield* readPins({ family: operator.file, text: operator.text }, archives);
  yield* missingPins(data, archives);
  yield* pinsOfEndedMinors(data, day, archives);
}

/** Adds a file's pins to the archives. */
function* readPins(
  { family, text }: { readonly family: string; readonly text: string },
  archives: Record<string, unknown>,
): Generator<Finding> {
  const parsed = parsePins(text);
  if (parsed.ok) Object.assign(archives, parsed.pins);
  else {
    for (const what of parsed.problems) {
      const remedy = 'Fix the entry, or pin the archive again with `pyflow catalogue pin URL`.';
      yield { level: 'wrong', problem: 'bad-pin', family, what, remedy };
    }
  }
}

type Archives = Readonly<Record<string, unknown>>;

function* missingPins(data: CatalogueData, archives: Archives): Generator<Finding> {
  const { name: form, architectures } = data['platform-archives'];
  const debian = new Set<string>(Object.values(architectures));
  const seen = new Set<string>();
  for (const { status, distro, release, arch: known } of data.stacks.stacks) {
    if (status !== 'accepted' || release === undefined) continue;
    for (const arch of known.filter((name) => debian.has(name))) {
      const target = `${distro} ${release} on ${arch}`;
      if (seen.has(target)) continue;
      seen.add(target);
      const nameOf = (version: string): string =>
        form
          .replace('{version}', version)
          .replace('{distro}', distro)
          .replace('{release}', release)
          .replace('{arch}', arch);
      const newest = supported(data).map(({ newest: version }) => version);
      const missing = newest.filter((version) => !Object.hasOwn(archives, nameOf(version)));
      if (missing.length === 0) continue;
      yield {
        level: 'note',
        problem: 'unpinned',
        family: 'platform-pins',
        what: `No platform archive for ${target} is pinned for Python ${missing.join(', ')}.`,
        remedy: 'If you use the provider `scalingo`, pin them with `pyflow catalogue pin URL`.',
      };
    }
  }
}

function* pinsOfEndedMinors(
  { 'python-releases': { minors } }: CatalogueData,
  day: string,
  archives: Archives,
): Generator<Finding> {
  for (const row of minors) {
    const isRefused = 'refusedFrom' in row && row.refusedFrom !== undefined && row.refusedFrom <= day;
    if (row.supported && !isRefused) continue;
    const names = Object.keys(archives).filter((name) => name.startsWith(`python-${row.minor}.`));
    if (names.length === 0) continue;
    yield {
      level: 'note',
      problem: 'pin-of-ended-minor',
      family: 'platform-pins',
      what: `pyflow no longer builds Python ${row.minor}, but these archives are still pinned: ${names.sort().join(', ')}.`,
      remedy: 'Remove the entries when no app needs a rebuild.',
    };
  }
}
