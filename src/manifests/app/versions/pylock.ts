// Reads a `pylock.toml` (PEP 751) for the choice of a Python.

import { markerHolds, type MarkerEnvironment } from '../markers.js';
import { parsePylock, type PylockPackage } from '../pylock.js';
import type { LockedFiles, VersionLock } from './lock.js';

export function pylockVersionLock(bytes: Uint8Array, file: string): VersionLock | undefined {
  const lock = parsePylock(bytes);
  if (!lock.ok) return undefined;
  const { python, environments, defaultGroups, packages } = lock.value;
  const entries = packages.map((one) => ({ marker: one.marker, locked: lockedFiles(one) }));
  return {
    file,
    constraints: python === '' ? [] : [{ file, text: python }],
    environments,
    namesFiles: true,
    size: packages.length,
    packagesFor: (environment) => {
      const asked: MarkerEnvironment = { ...environment, groups: new Set(defaultGroups) };
      return entries
        .filter(({ locked }) => locked.wheels.length > 0 || locked.hasSdist)
        .filter(({ marker }) => markerHolds(marker, asked) === true)
        .map(({ locked }) => locked);
    },
  };
}

function lockedFiles({ name, version = '', wheels, sdist, source, python }: PylockPackage): LockedFiles {
  const isWheel = source === 'archive' && sdist?.name.endsWith('.whl') === true;
  return {
    name,
    version,
    wheels: isWheel ? [sdist.name] : wheels.map((wheel) => wheel.name),
    hasSdist: sdist !== undefined && !isWheel,
    ...(python !== '' && { python }),
  };
}
