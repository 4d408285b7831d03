// Decides which versions of Python fit an app: intersects builds, constraints, markers, and the tags of the wheels in the lockfile.
// A package without a wheel counts against a version only if another version has one, because it would compile everywhere else.

import { markerHolds, type MarkerEnvironment } from '../markers.js';
import { meetsConstraint } from '../python-constraint.js';
import { excerpt } from '../parsed.js';
import { visible } from '../text-file.js';
import { acceptsPlatform, acceptsPython, wheelTags, type WheelMachine, type WheelTags } from '../wheel-tags.js';
import type { LockedFiles, PythonConstraint, VersionLock } from './lock.js';
import type { Candidate, Rejection, TraceNote } from './trace.js';

/** A minor version, X.Y, and the patch that would be installed. Without a build it has none. */
export interface Build {
  readonly minor: string;
  readonly version?: string;
}

interface Question {
  /** Oldest first. */
  readonly builds: readonly Build[];
  /** Of the files of the app; those of the lock come on top. */
  readonly constraints: readonly PythonConstraint[];
  readonly lock?: VersionLock;
  readonly machine: WheelMachine;
}

export interface Fit {
  /** Newest first. */
  readonly candidates: readonly Candidate[];
  readonly notes: readonly TraceNote[];
}

const MOST_REASONS = 20;
const MOST_PACKAGES = 20;

export function fitVersions({ builds, constraints, lock, machine }: Question): Fit {
  const wheels = new Wheels(lock, builds, machine);
  const limits = distinct([...constraints, ...(lock?.constraints ?? [])]);
  const candidates = builds.map(({ minor, version }): Candidate => {
    const reasons: Rejection[] = version === undefined ? [{ type: 'no-build' }] : [];
    const full = version ?? `${minor}.0`;
    for (const { file, text } of limits) {
      if (meetsConstraint(full, text) === false) reasons.push({ type: 'excluded', file, constraint: shown(text) });
    }
    if (lock !== undefined && isForOthers(lock, markerEnvironment(machine, minor, full))) {
      reasons.push({ type: 'other-environment', file: lock.file });
    }
    // Tools leave the files out of the lockfile that are for excluded versions, so their absence means nothing.
    const all = reasons.every(({ type }) => type === 'no-build') ? reasons.concat(wheels.against(minor)) : reasons;
    const more = all.length - MOST_REASONS;
    return {
      minor,
      ...(version !== undefined && { version }),
      accepted: all.length === 0,
      reasons: all.slice(0, MOST_REASONS),
      ...(more > 0 && { more }),
    };
  });
  return { candidates: candidates.toReversed(), notes: [...unreadable(limits), ...wheels.notes()] };
}

const isForOthers = ({ environments }: VersionLock, environment: MarkerEnvironment): boolean =>
  environments.length > 0 && environments.every((marker) => markerHolds(marker, environment) === false);

const unreadable = (limits: readonly PythonConstraint[]): readonly TraceNote[] =>
  limits
    .filter(({ text }) => meetsConstraint('3.0.0', text) === undefined)
    .map(({ file, text }) => ({ type: 'unreadable-constraint', file, constraint: shown(text) }));

/** A lockfile repeats what the project says. */
const distinct = (constraints: readonly PythonConstraint[]): readonly PythonConstraint[] =>
  [...new Map(constraints.toReversed().map((one) => [one.text.replaceAll(/\s/g, ''), one])).values()].reverse();

/** The worst reason counts: 0 accepted, 1 compiles, 2 can't be installed, 3 has no build. */
export function misfit({ reasons }: Candidate): 0 | 1 | 2 | 3 {
  if (reasons.length === 0) return 0;
  if (reasons.some(({ type }) => type === 'no-build')) return 3;
  return reasons.every(({ type }) => type === 'would-compile') ? 1 : 2;
}

/** The newest of the candidates that fit best; undefined if none has a build. */
export function newestThatFits({ candidates }: Fit): Candidate | undefined {
  const best = Math.min(...candidates.map(misfit));
  return best === 3 ? undefined : candidates.find((candidate) => misfit(candidate) === best);
}

/** A package of which some Python has a wheel, or none. */
interface Package {
  readonly locked: LockedFiles;
  readonly hasWheel: boolean;
}

class Wheels {
  /** By minor: packages that it would install without a wheel, and those whose constraint excludes it. */
  readonly #without = new Map<string, readonly Package[]>();
  readonly #excluding = new Map<string, readonly LockedFiles[]>();

  constructor(
    private readonly lock: VersionLock | undefined,
    builds: readonly Build[],
    machine: WheelMachine,
  ) {
    if (lock === undefined) return;
    const readTags = tagsReader(machine);
    for (const { minor, version = `${minor}.0` } of builds) {
      const packages = lock.packagesFor(markerEnvironment(machine, minor, version));
      const excludes = excludingReader(version);
      const excluding: LockedFiles[] = [];
      const without: Package[] = [];
      for (const locked of packages) {
        const tags = readTags(locked);
        if (excludes(locked.python)) excluding.push(locked);
        else if (!tags.some((tag) => acceptsPython(tag, minor))) {
          // A wheel for another Python shows that the package is compiled, and that it can be had without.
          const hasWheel = builds.some((build) => tags.some((tag) => acceptsPython(tag, build.minor)));
          without.push({ locked, hasWheel });
        }
      }
      this.#excluding.set(minor, excluding);
      this.#without.set(minor, without);
    }
  }

  against(minor: string): readonly Rejection[] {
    const excluded = (this.#excluding.get(minor) ?? []).map(({ name, version, python = '' }): Rejection => ({
      type: 'package-excludes',
      package: shown(name),
      version: shown(version),
      constraint: shown(python),
    }));
    const without = (this.#without.get(minor) ?? [])
      .filter(({ hasWheel }) => hasWheel)
      .map(({ locked: { name, version, hasSdist } }): Rejection => ({
        type: hasSdist ? 'would-compile' : 'no-file',
        package: shown(name),
        version: shown(version),
      }));
    return [...excluded, ...without].sort(
      (a, b) => rankOf(a) - rankOf(b) || (nameIn(a) < nameIn(b) ? -1 : nameIn(a) > nameIn(b) ? 1 : 0),
    );
  }

  notes(): readonly TraceNote[] {
    if (this.lock?.namesFiles === false && this.lock.size > 0) return [{ type: 'files-unknown', file: this.lock.file }];
    const nowhere = [...this.#without.values()]
      .flat()
      .filter(({ hasWheel }) => !hasWheel)
      .map(({ locked: { name, version } }) => shown(`${name} ${version}`.trim()));
    const packages = [...new Set(nowhere)].sort();
    if (packages.length === 0) return [];
    const more = packages.length - MOST_PACKAGES;
    return [{ type: 'no-wheel-anywhere', packages: packages.slice(0, MOST_PACKAGES), ...(more > 0 && { more }) }];
  }
}

const rankOf = ({ type }: Rejection): number => (type === 'would-compile' ? 1 : 0);
const nameIn = (reason: Rejection): string => ('package' in reason ? reason.package : '');

/** Whether a constraint excludes the version. Many packages have the same one. */
function excludingReader(version: string): (constraint: string | undefined) => boolean {
  const known = new Map<string, boolean>();
  return (constraint) => {
    if (constraint === undefined) return false;
    const excludes = known.get(constraint) ?? meetsConstraint(version, constraint) === false;
    known.set(constraint, excludes);
    return excludes;
  };
}

/** The tags of the wheels for the machine. Different Pythons ask for the same packages. */
function tagsReader(machine: WheelMachine): (locked: LockedFiles) => readonly WheelTags[] {
  // Most wheels are for other machines, which a look at the name shows sooner than its parts.
  const mayFit = (file: string): boolean =>
    machine.os !== 'linux' || file.endsWith('any.whl') || (file.includes(machine.machine) && file.includes('linux'));
  const known = new Map<LockedFiles, readonly WheelTags[]>();
  return (locked) => {
    const found =
      known.get(locked) ??
      locked.wheels
        .filter(mayFit)
        .flatMap((file) => wheelTags(file) ?? [])
        .filter((tags) => acceptsPlatform(tags, machine));
    known.set(locked, found);
    return found;
  };
}

export function markerEnvironment({ os, machine }: WheelMachine, minor: string, version: string): MarkerEnvironment {
  const isMac = os === 'darwin';
  return {
    values: {
      python_version: minor,
      python_full_version: version,
      implementation_version: version,
      implementation_name: 'cpython',
      platform_python_implementation: 'CPython',
      os_name: 'posix',
      sys_platform: isMac ? 'darwin' : 'linux',
      platform_system: isMac ? 'Darwin' : 'Linux',
      platform_machine: isMac && machine === 'aarch64' ? 'arm64' : machine,
    },
    extras: new Set(),
    groups: new Set(),
  };
}

const LONGEST_SHOWN = 100;
/** Text of a file of the app, safe and short enough for a report. */
const shown = (text: string): string => visible(excerpt(text, LONGEST_SHOWN));
