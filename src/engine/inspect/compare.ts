// What grew between two slugs, or since a run of which only the report is left.

import type { RunReport } from '../events.js';
import { isTable } from '../files/untrusted-json.js';
import type { Inventory } from './inventory.js';

export interface PackageGrowth {
  readonly key: string;
  /** Versions; absent on the side that lacks the package. */
  readonly from?: string;
  readonly to?: string;
  /** Bytes; absent where only a report is known. */
  readonly grown?: number;
}

export interface Comparison {
  /** The run or folder that was compared with. */
  readonly against: string;
  readonly bytes: { readonly from: number; readonly to: number };
  /** Packages that were added, removed or changed, sorted by growth, largest first. */
  readonly packages: readonly PackageGrowth[];
  /** Growth of the rest in bytes; absent where only a report is known. */
  readonly python?: number;
  readonly app?: number;
}

/** Versions and bytes by package; several folders of one package count together. */
function tally({ packages }: Inventory): ReadonlyMap<string, { readonly version: string; readonly bytes: number }> {
  const found = new Map<string, { readonly version: string; readonly bytes: number }>();
  for (const { key, version, bytes } of packages) {
    const known = found.get(key);
    found.set(key, {
      version: known === undefined ? version : `${known.version}, ${version}`,
      bytes: (known?.bytes ?? 0) + bytes,
    });
  }
  return found;
}

export function compareSlugs(now: Inventory, before: Inventory, against: string): Comparison {
  const [from, to] = [tally(before), tally(now)];
  const packages = [...new Set([...from.keys(), ...to.keys()])].flatMap((key): readonly PackageGrowth[] => {
    const [old, one] = [from.get(key), to.get(key)];
    const grown = (one?.bytes ?? 0) - (old?.bytes ?? 0);
    if (grown === 0 && old?.version === one?.version) return [];
    return [{ key, ...versions(old?.version, one?.version), grown }];
  });
  return {
    against,
    bytes: { from: before.slug.bytes, to: now.slug.bytes },
    packages: packages.sort((a, b) => (b.grown ?? 0) - (a.grown ?? 0) || (a.key < b.key ? -1 : 1)),
    python: now.python.bytes - before.python.bytes,
    app: now.app.bytes - before.app.bytes,
  };
}

/** A report knows the versions that an installer left, and the size of the slug. */
export function compareWithRun(now: Inventory, report: RunReport): Comparison {
  const from = new Map<string, string>();
  for (const { outputs } of Object.values(report.nodes)) {
    const packages = outputs?.['installed'] === undefined ? outputs?.['packages'] : undefined;
    if (!isTable(packages)) continue;
    for (const [key, version] of Object.entries(packages)) if (typeof version === 'string') from.set(key, version);
  }
  const to = tally(now);
  const packages = [...new Set([...from.keys(), ...to.keys()])].sort().flatMap((key): readonly PackageGrowth[] => {
    const [old, one] = [from.get(key), to.get(key)?.version];
    return old === one ? [] : [{ key, ...versions(old, one) }];
  });
  return { against: report.runId, bytes: { from: report.slug?.bytes ?? 0, to: now.slug.bytes }, packages };
}

const versions = (from: string | undefined, to: string | undefined) => ({
  ...(from !== undefined && { from }),
  ...(to !== undefined && { to }),
});
