// Which version of which package a requirements file or lockfile names, so that two states of it can be compared for
// people. Unaware of who compares; gives up rather than complains.

import { parse as parseToml } from 'smol-toml';
import { normalizeName, readRequirements } from './requirements.js';

/** Normalised name -> version, or the specifier or URL where no version is settled; undefined for other files. */
export async function packagesOf(
  path: string,
  bytes: Uint8Array,
): Promise<Readonly<Record<string, string>> | undefined> {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (name === 'Pipfile.lock') return fromPipfileLock(bytes);
  if (name === 'poetry.lock' || name === 'uv.lock') return fromTomlLock(bytes);
  if (/^(?:requirements|constraints).*\.txt$/i.test(name)) return fromRequirements(path, bytes);
  return undefined;
}

/** Of this one file: what it includes is a file of its own to the one who compares. */
async function fromRequirements(path: string, bytes: Uint8Array): Promise<Readonly<Record<string, string>>> {
  const own = new Packages();
  // Files that it includes read as empty, so that what it lists itself is found in any case.
  const closure = await readRequirements(path, (asked) => Promise.resolve(asked === path ? bytes : new Uint8Array()));
  if (!closure.ok) return own.record();
  for (const { name, specifier, kind } of closure.value.requirements) {
    own.add(name ?? specifier, kind === 'index' ? withoutPin(specifier) : specifier);
  }
  return own.record();
}

/** `==1.2` is shown as `1.2`; a pattern, or one of several conditions, stays. */
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

function fromTomlLock(bytes: Uint8Array): Readonly<Record<string, string>> | undefined {
  let lock: unknown;
  try {
    lock = parseToml(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
  const packages = new Packages();
  const list = fieldsOf(lock)['package'];
  for (const entry of Array.isArray(list) ? list : []) {
    const { name, version } = fieldsOf(entry);
    if (typeof name === 'string') packages.add(name, typeof version === 'string' ? version : '');
  }
  return packages.record();
}

/** A lockfile may hold several versions of a package, for different platforms. */
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

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
