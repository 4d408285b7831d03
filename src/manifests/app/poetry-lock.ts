// What a project of Poetry says in pyproject.toml and poetry.lock, as far as a build asks. Unaware of how Poetry is run.

import { parse as parseToml } from 'smol-toml';
import { excerpt, parsed, type Parsed, wrong } from './parsed.js';
import { normalizeName } from './requirements.js';
import { visible } from './text-file.js';

export interface LockedPackage {
  /** Normalised. */
  readonly name: string;
  readonly version: string;
  /** Undefined in locks of format 2.0 and older, which do not say. */
  readonly groups?: readonly string[];
  /** Installed only when an extra or an optional group is asked for. */
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
  /** Normalised; absent where the file gives none. */
  readonly name?: string;
  /** Whether Poetry installs the project itself. */
  readonly isPackage: boolean;
  /** Installing the project runs code of its own. */
  readonly hasBuildScript: boolean;
  /** Plugins of Poetry that it asks for. Sorted. */
  readonly requiredPlugins: readonly string[];
}

/** Where the text is no TOML. */
interface TomlProblem {
  readonly message: string;
}

export function parsePoetryLock(bytes: Uint8Array): Parsed<readonly LockedPackage[], TomlProblem> {
  const lock = readToml(bytes);
  if (!lock.ok) return lock;
  return parsed(tables(lock.value['package']).map(lockedPackage));
}

function lockedPackage(entry: Table): LockedPackage {
  const source = table(entry['source']);
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
  if (!document.ok) return document;
  const poetry = table(table(document.value['tool'])['poetry']);
  const project = table(document.value['project']);
  const name = text(project['name']) || text(poetry['name']);
  return parsed({
    ...(name !== '' && { name: normalizeName(name) }),
    isPackage: poetry['package-mode'] !== false,
    hasBuildScript: text(poetry['build']) !== '' || text(table(poetry['build'])['script']) !== '',
    requiredPlugins: Object.keys(table(poetry['requires-plugins'])).sort(),
  });
}

type Table = Readonly<Record<string, unknown>>;

function readToml(bytes: Uint8Array): Parsed<Table, TomlProblem> {
  try {
    return parsed(parseToml(new TextDecoder().decode(bytes)));
  } catch (error) {
    // The first line says what and where; an excerpt of the file follows.
    const message = (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? '';
    return wrong({ message: visible(excerpt(message, 200)) });
  }
}

const table = (value: unknown): Table =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Table) : {};
const tables = (value: unknown): readonly Table[] => (Array.isArray(value) ? value.map(table) : []);
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
