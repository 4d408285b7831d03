// Advisories in the OSV format for packages of PyPI: which of them are about a version. A record is data from outside, and
// whatever it gets wrong counts for the advisory, not against it.

import { readVersion, versionKey, versionOrder, type PackageVersion } from '../../manifests/app/package-version.js';
import { normalizeName } from '../../manifests/app/requirements.js';
import { cleanText, cutText } from '../files/clean-text.js';
import { isTable, isText } from '../files/untrusted-json.js';

/** What a record says of one package. Plain data, for the index of a folder. */
export interface Advisory {
  readonly id: string;
  readonly summary: string;
  readonly versions: readonly string[];
  /** Events of `ECOSYSTEM` ranges, as [kind, version]. */
  readonly ranges: readonly (readonly (readonly [AdvisoryEvent, string])[])[];
  /** The record names neither versions nor ranges. */
  readonly isForAll: boolean;
}
type AdvisoryEvent = 'introduced' | 'fixed' | 'last_affected';

const EVENTS: readonly AdvisoryEvent[] = ['introduced', 'fixed', 'last_affected'];
const MOST_VERSIONS = 20_000;
const MOST_EVENTS = 2000;
const LONGEST_SUMMARY = 120;

export const isMalicious = ({ id }: Pick<Advisory, 'id'>): boolean => id.startsWith('MAL-');

/** Normalized name -> what the record says of that package of PyPI. Undefined if it is no record. */
export function readRecord(record: unknown): ReadonlyMap<string, readonly Advisory[]> | undefined {
  if (!isTable(record) || !isText(record['id']) || !/^[A-Za-z0-9._:-]{1,100}$/.test(record['id'])) return undefined;
  const found = new Map<string, Advisory[]>();
  if (record['withdrawn'] !== undefined || !Array.isArray(record['affected'])) return found;
  const text = isText(record['summary']) ? record['summary'] : '';
  const summary = cutText(cleanText(text.slice(0, 1000)).trim(), LONGEST_SUMMARY);
  for (const affected of record['affected'] as readonly unknown[]) {
    const of = isTable(affected) ? affected['package'] : undefined;
    if (!isTable(affected) || !isTable(of) || of['ecosystem'] !== 'PyPI' || !isText(of['name'])) continue;
    const project = normalizeName(of['name']);
    const advisory = { id: record['id'], summary, ...versionsOf(affected) };
    found.set(project, [...(found.get(project) ?? []), advisory]);
  }
  return found;
}

function versionsOf(affected: Readonly<Record<string, unknown>>): Pick<Advisory, 'versions' | 'ranges' | 'isForAll'> {
  const listed = Array.isArray(affected['versions']) ? (affected['versions'] as readonly unknown[]) : [];
  const given = Array.isArray(affected['ranges']) ? (affected['ranges'] as readonly unknown[]) : [];
  const ranges = given
    .filter((range) => isTable(range))
    .filter(({ type }) => type === 'ECOSYSTEM')
    .map(({ events }) => (Array.isArray(events) ? (events as readonly unknown[]) : []).slice(0, MOST_EVENTS))
    .map((events) => events.flatMap(eventsOf));
  return {
    versions: listed.filter(isText).slice(0, MOST_VERSIONS),
    ranges,
    isForAll: listed.length === 0 && given.length === 0,
  };
}

function eventsOf(event: unknown): readonly (readonly [AdvisoryEvent, string])[] {
  if (!isTable(event)) return [];
  return EVENTS.flatMap((kind) => {
    const version = event[kind];
    return isText(version) ? [[kind, version] as const] : [];
  });
}

interface ReadyAdvisory {
  readonly advisory: Advisory;
  readonly keys: ReadonlySet<string>;
  readonly ranges: readonly (readonly (readonly [AdvisoryEvent, PackageVersion])[])[];
}

/** The advisories of a folder, by package. Reads the versions of a package when someone asks for it first. */
export class Advisories {
  readonly #ready = new Map<string, readonly ReadyAdvisory[]>();

  constructor(
    private readonly byProject: ReadonlyMap<string, readonly Advisory[]>,
    /** Over everything that a decision can depend on. */
    readonly digest: string,
  ) {}

  get size(): number {
    return this.byProject.size;
  }

  /** Those about a version. An unknown version is affected by all of them. */
  about(project: string, version: string | undefined): readonly Advisory[] {
    let ready = this.#ready.get(project);
    if (ready === undefined) {
      ready = (this.byProject.get(project) ?? []).map(readyOf);
      this.#ready.set(project, ready);
    }
    if (ready.length === 0) return [];
    const read = version === undefined ? undefined : readVersion(version);
    return ready.filter((one) => read === undefined || affects(one, read)).map(({ advisory }) => advisory);
  }
}

function readyOf(advisory: Advisory): ReadyAdvisory {
  const keys = advisory.versions.map(readVersion).filter((version) => version !== undefined);
  return {
    advisory,
    keys: new Set(keys.map(versionKey)),
    ranges: advisory.ranges.map((events) =>
      events
        .flatMap(([kind, text]) => {
          const version = readVersion(text);
          return version === undefined ? [] : [[kind, version] as const];
        })
        .sort(([one, a], [other, b]) => versionOrder(a, b) || EVENTS.indexOf(one) - EVENTS.indexOf(other)),
    ),
  };
}

function affects({ advisory, keys, ranges }: ReadyAdvisory, version: PackageVersion): boolean {
  return advisory.isForAll || keys.has(versionKey(version)) || ranges.some((events) => isInRange(events, version));
}

/** The algorithm of the OSV specification. `0` is before every version, pre-releases of 0 included. */
function isInRange(events: readonly (readonly [AdvisoryEvent, PackageVersion])[], version: PackageVersion): boolean {
  let isAffected = false;
  for (const [kind, bound] of events) {
    const order = versionOrder(version, bound);
    if (kind === 'introduced') isAffected ||= order >= 0 || isZero(bound);
    else if (kind === 'fixed' ? order >= 0 : order > 0) isAffected = false;
  }
  return isAffected;
}

const isZero = ({ epoch, release }: PackageVersion): boolean => epoch === 0 && release.every((part) => part === 0);
