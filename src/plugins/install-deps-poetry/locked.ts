// What the lock says about a build: which packages it is about, which of them lie in the app, and whether all that is
// installed is settled by digests. Unaware of how Poetry is run.

import { posix } from 'node:path';
import type { LockedPackage } from '../../manifests/app/poetry-lock.js';
import { normalizeName } from '../../manifests/app/requirements.js';
import { wheelFits, type WheelTarget } from '../../manifests/app/wheel-tags.js';

/** Those that this build may install: without `--test` the ones of the main group, and of those that are asked for. */
export function wantedPackages(
  packages: readonly LockedPackage[],
  mode: 'build' | 'test',
  asked: readonly string[] = [],
): readonly LockedPackage[] {
  const names = new Set(asked.map(normalizeName));
  return packages.filter(
    ({ groups, optional }) =>
      (!optional && (mode === 'test' || groups === undefined || groups.includes('main'))) ||
      groups?.some((group) => names.has(normalizeName(group))) === true,
  );
}

/** Name -> version; several versions for several platforms are all named. */
export function versionsOf(packages: readonly LockedPackage[]): Readonly<Record<string, string>> {
  const versions: Record<string, string> = {};
  for (const { name, version } of packages) {
    versions[name] = versions[name] === undefined ? version : `${versions[name]}, ${version}`;
  }
  return Object.fromEntries(Object.entries(versions).sort(([a], [b]) => (a < b ? -1 : 1)));
}

interface LocalSource {
  readonly name: string;
  /** As the lock spells it, relative to the project. */
  readonly written: string;
  /** App-relative; undefined when it leads out of the app. */
  readonly path: string | undefined;
}

/** Projects and archives that are installed from where they lie. `folder`: of the project, app-relative. */
export function localSources(packages: readonly LockedPackage[], folder: string): readonly LocalSource[] {
  return packages.flatMap(({ name, source }) => {
    if (source?.type !== 'directory' && source?.type !== 'file') return [];
    const path = posix.join(folder, source.url).replace(/\/$/, '') || '.';
    const isOutside = posix.isAbsolute(source.url) || path === '..' || path.startsWith('../');
    return [{ name, written: source.url, path: isOutside ? undefined : path }];
  });
}

/**
 * Digests settle the very bytes that are installed. Not so where something is built: what a build needs is in no lock, and
 * what it makes was made by code of the package.
 */
export const isSettled = (packages: readonly LockedPackage[], target: WheelTarget): boolean =>
  packages.every(
    ({ source, files }) =>
      source?.type !== 'directory' &&
      source?.type !== 'git' &&
      files.length > 0 &&
      files.every(({ hash }) => /^sha(256|384|512):/.test(hash)) &&
      // Without an archive of sources there is nothing to build: it is for other machines, or a wheel fits after all.
      (files.every(({ file }) => file.endsWith('.whl')) || files.some(({ file }) => wheelFits(file, target))),
  );
