// Which installed package needs which: evaluates what packages require, and finds the shortest path from a package that the app
// asked for to each package that came with it.

import { markerHolds, type MarkerEnvironment } from '../../manifests/app/markers.js';
import { parsePackageRequirement, type PackageRequirement } from '../../manifests/app/core-metadata.js';
import { meetsSpecifiers } from '../../manifests/app/package-version.js';

export interface Needing {
  /** Normalized. */
  readonly name: string;
  readonly version: string;
  /** Lines of `Requires-Dist`. */
  readonly requires: readonly string[];
  /** Whether the app names the package. Undefined: unknown. */
  readonly isAsked: boolean | undefined;
}

export interface Need {
  /** As written. */
  readonly text: string;
  /** Normalized name of the package that is required. */
  readonly name: string;
  readonly specifier: string;
  /** Present if only an extra of the package asks for it. */
  readonly extra?: string;
  /** The version that is installed; absent if none is. */
  readonly installed?: string;
  /** Whether the installed version is one that the requirement allows. */
  readonly isMet: boolean;
}

export interface Dependencies {
  /** What applies here, by index of the package. */
  readonly needs: readonly (readonly Need[])[];
  /** By index: names from what the app asked for to the package that needs this one; empty for a root. */
  readonly via: readonly (readonly string[])[];
}

interface Edge {
  readonly to: number;
  readonly need: Need;
}

export function resolveDependencies(packages: readonly Needing[], values: MarkerEnvironment['values']): Dependencies {
  const byName = new Map<string, number>();
  for (const [index, { name }] of packages.entries()) if (!byName.has(name)) byName.set(name, index);
  const parsed = packages.map(({ requires }) =>
    requires.flatMap((text): readonly Written[] => {
      const requirement = parsePackageRequirement(text);
      return requirement === undefined ? [] : [{ text, requirement }];
    }),
  );
  const extras = activeExtras(packages, { parsed, byName, values });
  const needs = parsed.map((written, index) =>
    written.flatMap((one) => needOf(one, { packages, byName, values, extras: extras[index] ?? NONE })),
  );
  const edges = needs.map((list) =>
    list.flatMap((need): readonly Edge[] => {
      const to = byName.get(need.name);
      return to === undefined ? [] : [{ to, need }];
    }),
  );
  return { needs, via: pathsTo(packages, edges) };
}

interface Written {
  readonly text: string;
  readonly requirement: PackageRequirement;
}
/** Longer paths lose their beginning. */
const LONGEST_PATH = 20;
const NONE: ReadonlySet<string> = new Set();

interface Known {
  readonly parsed: readonly (readonly Written[])[];
  readonly byName: ReadonlyMap<string, number>;
  readonly values: MarkerEnvironment['values'];
}

const environmentOf = (values: MarkerEnvironment['values'], extras: ReadonlySet<string>): MarkerEnvironment => ({
  values,
  extras,
  groups: NONE,
});

/**
 * The extras of each package: those that others ask for, and those that the app may have asked for, which nothing records. The
 * latter count if all packages of the extra are installed and one of them would be nobody's otherwise.
 */
function activeExtras(packages: readonly Needing[], known: Known): readonly ReadonlySet<string>[] {
  const active = packages.map(() => new Set<string>());
  spread(active, known);
  const isNeeded = new Set<number>();
  for (const [index, written] of known.parsed.entries()) {
    for (const { requirement } of written) {
      const to = known.byName.get(requirement.name);
      if (to !== undefined && applies(requirement, known.values, active[index] ?? NONE)) isNeeded.add(to);
    }
  }
  for (const [index, written] of known.parsed.entries()) {
    for (const [extra, members] of membersOfExtras(written, known.values)) {
      const found = members.map((name) => known.byName.get(name));
      const isOwnOrphan = (to: number | undefined): boolean =>
        to !== undefined && to !== index && !isNeeded.has(to) && packages[to]?.isAsked !== true;
      if (found.every((to) => to !== undefined) && found.some(isOwnOrphan)) active[index]?.add(extra);
    }
  }
  spread(active, known);
  return active;
}

const applies = (
  { marker }: PackageRequirement,
  values: MarkerEnvironment['values'],
  extras: ReadonlySet<string>,
): boolean => markerHolds(marker, environmentOf(values, extras)) === true;

/** Passes on the extras that packages ask of each other, until nothing changes. */
function spread(active: readonly Set<string>[], { parsed, byName, values }: Known): void {
  const queue = parsed.map((_, index) => index);
  for (let index = queue.pop(); index !== undefined; index = queue.pop()) {
    for (const { requirement } of parsed[index] ?? []) {
      const to = byName.get(requirement.name);
      const target = to === undefined ? undefined : active[to];
      if (to === undefined || target === undefined || requirement.extras.length === 0) continue;
      if (!applies(requirement, values, active[index] ?? NONE)) continue;
      const before = target.size;
      for (const extra of requirement.extras) target.add(extra);
      if (target.size > before) queue.push(to);
    }
  }
}

const EXTRA = /\bextra\s*==\s*["']([A-Za-z0-9._-]+)["']|["']([A-Za-z0-9._-]+)["']\s*==\s*extra\b/g;

/** Extra -> names of what it alone asks for here. */
function membersOfExtras(
  written: readonly Written[],
  values: MarkerEnvironment['values'],
): ReadonlyMap<string, readonly string[]> {
  const members = new Map<string, string[]>();
  for (const { requirement } of written) {
    if (!requirement.marker.includes('extra')) continue;
    for (const [, one, other] of requirement.marker.matchAll(EXTRA)) {
      const extra = (one ?? other ?? '').replaceAll(/[-_.]+/g, '-').toLowerCase();
      if (!applies(requirement, values, new Set([extra])) || applies(requirement, values, NONE)) continue;
      members.set(extra, [...(members.get(extra) ?? []), requirement.name]);
    }
  }
  return members;
}

function needOf(
  { text, requirement }: Written,
  from: {
    readonly packages: readonly Needing[];
    readonly byName: ReadonlyMap<string, number>;
    readonly values: MarkerEnvironment['values'];
    readonly extras: ReadonlySet<string>;
  },
): readonly Need[] {
  if (!applies(requirement, from.values, from.extras)) return [];
  const isPlain = applies(requirement, from.values, NONE);
  const extra = isPlain
    ? undefined
    : [...from.extras].sort().find((one) => applies(requirement, from.values, new Set([one])));
  const index = from.byName.get(requirement.name);
  const installed = index === undefined ? undefined : from.packages[index]?.version;
  const { name, specifier } = requirement;
  return [
    {
      text,
      name,
      specifier,
      ...(extra !== undefined && { extra }),
      ...(installed !== undefined && { installed }),
      isMet: installed !== undefined && (specifier === '' || meetsSpecifiers(installed, specifier)),
    },
  ];
}

/** Breadth first from the roots, in the order of names, so that the shortest path wins. */
function pathsTo(packages: readonly Needing[], edges: readonly (readonly Edge[])[]): readonly (readonly string[])[] {
  const needed = new Set(edges.flatMap((list, from) => list.filter(({ to }) => to !== from).map(({ to }) => to)));
  const order = packages.map((_, index) => index).sort((a, b) => (nameAt(packages, a) < nameAt(packages, b) ? -1 : 1));
  // If everything is named, as in compiled requirements, the names say nothing about who needs what.
  const isTelling = packages.some(({ isAsked }, index) => isAsked === false && needed.has(index));
  const via: (readonly string[] | undefined)[] = packages.map(() => undefined);
  const queue: number[] = [];
  const start = (index: number): void => {
    via[index] = [];
    queue.push(index);
  };
  for (const index of order) if (!needed.has(index)) start(index);
  if (isTelling)
    for (const index of order) if (packages[index]?.isAsked === true && via[index] === undefined) start(index);
  const drain = (): void => {
    for (let at = 0; at < queue.length; at += 1) {
      const from = queue[at] ?? 0;
      for (const { to } of edges[from] ?? []) {
        if (via[to] !== undefined) continue;
        via[to] = [...(via[from] ?? []).slice(1 - LONGEST_PATH), nameAt(packages, from)];
        queue.push(to);
      }
    }
    queue.length = 0;
  };
  drain();
  // What is left needs itself in a circle.
  for (const index of order) {
    if (via[index] !== undefined) continue;
    start(index);
    drain();
  }
  return via.map((path) => path ?? []);
}

const nameAt = (packages: readonly Needing[], index: number): string => packages[index]?.name ?? '';
