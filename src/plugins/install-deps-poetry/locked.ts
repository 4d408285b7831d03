// What poetry.lock means for a build: which packages it installs, which of them are in the app, and whether digests pin
// everything that is installed.

import { posix } from 'node:path';
import type { LockedPackage } from '../../manifests/app/poetry-lock.js';
import { normalizeName } from '../../manifests/app/requirements.js';
import { wheelFits, type WheelTarget } from '../../manifests/app/wheel-tags.js';

/** The packages that this build may install: without `--test` those of the main group and of the requested groups. */
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

/** Name -> version, or all versions if they differ between platforms. */
export function versionsOf(packages: readonly LockedPackage[]): Readonly<Record<string, string>> {
  const versions: Record<string, string> = {};
  for (const { name, version } of packages) {
    versions[name] = versions[name] === undefined ? version : `${versions[name]}, ${version}`;
  }
  return Object.fromEntries(Object.entries(versions).sort(([a], [b]) => (a < b ? -1 : 1)));
}

interface LocalSource {
  readonly name: string;
  /** As in the lock, relative to the project. */
  readonly written: string;
  /** App-relative. Undefined if it is outside the app. */
  readonly path: string | undefined;
}

/** Projects and archives that are installed from a local path. `folder`: of the project, app-relative. */
export function localSources(packages: readonly LockedPackage[], folder: string): readonly LocalSource[] {
  return packages.flatMap(({ name, source }) => {
    if (source?.type !== 'directory' && source?.type !== 'file') return [];
    const path = posix.join(folder, source.url).replace(/\/$/, '') || '.';
    const isOutside = posix.isAbsolute(source.url) || path === '..' || path.startsWith('../');
    return [{ name, written: source.url, path: isOutside ? undefined : path }];
  });
}

/**
 * Who can use the result. `all`: every package is a wheel that the lock pins by digest. `builder`: some are built, from archives
 * of an index or a URL that the lock pins. `app`: something else is installed.
 */
export function usersOf(
  packages: readonly LockedPackage[],
  { target, refusesWheels }: { readonly target: WheelTarget; readonly refusesWheels: boolean },
): 'all' | 'builder' | 'app' {
  if (!packages.every(isPinned)) return 'app';
  const built = packages.filter((locked) => refusesWheels || !isWheel(locked, target));
  if (built.length === 0) return 'all';
  return built.every(({ source }) => source === undefined || REMOTE.has(source.type)) ? 'builder' : 'app';
}

/** Sources of archives outside the app. A package without a source is from the default index. */
const REMOTE = new Set(['legacy', 'url']);

const isPinned = ({ source, files }: LockedPackage): boolean =>
  source?.type !== 'directory' &&
  source?.type !== 'git' &&
  files.length > 0 &&
  files.every(({ hash }) => /^sha(256|384|512):/.test(hash));

/** A package without a source archive can't be built: it is for other machines, or a wheel fits. */
const isWheel = ({ files }: LockedPackage, target: WheelTarget): boolean =>
  files.every(({ file }) => file.endsWith('.whl')) || files.some(({ file }) => wheelFits(file, target));
