// Finds the dependencies of an app that compile against SQLite, in the file that its package manager installs from.

import type { ViewReader } from '../../engine/sdk.js';
import { packagesOf } from '../../manifests/app/packages.js';
import { normalizeName, readRequirements } from '../../manifests/app/requirements.js';
import { compilesAgainstSqlite, sqlitePackages } from '../../manifests/catalogue/sqlite-packages.js';

const LOCKFILES: Readonly<Record<string, string>> = { pipenv: 'Pipfile.lock', poetry: 'poetry.lock', uv: 'uv.lock' };

const PYLOCK = 'pylock.toml';

/** Normalized names, sorted. A file that cannot be read counts as empty, because the install reports what is wrong with it. */
export async function dependenciesOnSqlite(
  view: ViewReader,
  manager: string,
  files: { readonly requirements: string; readonly inRoot: (path: string) => Promise<string> },
): Promise<readonly string[]> {
  const requirements = await files.inRoot(files.requirements);
  if (manager === 'pip' && (view.exists(requirements) || !view.exists(await files.inRoot(PYLOCK)))) {
    return inRequirements(view, requirements);
  }
  const lockfile = manager === 'pip' ? PYLOCK : Object.hasOwn(LOCKFILES, manager) ? LOCKFILES[manager] : undefined;
  const bytes = lockfile === undefined ? undefined : await view.read(await files.inRoot(lockfile));
  if (lockfile === undefined || bytes === undefined) return [];
  const packages = (await packagesOf(lockfile, bytes)) ?? {};
  return sqlitePackages()
    .filter((name) => compiles(name, packages[name]))
    .toSorted();
}

/** Versions of one package for different platforms are joined by commas. */
const compiles = (name: string, versions: string | undefined): boolean =>
  versions !== undefined &&
  versions.split(', ').some((version) => compilesAgainstSqlite(name, /^\d/.test(version) ? `==${version}` : version));

async function inRequirements(view: ViewReader, path: string): Promise<readonly string[]> {
  const closure = await readRequirements(path, (asked) => view.read(asked), { env: (name) => view.env(name) });
  if (!closure.ok) return [];
  const { requirements, options } = closure.value;
  const notAsWheel = new Set(
    options.flatMap(({ name, value = '' }) =>
      name === 'no-binary' ? value.split(',').map((listed) => normalizeName(listed.trim())) : [],
    ),
  );
  const found = new Set<string>();
  for (const { name, kind, specifier } of requirements) {
    if (name === undefined || !sqlitePackages().includes(name)) continue;
    const isBuilt =
      kind === 'index'
        ? notAsWheel.has(name) || notAsWheel.has(':all:') || compilesAgainstSqlite(name, specifier)
        : !/\.whl\b/.test(specifier);
    if (isBuilt) found.add(name);
  }
  return [...found].sort();
}
