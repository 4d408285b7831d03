// Finds the packages that are installed in a slug, like Python's importlib.metadata, but without running Python: metadata
// folders of wheels, of eggs, and of projects that are linked into site-packages.

import { posix } from 'node:path';
import { parseCoreMetadata, type CoreMetadata } from '../../manifests/app/core-metadata.js';
import { parseRecord, type RecordEntry } from '../../manifests/app/record-file.js';
import { isFields } from '../../manifests/app/fields.js';
import { FailureError } from '../failure.js';
import type { Folder } from '../files/folder.js';
import { pathBeneath } from '../files/path-beneath.js';
import { isShallow } from '../files/untrusted-json.js';
import type { JSONValue } from '../../manifests/json-schema.js';

const MOST_METADATA = 4 * 1024 * 1024;
const MOST_RECORD = 64 * 1024 * 1024;
const MOST_SMALL = 256 * 1024;
/** Packages, and folders on the search path. Far more than any app has. */
const MOST_PACKAGES = 20_000;
const MOST_FOLDERS = 1_000;

export interface DirectUrl {
  readonly url: string;
  readonly editable: boolean;
  /** Of version control. */
  readonly commit?: string;
  /** Algorithm -> lower-case hex, of the archive. */
  readonly hashes: Readonly<Record<string, string>>;
}

/** A metadata folder or file as found. */
export interface Distribution {
  /** Relative to the slug. */
  readonly path: string;
  /** The folder on Python's search path that holds it. */
  readonly folder: string;
  readonly form: 'wheel' | 'egg';
  readonly metadata: CoreMetadata;
  readonly installer?: string;
  /** Whether the installer noted that somebody asked for the package itself. */
  readonly requested: boolean;
  readonly directUrl?: DirectUrl;
  /** Absent if it has none. */
  readonly record?: readonly RecordEntry[];
  /** Names of modules, from `top_level.txt`; eggs have no RECORD. */
  readonly modules: readonly string[];
  readonly problems: readonly string[];
}

export interface PythonPlace {
  /** Relative to the slug. */
  readonly home: string;
  /** X.Y */
  readonly minor: string;
  readonly sitePackages: string;
}

/** Sorted by path. `isAppSearched`: whether Python searches the root of the slug too. */
export function findDistributions(
  slug: Folder,
  { home, minor, sitePackages }: PythonPlace,
  isAppSearched: boolean,
): readonly Distribution[] {
  const folders = [sitePackages, `${home}/lib/python${minor}`, ...(isAppSearched ? [''] : [])];
  const searched = new Set(folders);
  for (const folder of linkedFolders(slug, sitePackages)) if (searched.size < MOST_FOLDERS) searched.add(folder);
  const found: Distribution[] = [];
  for (const folder of searched) {
    for (const path of metadataIn(slug, folder)) {
      if (found.length >= MOST_PACKAGES) return sorted(found);
      found.push(readDistribution(slug, folder, path));
    }
  }
  return sorted(found);
}

const sorted = (found: readonly Distribution[]): readonly Distribution[] =>
  [...found].sort((a, b) => (a.path < b.path ? -1 : 1));

const inFolder = (folder: string, name: string): string => (folder === '' ? name : `${folder}/${name}`);

function metadataIn(slug: Folder, folder: string): readonly string[] {
  const names = quietly(() => slug.list(folder)) ?? [];
  const here = names.flatMap(({ name, kind }) => {
    const isInfo = /\.dist-info$/i.test(name) && kind === 'directory';
    const isEgg = /\.egg-info$/i.test(name) && (kind === 'directory' || kind === 'file');
    return isInfo || isEgg ? [inFolder(folder, name)] : [];
  });
  const isOldEgg = /\.egg$/i.test(folder) && names.some(({ name }) => name === 'EGG-INFO');
  return isOldEgg ? [...here, `${folder}/EGG-INFO`] : here;
}

/** Folders of the slug that `.pth` files add to the search path. */
export function linkedFolders(slug: Folder, sitePackages: string): readonly string[] {
  const files = (quietly(() => slug.list(sitePackages)) ?? []).filter(
    ({ name, kind }) => kind === 'file' && name.endsWith('.pth') && !name.startsWith('.'),
  );
  return files.flatMap(({ name }) => {
    const text = quietly(() => slug.readText(`${sitePackages}/${name}`, MOST_SMALL)) ?? '';
    return text.split(/\r?\n/).flatMap((line) => {
      const path = line.trimEnd();
      if (path === '' || path.startsWith('#') || /^import[ \t]/.test(path) || path.includes('\0')) return [];
      const absolute = posix.resolve(`/app/${sitePackages}`, path);
      if (absolute === '/app') return [''];
      return absolute.startsWith('/app/') ? [absolute.slice('/app/'.length)] : [];
    });
  });
}

function readDistribution(slug: Folder, folder: string, path: string): Distribution {
  const problems: string[] = [];
  const isFolder = slug.kindOf(path) === 'directory';
  const text = (name: string, most = MOST_SMALL): string | undefined => {
    if (!isFolder) return undefined;
    try {
      return slug.kindOf(`${path}/${name}`) === undefined ? undefined : slug.readText(`${path}/${name}`, most);
    } catch (error) {
      if (!(error instanceof FailureError)) throw error;
      problems.push(`${name} is unreadable: ${error.failure.title}`);
      return undefined;
    }
  };
  const isWheel = /\.dist-info$/i.test(path);
  const name = isWheel ? 'METADATA' : 'PKG-INFO';
  const content = isFolder ? text(name, MOST_METADATA) : quietly(() => slug.readText(path, MOST_METADATA));
  if (content === undefined) problems.push(`it has no ${name}`);
  const record = text('RECORD', MOST_RECORD);
  if (isWheel && record === undefined) problems.push('it has no RECORD');
  const requires = isWheel || content?.includes('\nRequires-Dist:') ? undefined : text('requires.txt', MOST_METADATA);
  const metadata = parseCoreMetadata(content ?? '');
  const directUrl = directUrlOf(text('direct_url.json'));
  const installer = text('INSTALLER')?.trim().slice(0, 100);
  return {
    path,
    folder,
    form: isWheel ? 'wheel' : 'egg',
    metadata: requires === undefined ? metadata : { ...metadata, requires: eggRequires(requires) },
    ...(installer !== undefined && installer !== '' && { installer }),
    requested: isFolder && quietly(() => slug.isFile(`${path}/REQUESTED`)) === true,
    ...(directUrl !== undefined && { directUrl }),
    ...(record !== undefined && { record: parseRecord(record) }),
    modules: (text('top_level.txt') ?? '').split(/\s+/).filter((module) => /^\w+$/.test(module)),
    problems,
  };
}

/** `requires.txt` of eggs: lines, below `[extra:marker]`. */
function eggRequires(text: string): readonly string[] {
  const requires: string[] = [];
  let condition = '';
  for (const line of text.split(/\r?\n/)) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const section = /^\[([^:\]]*)(?::([^\]]*))?\]$/.exec(trimmed);
    if (section === null) {
      requires.push(condition === '' ? trimmed : `${trimmed} ; ${condition}`);
      continue;
    }
    const [, extra = '', marker = ''] = section;
    condition = [marker === '' ? '' : `(${marker})`, extra === '' ? '' : `extra == "${extra}"`]
      .filter((part) => part !== '')
      .join(' and ');
  }
  return requires;
}

function directUrlOf(text: string | undefined): DirectUrl | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
  if (!isShallow(value) || !isFields(value) || typeof value['url'] !== 'string') return undefined;
  const archive = fieldsAt(value, 'archive_info');
  const hashes: Record<string, string> = {};
  const [, algorithm, hex] = /^(\w+)=([0-9a-f]+)$/i.exec(String(archive['hash'] ?? '')) ?? [];
  if (algorithm !== undefined && hex !== undefined) hashes[algorithm.toLowerCase()] = hex.toLowerCase();
  for (const [name, digest] of Object.entries(fieldsAt(archive, 'hashes'))) {
    if (/^\w+$/.test(name) && typeof digest === 'string' && /^[0-9a-f]+$/i.test(digest)) {
      hashes[name.toLowerCase()] = digest.toLowerCase();
    }
  }
  const commit = fieldsAt(value, 'vcs_info')['commit_id'];
  return {
    // A login in a URL is nothing for a document that others read.
    url: value['url'].replace(/(\/\/)[^/?#\s]*@/g, '$1').slice(0, 2000),
    editable: fieldsAt(value, 'dir_info')['editable'] === true,
    ...(typeof commit === 'string' && /^[0-9a-zA-Z._-]{1,100}$/.test(commit) && { commit }),
    hashes,
  };
}

const fieldsAt = (value: Readonly<Record<string, unknown>>, name: string): Readonly<Record<string, JSONValue>> => {
  const found = value[name];
  return isFields(found) ? (found as Readonly<Record<string, JSONValue>>) : {};
};

/** The path of a file that a RECORD names, relative to the slug. Undefined if it is outside. */
export const recordedPath = (folder: string, path: string): string | undefined => {
  if (path.includes('\0')) return undefined;
  if (!path.startsWith('/')) return pathBeneath(folder, path);
  return path.startsWith('/app/') ? pathBeneath('', path.slice('/app/'.length)) : undefined;
};

/** Undefined where the entry is something that pyflow doesn't open. */
export function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof FailureError) return undefined;
    throw error;
  }
}
