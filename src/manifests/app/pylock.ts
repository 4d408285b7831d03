// Reads a `pylock.toml` (PEP 751): its packages, and from where each is installed.

import { posix } from 'node:path';
import { fieldsOf, type Fields } from './fields.js';
import { excerpt, parsed, wrong, type Parsed } from './parsed.js';
import { normalizeName } from './requirements.js';
import { visible } from './text-file.js';
import { readToml } from './toml-file.js';
import { fileName } from './uv-lock.js';

export interface PylockPackage {
  /** Normalized. */
  readonly name: string;
  /** Absent for local projects. */
  readonly version?: string;
  readonly marker: string;
  /** The constraint on Python; empty if there is none. */
  readonly python: string;
  /** Of the index, if the lockfile names it. */
  readonly index?: string;
  /** `files`: wheels and a source archive, of an index or not. */
  readonly source: 'files' | 'archive' | 'directory' | 'vcs';
  readonly wheels: readonly PylockFile[];
  /** The source archive; the only file of the source `archive`. */
  readonly sdist?: PylockFile;
  /** Of a directory, relative to the lockfile, normalized. May be outside its folder. */
  readonly folder?: string;
  readonly editable?: true;
  /** Of the source `vcs`, in the form of a requirement: `git+https://...@COMMIT`. */
  readonly repository?: string;
}

export interface PylockFile {
  readonly name: string;
  readonly url?: string;
  /** Relative to the lockfile, normalized. May be outside its folder. */
  readonly path?: string;
  /** `sha256:...`, sorted. Weak digests are left out. */
  readonly hashes: readonly string[];
}

export interface Pylock {
  /** Empty if there is none. */
  readonly python: string;
  readonly environments: readonly string[];
  /** Normalized. */
  readonly defaultGroups: readonly string[];
  readonly packages: readonly PylockPackage[];
}

export type PylockProblem =
  | { readonly type: 'invalid-toml'; readonly message: string }
  | { readonly type: 'invalid-lock'; readonly message: string }
  /** The version of the format is newer than 1. */
  | { readonly type: 'unknown-version'; readonly version: string };

/** `pylock.toml`, `pylock.web.toml`. */
export const isPylockName = (path: string): boolean => /(?:^|\/)pylock(?:\.[^./]+)?\.toml$/.test(path);

export function parsePylock(bytes: Uint8Array): Parsed<Pylock, PylockProblem> {
  const lock = readToml(bytes);
  if (!lock.ok) return wrong({ type: 'invalid-toml', message: lock.failure });
  const version = lock.value['lock-version'];
  if (typeof version !== 'string') return wrong({ type: 'invalid-lock', message: '`lock-version` is missing' });
  if (!/^1(?:\.\d{1,9})*$/.test(version)) {
    return wrong({ type: 'unknown-version', version: visible(excerpt(version, 50)) });
  }
  const list = lock.value['packages'] ?? [];
  if (!Array.isArray(list)) return wrong({ type: 'invalid-lock', message: '`packages` is not a list' });
  const packages: PylockPackage[] = [];
  for (const [index, entry] of list.entries()) {
    const found = packageOf(fieldsOf(entry));
    if (typeof found === 'string') return wrong({ type: 'invalid-lock', message: `package ${index + 1} ${found}` });
    packages.push(found);
  }
  return parsed({
    python: textOf(lock.value['requires-python']),
    environments: textsOf(lock.value['environments']),
    defaultGroups: textsOf(lock.value['default-groups']).map(normalizeName),
    packages,
  });
}

/** The package, or what is wrong with it. */
function packageOf(entry: Fields): PylockPackage | string {
  const { name, version, index } = entry;
  if (typeof name !== 'string' || !/^[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?$/.test(name)) return 'has no valid name';
  const source = (['archive', 'directory', 'vcs'] as const).find((type) => entry[type] !== undefined) ?? 'files';
  const wheels = Array.isArray(entry['wheels']) ? entry['wheels'].map((wheel) => fileOf(fieldsOf(wheel))) : [];
  const archive = source === 'archive' ? entry['archive'] : entry['sdist'];
  const sdist = archive === undefined ? undefined : fileOf(fieldsOf(archive));
  const { path, editable } = fieldsOf(entry['directory']);
  const repository = source === 'vcs' ? repositoryOf(fieldsOf(entry['vcs'])) : undefined;
  if (source === 'vcs' && repository === undefined) return `(${name}) has a repository without a valid URL or commit`;
  if (source === 'directory' && typeof path !== 'string') return `(${name}) has a directory without a path`;
  if (source === 'files' && wheels.length === 0 && sdist === undefined) return `(${name}) has no files`;
  const file = [...wheels, ...(sdist === undefined ? [] : [sdist])].find((one) => one.name === '');
  if (file !== undefined) return `(${name}) has a file without a path or URL`;
  return {
    name: normalizeName(name),
    ...(typeof version === 'string' && { version }),
    marker: textOf(entry['marker']),
    python: textOf(entry['requires-python']),
    ...(typeof index === 'string' && { index }),
    source,
    wheels,
    ...(sdist !== undefined && { sdist }),
    ...(source === 'directory' && { folder: folderOf(String(path)) }),
    ...(source === 'directory' && editable === true && { editable }),
    ...(repository !== undefined && { repository }),
  };
}

const folderOf = (path: string): string => posix.normalize(path).replace(/(?<=.)\/$/, '');

/** Blanks and control characters would end the requirement that this becomes. */
const PLAIN = /^[^\s#;\p{C}]+$/u;

function repositoryOf({ type, url, 'commit-id': commit, subdirectory }: Fields): string | undefined {
  if (typeof type !== 'string' || !/^(?:git|hg|svn|bzr)$/.test(type)) return undefined;
  if (typeof url !== 'string' || !PLAIN.test(url) || typeof commit !== 'string' || !/^[\w.-]+$/.test(commit))
    return undefined;
  if (subdirectory !== undefined && (typeof subdirectory !== 'string' || !PLAIN.test(subdirectory))) return undefined;
  return `${type}+${url}@${commit}${subdirectory === undefined ? '' : `#subdirectory=${subdirectory}`}`;
}

function fileOf(file: Fields): PylockFile {
  const { name, url, path, hashes } = file;
  const digests = Object.entries(fieldsOf(hashes)).flatMap(([algorithm, digest]) =>
    /^sha(?:256|384|512)$/.test(algorithm) && typeof digest === 'string' && /^[0-9a-f]{64,128}$/i.test(digest)
      ? [`${algorithm}:${digest.toLowerCase()}`]
      : [],
  );
  return {
    name: typeof name === 'string' ? name : (fileName({ url, path }) ?? ''),
    ...(typeof url === 'string' && { url }),
    // A path counts before a URL.
    ...(typeof path === 'string' && { path: posix.normalize(path) }),
    hashes: digests.sort(),
  };
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const textsOf = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((entry) => typeof entry === 'string') : [];

export const filesOf = ({ wheels, sdist }: PylockPackage): readonly PylockFile[] =>
  sdist === undefined ? wheels : [...wheels, sdist];

/** Files and folders that are installed from beside the lockfile. */
export const localPathsOf = ({ packages }: Pylock): readonly string[] =>
  [
    ...new Set(
      packages.flatMap((one) => [
        ...(one.folder === undefined ? [] : [one.folder]),
        ...filesOf(one).flatMap(({ path }) => path ?? []),
      ]),
    ),
  ].sort();

/** Digests determine every file. */
export const isHashed = (one: PylockPackage): boolean =>
  (one.source === 'files' || one.source === 'archive') && filesOf(one).every(({ hashes }) => hashes.length > 0);
