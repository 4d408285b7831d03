// Lists the package versions in a requirements file or lockfile, so that two states of it can be compared for people. Gives
// up silently on files that it can't read.

import { fieldsOf } from './fields.js';
import { isPylockName } from './pylock.js';
import { normalizeName, readRequirements } from './requirements.js';
import { readToml } from './toml-file.js';

/** Normalized name -> version, or the specifier or URL if no version is pinned. Undefined for other files. */
export async function packagesOf(
  path: string,
  bytes: Uint8Array,
): Promise<Readonly<Record<string, string>> | undefined> {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (name === 'Pipfile.lock') return fromPipfileLock(bytes);
  if (name === 'poetry.lock' || name === 'uv.lock') return fromTomlLock(bytes, 'package');
  if (isPylockName(name)) return fromTomlLock(bytes, 'packages');
  if (/^(?:requirements|constraints).*\.txt$/i.test(name)) return fromRequirements(path, bytes);
  return undefined;
}

/** Of this file only. The caller compares included files separately. */
async function fromRequirements(path: string, bytes: Uint8Array): Promise<Readonly<Record<string, string>>> {
  const own = new Packages();
  // Included files read as empty, so that a missing one is no problem.
  const closure = await readRequirements(path, (asked) => Promise.resolve(asked === path ? bytes : new Uint8Array()));
  if (!closure.ok) return own.record();
  for (const { name, specifier, kind } of closure.value.requirements) {
    own.add(name ?? specifier, kind === 'index' ? withoutPin(specifier) : specifier);
  }
  return own.record();
}

/** Shortens `==1.2` to `1.2`, but keeps patterns and lists of conditions. */
const withoutPin = (specifier: string): string =>
  /[*,]/.test(specifier) || !specifier.startsWith('==') ? specifier : specifier.replace(/^={2,3}/, '').trimStart();

function fromPipfileLock(bytes: Uint8Array): Readonly<Record<string, string>> | undefined {
  let lock: unknown;
  try {
    lock = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
  const packages = new Packages();
  for (const section of ['default', 'develop']) {
    for (const [name, entry] of Object.entries(fieldsOf(fieldsOf(lock)[section]))) {
      const { version, ref, file, path } = fieldsOf(entry);
      const found = [version, ref, file, path].find((value) => typeof value === 'string');
      packages.add(name, typeof found === 'string' ? found.replace(/^==/, '') : '');
    }
  }
  return packages.record();
}

function fromTomlLock(bytes: Uint8Array, table: 'package' | 'packages'): Readonly<Record<string, string>> | undefined {
  const lock = readToml(bytes);
  if (!lock.ok) return undefined;
  const packages = new Packages();
  const list = lock.value[table];
  for (const entry of Array.isArray(list) ? list : []) {
    const { name, version } = fieldsOf(entry);
    if (typeof name === 'string') packages.add(name, typeof version === 'string' ? version : '');
  }
  return packages.record();
}

/** A lockfile may list several versions of a package, for different platforms. */
class Packages {
  readonly #versions = new Map<string, Set<string>>();

  add(name: string, version: string): void {
    const key = normalizeName(name);
    const versions = this.#versions.get(key);
    if (versions === undefined) this.#versions.set(key, new Set([version]));
    else versions.add(version);
  }

  record(): Readonly<Record<string, string>> {
    const entries = [...this.#versions].map(([name, versions]) => [name, [...versions].sort().join(', ')] as const);
    return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
