// Reads what a build needs to know from the pyproject.toml and poetry.lock of a Poetry project.

import { fieldsOf, type Fields } from './fields.js';
import { parsed, type Parsed, wrong } from './parsed.js';
import { normalizeName } from './requirements.js';
import { readToml } from './toml-file.js';

export interface LockedPackage {
  /** Normalized. */
  readonly name: string;
  readonly version: string;
  /** Undefined in locks of format 2.0 and older, which don't list them. */
  readonly groups?: readonly string[];
  /** Installed only with an extra or an optional group. */
  readonly optional: boolean;
  readonly files: readonly LockedFile[];
  /** Undefined for the default index. `legacy` is another index; the others are `directory`, `file`, `url`, `git`. */
  readonly source?: { readonly type: string; readonly url: string };
}

interface LockedFile {
  readonly file: string;
  /** `sha256:...`; empty when there is none. */
  readonly hash: string;
}

interface PoetryProject {
  /** Normalized; absent when the file has none. */
  readonly name?: string;
  /** Whether Poetry installs the project itself. */
  readonly isPackage: boolean;
  /** Installing the project runs its own code. */
  readonly hasBuildScript: boolean;
  /** Poetry plugins that it requires, sorted. */
  readonly requiredPlugins: readonly string[];
}

/** The text is not valid TOML. */
interface TomlProblem {
  readonly message: string;
}

export function parsePoetryLock(bytes: Uint8Array): Parsed<readonly LockedPackage[], TomlProblem> {
  const lock = readToml(bytes);
  if (!lock.ok) return wrong({ message: lock.failure });
  return parsed(tables(lock.value['package']).map(lockedPackage));
}

function lockedPackage(entry: Fields): LockedPackage {
  const source = fieldsOf(entry['source']);
  const groups = entry['groups'];
  return {
    name: normalizeName(text(entry['name'])),
    version: text(entry['version']),
    ...(Array.isArray(groups) && { groups: groups.map(text) }),
    optional: entry['optional'] === true,
    files: tables(entry['files']).map(({ file, hash }) => ({ file: text(file), hash: text(hash) })),
    ...(text(source['type']) !== '' && { source: { type: text(source['type']), url: text(source['url']) } }),
  };
}

export function parsePoetryProject(bytes: Uint8Array): Parsed<PoetryProject, TomlProblem> {
  const document = readToml(bytes);
  if (!document.ok) return wrong({ message: document.failure });
  const poetry = fieldsOf(fieldsOf(document.value['tool'])['poetry']);
  const project = fieldsOf(document.value['project']);
  const name = text(project['name']) || text(poetry['name']);
  return parsed({
    ...(name !== '' && { name: normalizeName(name) }),
    isPackage: poetry['package-mode'] !== false,
    hasBuildScript: text(poetry['build']) !== '' || text(fieldsOf(poetry['build'])['script']) !== '',
    requiredPlugins: Object.keys(fieldsOf(poetry['requires-plugins'])).sort(),
  });
}

const tables = (value: unknown): readonly Fields[] => (Array.isArray(value) ? value.map(fieldsOf) : []);
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
