// Lists the app's own files on disk: names, types and stat tuples.

import { isUtf8 } from 'node:buffer';
import { CACHE_TAG, isTaggedCache } from '../files/own-folders.js';
import {
  accessSync,
  constants,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  type Stats,
} from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fail, succeed, type Failure, type Result } from '../failure.js';
import { escapeUnsafe, shownPath } from '../files/shown-path.js';
import { NEVER_SOURCE, SLUG_MARKER, UNFINISHED_MARKER } from './source-names.js';
import { parseIgnoreLists, SLUGIGNORE, type IgnoreList, type Ignores } from './slug-ignore.js';
import { FOLDER_MODE, permissionsOf, type Permissions } from '../files/modes.js';

interface SourceFile extends Permissions {
  readonly type: 'file';
  readonly size: number;
  readonly stat: Stats;
}
interface SourceSymlink {
  readonly type: 'symlink';
  readonly target: string;
  readonly stat: Stats;
}
interface SourceDirectory {
  readonly type: 'directory';
  readonly stat: Stats;
  /** Absent for 0755. */
  readonly mode?: number;
}
export type SourceEntry = SourceFile | SourceSymlink | SourceDirectory;

export interface Source {
  readonly directory: string;
  /** App-relative POSIX path -> entry, without the root; parents come before their content. */
  readonly entries: ReadonlyMap<string, SourceEntry>;
  readonly rootStat: Stats;
  /** Milliseconds since the epoch, before the first look. */
  readonly listedAt: number;
  /** Paths that `.slugignore` hides from the build; empty if the list applies after it. */
  readonly hidden: readonly string[];
  /** Folders marked as caches (CACHEDIR.TAG), which are not part of the app. */
  readonly caches: readonly string[];
}

const MAX_FILES = 200_000;
/** Write bits of group and others depend on the umask of a checkout, and two checkouts of an app must have the same keys. */
const KEPT_BITS = 0o755;

/**
 * Lists the app: everything except `.git`, `.pyflow`, slugs, paths that `.slugignore` hides, and files that an earlier run wrote
 * in place (`isOurs`). `skip`: app-relative folders to leave out (the output folder, if it is inside).
 */
export function listSource(
  directory: string,
  options: {
    readonly skip: readonly string[];
    readonly isOurs?: (path: string, entry: SourceEntry) => boolean;
    /** Folders whose `.slugignore` counts, and whether it hides files from the build. */
    readonly ignoring?: { readonly folders: readonly string[]; readonly isHidden: boolean };
  },
): Result<Source, Failure> {
  const listedAt = Date.now();
  const entries = new Map<string, SourceEntry>();
  let rootStat: Stats;
  try {
    rootStat = lstatSync(directory);
    if (rootStat.isSymbolicLink()) rootStat = lstatSync(`${directory}/.`);
  } catch (error) {
    return fail(appUnreadable(directory, error));
  }
  if (!rootStat.isDirectory()) return fail(appUnreadable(directory, new Error('It is not a folder.')));
  const skip = new Set(options.skip);
  /** Why a path can't be part of the app; does not matter for ignored paths. */
  const problems = new Map<string, Failure>();
  const caches: string[] = [];
  const pending = [''];
  while (pending.length > 0) {
    const folder = pending.pop()!;
    const listed = listFolder(directory, folder, { entries, problems, caches, skip, isOurs: options.isOurs });
    pending.push(...listed.toReversed());
    if (entries.size > MAX_FILES) return fail(tooManyFiles(directory));
  }
  const { folders, isHidden } = options.ignoring ?? { folders: [''], isHidden: false };
  const ignores = readIgnoreLists(directory, folders, { entries, problems });
  const hidden: string[] = [];
  if (ignores !== undefined) {
    for (const path of problems.keys()) if (ignores(path) !== undefined) problems.delete(path);
    for (const [path, entry] of entries) {
      if (ignores(path) === undefined || (!isHidden && isReadable(`${directory}/${path}`, entry))) continue;
      entries.delete(path);
      if (isHidden) hidden.push(path);
    }
  }
  for (const problem of problems.values()) return fail(problem);
  return succeed({ directory, entries, rootStat, listedAt, hidden, caches });
}

interface Listing {
  readonly entries: Map<string, SourceEntry>;
  readonly problems: Map<string, Failure>;
  readonly caches: string[];
  readonly skip: ReadonlySet<string>;
  readonly isOurs: ((path: string, entry: SourceEntry) => boolean) | undefined;
}

/** Returns the folders in it. */
function listFolder(root: string, folder: string, listing: Listing): readonly string[] {
  const { entries, problems, caches, skip, isOurs } = listing;
  const folders: string[] = [];
  let names: readonly string[];
  const absolute = folder === '' ? root : `${root}/${folder}`;
  try {
    names = readdirSync(absolute);
    // Node decodes names as UTF-8 and replaces invalid bytes with U+FFFD; only the raw name shows them.
    if (names.some((name) => name.includes('\uFFFD'))) {
      const bad = readdirSync(absolute, { encoding: 'buffer' }).find((name) => !isUtf8(name));
      if (bad !== undefined) problems.set(folder, unsupportedName(folder, bad));
    }
  } catch (error) {
    problems.set(folder, entryUnreadable(folder || '.', error));
    return [];
  }
  // A slug that another run wrote into the app is not part of it.
  if (folder !== '' && (names.includes(SLUG_MARKER) || names.includes(UNFINISHED_MARKER))) {
    entries.delete(folder);
    return [];
  }
  if (folder !== '' && names.includes(CACHE_TAG) && isTaggedCache(absolute)) {
    entries.delete(folder);
    caches.push(folder);
    return [];
  }
  for (const name of [...names].sort()) {
    if (folder === '' && NEVER_SOURCE.has(name)) continue;
    if (name === '.git' || name === '.pyflow') continue;
    const path = folder === '' ? name : `${folder}/${name}`;
    if (skip.has(path)) continue;
    const entry = readEntry(`${absolute}/${name}`, path);
    if (!entry.ok) {
      if (!problems.has(folder)) problems.set(path, entry.failure);
      continue;
    }
    // A folder that we made may contain files of the app.
    if (entry.value.type === 'directory') folders.push(path);
    if (isOurs?.(path, entry.value) !== true) entries.set(path, entry.value);
  }
  return folders;
}

function readEntry(absolute: string, path: string): Result<SourceEntry, Failure> {
  try {
    const stat = lstatSync(absolute);
    if (stat.isFile()) {
      return succeed({ type: 'file', size: stat.size, ...permissionsOf(stat.mode & KEPT_BITS), stat });
    }
    if (stat.isDirectory()) {
      const mode = stat.mode & KEPT_BITS;
      return succeed(mode === FOLDER_MODE ? { type: 'directory', stat } : { type: 'directory', stat, mode });
    }
    if (stat.isSymbolicLink()) {
      const target = readlinkSync(absolute, { encoding: 'buffer' });
      if (!isUtf8(target)) return fail(unsupportedTarget(path, target));
      return succeed({ type: 'symlink', target: target.toString('utf8'), stat });
    }
    return fail(unsupportedEntry(path));
  } catch (error) {
    return fail(entryUnreadable(path, error));
  }
}

/** The path of `child` relative to `parent` ('' for the same); undefined if it is not inside. */
export function pathBelow(parent: string, child: string): string | undefined {
  const path = relative(parent, child);
  return path === '..' || path.startsWith('../') ? undefined : path;
}

/** With links followed as far as the path exists. */
export function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(realPath(parent), basename(path));
  }
}

/** The lists of the app; an unreadable list is a problem too. */
function readIgnoreLists(
  directory: string,
  folders: readonly string[],
  { entries, problems }: Pick<Listing, 'entries' | 'problems'>,
): Ignores | undefined {
  const lists: IgnoreList[] = [];
  for (const folder of folders) {
    const path = folder === '' ? SLUGIGNORE : `${folder}/${SLUGIGNORE}`;
    if (entries.get(path)?.type !== 'file') continue;
    try {
      lists.push({ folder, text: readFileSync(join(directory, path), 'utf8') });
    } catch (error) {
      problems.set(path, entryUnreadable(path, error));
    }
  }
  const ignores = parseIgnoreLists(lists, entries.size);
  if (ignores.ok) return ignores.value;
  problems.set(SLUGIGNORE, ignores.failure);
  return undefined;
}

/** Unreadable files in a list are not part of the build, even if the list applies after it. */
function isReadable(path: string, entry: SourceEntry): boolean {
  if (entry.type === 'symlink') return true;
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

const appUnreadable = (directory: string, error: unknown): Failure => ({
  code: 'app::unreadable',
  blame: 'pipeline',
  title: `The app folder can't be used: ${directory}`,
  detail: (error as Error).message,
  remedy: 'Run pyflow in the app folder, or set it with --app.',
});
const entryUnreadable = (path: string, error: unknown): Failure => ({
  code: 'app::unreadable-file',
  blame: 'app',
  title: `A file of the app can't be read: ${shownPath(path)}`,
  detail: (error as Error).message,
  remedy: 'Make it readable for the user who runs pyflow, or exclude it with .slugignore.',
});
/** Also escapes unsafe characters that JSON does not escape. */
const quotedPath = (path: string): string => escapeUnsafe(JSON.stringify(path));
const unsupportedEntry = (path: string): Failure => ({
  code: 'app::unsupported-file',
  blame: 'app',
  title: `The app contains something other than files, folders and symbolic links: ${quotedPath(path)}`,
  detail: "Sockets, named pipes and devices can't be part of a slug.",
  remedy: 'Remove it, or move it out of the app folder.',
});
const unsupportedName = (folder: string, name: Buffer): Failure => ({
  code: 'app::unsupported-file',
  blame: 'app',
  title: `A file name of the app is not valid UTF-8: ${quotedPath(`${folder}${folder && '/'}${name.toString('latin1')}`)}`,
  detail: 'Keys and slugs need file names in UTF-8. The name is shown as Latin-1 here.',
  remedy: 'Rename the file.',
});
const unsupportedTarget = (path: string, target: Buffer): Failure => ({
  code: 'app::unsupported-file',
  blame: 'app',
  title: `The target of a symbolic link of the app is not valid UTF-8: ${quotedPath(path)}`,
  detail: `Keys and slugs need targets in UTF-8. The target, shown as Latin-1: ${quotedPath(target.toString('latin1'))}`,
  remedy: 'Replace the link, or remove it.',
});
const tooManyFiles = (directory: string): Failure => ({
  code: 'app::too-many-files',
  blame: 'app',
  title: `The app has more than ${MAX_FILES} files: ${directory}`,
  detail: 'The limit keeps pyflow from reading a wrong folder, such as a home folder.',
  remedy: 'Set the right folder with --app, or remove files that are not part of the app.',
});
