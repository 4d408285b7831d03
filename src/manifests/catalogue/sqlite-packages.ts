// The Python packages that need SQLite's library and headers for their build.

import data from './data/sqlite-packages.json' with { type: 'json' };

interface Row {
  readonly name: string;
  readonly wheelsFrom?: string;
}
const rows: readonly Row[] = data.packages;

/** Normalized names. */
export const sqlitePackages = (): readonly string[] => rows.map(({ name }) => name);

/**
 * Whether the package compiles against the library. `specifier` is as in a requirements file: `==0.5.4`, `<1`, or empty.
 * Installers choose the newest version it allows, which is a wheel if that version has wheels.
 */
export function compilesAgainstSqlite(name: string, specifier: string): boolean {
  const row = rows.find((candidate) => candidate.name === name);
  if (row === undefined) return false;
  const { wheelsFrom } = row;
  if (wheelsFrom === undefined) return true;
  const limits = [...specifier.matchAll(/(===?|~=|<=|<)\s*v?(\d+(?:\.\d+)*)/g)];
  return limits.some(([, operator, version = '']) => {
    const order = compareReleases(version, wheelsFrom);
    return operator === '<' ? order <= 0 : order < 0;
  });
}

/** Compares the numbers between dots; a missing one counts as 0. */
function compareReleases(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number)) as [number[], number[]];
  for (let at = 0; at < Math.max(left.length, right.length); at += 1) {
    const order = (left[at] ?? 0) - (right[at] ?? 0);
    if (order !== 0) return order;
  }
  return 0;
}
