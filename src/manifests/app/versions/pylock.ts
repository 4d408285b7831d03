// Reads a `pylock.toml` (PEP 751) for the choice of a Python.

import { fieldsOf, stringsOf, type Fields } from '../fields.js';
import { markerHolds, type MarkerEnvironment } from '../markers.js';
import { normalizeName } from '../requirements.js';
import { readToml } from '../toml-file.js';
import { fileName } from '../uv-lock.js';
import type { LockedFiles, VersionLock } from './lock.js';

interface Entry extends LockedFiles {
  readonly marker: string;
}

export function pylockVersionLock(bytes: Uint8Array, file: string): VersionLock | undefined {
  const lock = readToml(bytes);
  if (!lock.ok) return undefined;
  const { packages } = lock.value;
  const entries = (Array.isArray(packages) ? packages : []).map((entry) => entryOf(fieldsOf(entry)));
  const requires = lock.value['requires-python'];
  const groups = new Set(stringsOf(lock.value['default-groups']).map(normalizeName));
  return {
    file,
    constraints: typeof requires === 'string' ? [{ file, text: requires }] : [],
    environments: stringsOf(lock.value['environments']),
    namesFiles: true,
    size: entries.length,
    packagesFor: (environment) => {
      const asked: MarkerEnvironment = { ...environment, groups };
      return entries.filter(
        ({ marker, wheels, hasSdist }) => (wheels.length > 0 || hasSdist) && markerHolds(marker, asked) === true,
      );
    },
  };
}

function entryOf(entry: Fields): Entry {
  const { name, version, marker, wheels, sdist, archive } = entry;
  const python = entry['requires-python'];
  const archived = fileNameOf(archive);
  return {
    name: normalizeName(typeof name === 'string' ? name : ''),
    version: typeof version === 'string' ? version : '',
    wheels: [
      ...(Array.isArray(wheels) ? wheels : []),
      ...(archived?.endsWith('.whl') === true ? [archive] : []),
    ].flatMap((wheel) => fileNameOf(wheel) ?? []),
    hasSdist: sdist !== undefined,
    marker: typeof marker === 'string' ? marker : '',
    ...(typeof python === 'string' && { python }),
  };
}

function fileNameOf(value: unknown): string | undefined {
  const { name, url, path } = fieldsOf(value);
  return typeof name === 'string' ? name : fileName({ url, path });
}
