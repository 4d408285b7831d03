// The status of each minor version of Python on a date.

import compare from 'semver/functions/compare.js';
import { compareMinors } from '../app/python-version.js';
import data from './data/python-releases.json' with { type: 'json' };

interface MinorStatus {
  /** `deprecated` still builds, with a warning. */
  readonly support: 'supported' | 'deprecated' | 'end-of-life' | 'unknown';
  /** YYYY-MM of the last upstream fixes; absent for unknown versions. */
  readonly endOfLifeMonth?: string;
  /** That month has passed. */
  readonly endedUpstream: boolean;
  /** YYYY-MM-DD: announced date from which pyflow refuses it. */
  readonly refusedFrom?: string;
}

interface Minor {
  readonly minor: string;
  readonly supported: boolean;
  readonly endOfLifeMonth: string;
  readonly deprecatedFrom?: string;
  readonly refusedFrom?: string;
  readonly latest: Readonly<Record<string, string>>;
}
const minors: readonly Minor[] = data.minors as readonly Minor[];

/** Used when an app names no version. `N.N` */
export const DEFAULT_MINOR = data.default;

/** `now`: milliseconds since the epoch. */
export function minorStatus(minor: string, now: number): MinorStatus {
  const known = minors.find((candidate) => candidate.minor === minor);
  const newest = minors.findLast(({ supported }) => supported);
  if (known === undefined || !known.supported) {
    const isOlder = newest !== undefined && compareMinors(minor, newest.minor) < 0;
    return { support: isOlder ? 'end-of-life' : 'unknown', endedUpstream: isOlder };
  }
  const day = dayOf(now);
  const endedUpstream = day.slice(0, 7) > known.endOfLifeMonth;
  const { endOfLifeMonth, deprecatedFrom, refusedFrom } = known;
  const reached = (date: string | undefined): boolean => date !== undefined && day >= date;
  return {
    support: reached(refusedFrom)
      ? 'end-of-life'
      : reached(deprecatedFrom) || endedUpstream
        ? 'deprecated'
        : 'supported',
    endOfLifeMonth,
    endedUpstream,
    ...(refusedFrom === undefined ? {} : { refusedFrom }),
  };
}

/** Minors that pyflow builds, oldest first. */
export const acceptedMinors = (now: number): readonly string[] =>
  minors
    .map(({ minor }) => minor)
    .filter((minor) => ['supported', 'deprecated'].includes(minorStatus(minor, now).support));

/** The newest patch that any source knows. */
export function latestPatch(minor: string): string | undefined {
  const latest = minors.find((candidate) => candidate.minor === minor && candidate.supported)?.latest;
  return latest === undefined
    ? undefined
    : Object.values(latest)
        .toSorted((a, b) => compare(a, b))
        .at(-1);
}

/** A clock behind the data must be wrong, so use the date of the data. */
function dayOf(now: number): string {
  const day = new Date(now).toISOString().slice(0, 10);
  return day < data.asOf ? data.asOf : day;
}
