// Reads what lists packages without the names of their files for the choice of a Python: `Pipfile.lock` and requirements files.
// Only wheels that are named by path or URL show for which Pythons they are.

import { fieldsOf, isFields } from '../fields.js';
import { markerHolds } from '../markers.js';
import { normalizeName, type Requirement } from '../requirements.js';
import { fileName } from '../uv-lock.js';
import type { LockedFiles, PythonConstraint, VersionLock } from './lock.js';

interface Listed extends LockedFiles {
  readonly marker: string;
}

export function pipfileVersionLock(bytes: Uint8Array, file: string): VersionLock | undefined {
  let lock: unknown;
  try {
    lock = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
  if (!isFields(lock)) return undefined;
  const listed = Object.entries(fieldsOf(lock['default'])).map(([name, entry]): Listed => {
    const { version, markers, file: place } = fieldsOf(entry);
    return {
      ...wheelAt(typeof place === 'string' ? place : ''),
      name: normalizeName(name),
      version: typeof version === 'string' ? version.replace(/^==/, '') : '',
      marker: typeof markers === 'string' ? markers : '',
    };
  });
  return lockOf(file, listed, requiredBy(fieldsOf(fieldsOf(lock['_meta'])['requires']), file));
}

/** Pipenv refuses to install with another Python. */
function requiredBy(requires: Readonly<Record<string, unknown>>, file: string): readonly PythonConstraint[] {
  const { python_full_version: full, python_version: minor } = requires;
  if (typeof full === 'string') return [{ file, text: `==${full}` }];
  return typeof minor === 'string' && /^\d+\.\d+$/.test(minor) ? [{ file, text: `==${minor}.*` }] : [];
}

export const requirementsVersionLock = (requirements: readonly Requirement[], file: string): VersionLock =>
  lockOf(
    file,
    requirements.map(({ name, specifier, kind, marker = '' }) => {
      const files = wheelAt(kind === 'index' || kind === 'vcs' ? '' : specifier);
      const [project = '', version = ''] = files.wheels[0]?.split('-') ?? [];
      const locked = kind === 'index' ? specifier.replace(/^==\s*/, '') : version;
      return { ...files, name: name ?? normalizeName(project), version: locked, marker };
    }),
    [],
  );

const lockOf = (file: string, listed: readonly Listed[], constraints: readonly PythonConstraint[]): VersionLock => ({
  file,
  constraints,
  environments: [],
  namesFiles: false,
  size: listed.length,
  packagesFor: (environment) =>
    listed.filter(({ wheels, marker }) => wheels.length > 0 && markerHolds(marker, environment) === true),
});

/** The wheel that a path or URL names. */
function wheelAt(place: string): Pick<LockedFiles, 'wheels' | 'hasSdist'> {
  const file = place === '' ? undefined : fileName({ url: place });
  return { wheels: file?.endsWith('.whl') === true ? [file] : [], hasSdist: false };
}
