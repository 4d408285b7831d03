// What is stale, missing or unsigned in the catalogue on a given day. Takes the data as it is, so that a test can hand in
// other data; unaware of files and of how findings are shown.

import compare from 'semver/functions/compare.js';
import type { FAMILIES, Families } from './families.js';
import { parsePins } from './pin-file.js';

export interface Finding {
  /** `wrong` should be put right before the next release; `note` is as it is meant to be, but worth knowing. */
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
  /** Pins of the operator beside the shipped ones, as read. */
  readonly operatorPins?: { readonly file: string; readonly text: string };
}

/** In order of families, what is wrong before what is only noted. */
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

/** Full days from one to the other. */
export const daysBetween = (from: string, now: number): number => Math.floor((now - Date.parse(from)) / 86_400_000);

function* heads(families: Families, { now, maxAgeDays }: AuditOptions): Generator<Finding> {
  for (const [family, { about, source, retrieved, asOf }] of Object.entries(families)) {
    const isDay = (text: unknown): boolean => typeof text === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(text);
    if (typeof about !== 'string' || !Array.isArray(source) || source.length === 0 || !isDay(retrieved)) {
      yield {
        level: 'wrong',
        problem: 'incomplete-head',
        family,
        what: 'It does not say what it is about, where it comes from and when it was read.',
        remedy: 'Fill in `about`, `source` and `retrieved`.',
      };
      continue;
    }
    // A pin stays right however old it is.
    if (family === 'platform-pins') continue;
    const of = asOf ?? retrieved;
    const days = daysBetween(of, now);
    if (days <= maxAgeDays) continue;
    yield {
      level: 'wrong',
      problem: 'stale',
      family,
      what: `Its facts are of ${of}, ${days} days ago.`,
      remedy: 'Read its sources again, and write down the day; docs/catalogue.md says how.',
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
        what: `Python ${minor} came out on ${firstRelease}, by the data, and is not supported yet.`,
        remedy: 'Add its builds to python-runtimes and the locks of the tools, then set `supported`.',
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
          ? 'no day is set from which it is refused'
          : isOver
            ? `has been refused since ${refusedFrom}, but is still marked as supported`
            : `is accepted, with a warning, until it is refused from ${refusedFrom} on`
      }.`,
      remedy: isOver ? 'Set `refusedFrom`, or take `supported` back.' : 'Nothing before that day.',
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
    // One without a release means the machine at hand.
    const hasRelease = stack.status === 'accepted' && stack.release !== undefined;
    if (hasRelease && !releases.some(({ version }) => version === stack.release)) {
      yield {
        level: 'wrong',
        problem: 'no-distribution',
        family: 'distributions',
        what: `${stack.name} is accepted, and nothing is known of the packages of ${stack.distro} ${stack.release}.`,
        remedy: 'Add the release.',
      };
    }
    if (stack.status !== 'accepted' || end === undefined || !isOver(end)) continue;
    yield {
      level: 'wrong',
      problem: 'stack-past-end',
      family,
      what: `The platform ended ${stack.name} in ${end}, and it is still accepted.`,
      remedy: 'Set its `status` to end-of-life, here and among the choices of pipelines/python.yml.',
    };
  }
  const usual = data.stacks.find(({ name }) => name === data.default);
  if (usual?.status === 'accepted') return;
  yield {
    level: 'wrong',
    problem: 'default-deprecated',
    family,
    what: `The default, ${data.default}, is not accepted any more.`,
    remedy: 'Choose a newer default, here and in pipelines/python.yml.',
  };
}

type Rows = Readonly<Record<string, Readonly<Record<string, readonly unknown[]>>>>;

const newestOf = (latest: object): string =>
  Object.values(latest as Readonly<Record<string, string>>)
    .toSorted((a, b) => compare(a, b))
    .at(-1) ?? '';

/** Minors that build, with their newest patch. */
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
      remedy: 'Add the rows, with the digests that are published beside the builds.',
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
        remedy: 'Add the digest from a published file, or take the row out.',
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
        what: `In the lock of ${tool} ${known} there is no SHA-256 of ${bare.join(', ')}.`,
        remedy: 'Run `npm run tool-locks -- --refresh ' + tool + '`.',
      };
    }
  }
}

/** Without the marker of machines. */
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
      const remedy = 'Correct the entry, or pin the archive anew.';
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
        what: `No archive of the platform for ${target} is pinned of Python ${missing.join(', ')}.`,
        remedy: 'Pin them with `pyflow catalogue pin URL`, where the provider `scalingo` is used.',
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
      what: `Python ${row.minor} is not built any more; pinned for it: ${names.sort().join(', ')}.`,
      remedy: 'Take the entries out when no app needs to be rebuilt.',
    };
  }
}
