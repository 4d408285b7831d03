// Trees as real files: writing one into a folder, and capturing what a node changed there.

import { isUtf8 } from 'node:buffer';
import {
  chmodSync,
  constants,
  type Dirent,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { readWhole, withChunk } from '../files/chunks.js';
import { digestOf, sizeOf, type Digest } from '../files/digest.js';
import { buildTree, directoryOf, EMPTY_DIRECTORY, findByName, type NewEntry } from './directories.js';
import { fail, FailureError, succeed, type Failure, type Result } from '../failure.js';
import { describeEntry } from '../files/entry-kind.js';
import { digestFile, digestOpenFile } from '../files/file-digest.js';
import { Folder } from '../files/folder.js';
import { checkLength } from '../files/safe-paths.js';
import type { FolderHandle } from '../files/folder-handles.js';
import { writeLayer } from './layers.js';
import { fileTooLarge, fileTrouble, folderGone, unreadableFile, unsupportedFile } from '../files/file-failures.js';
import {
  Breather,
  finishCopy,
  FIXED_MTIME_S,
  forEachBounded,
  isModeCut,
  writeNewFile,
  type FileForm,
} from '../files/new-files.js';
import type { OutputScanner, Watch } from '../secrets/output-scanner.js';
import type { BlobStore } from './blob-store.js';
import { FOLDER_MODE, modeOfFile, permissionsOf } from '../files/modes.js';
import {
  MOST_FILE_BYTES,
  type Directory,
  type DirectoryTable,
  type Layer,
  type SymlinkEntry,
  type Tree,
} from './tree.js';
import { growHeapSlowly } from '../files/heap-growth.js';

/**
 * What a file looked like right after pyflow wrote it; a later write changes at least one of these stats. Node's
 * milliseconds resolve a quarter of a microsecond, and no two system calls are that close.
 */
export interface RecordedFile {
  readonly digest: Digest;
  /** The nine permission bits. */
  readonly mode: number;
  readonly size: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly inode: number;
}

/** What was written to a folder. `captureDifference` compares the folder with it. */
export interface MaterializedRecord {
  readonly root: Digest;
  readonly table: DirectoryTable;
  /** Regular files, by path relative to the folder. */
  readonly files: ReadonlyMap<string, RecordedFile>;
}

/** The record of a folder that was empty at the start. */
export const EMPTY_RECORD: MaterializedRecord = { root: EMPTY_DIRECTORY, table: new Map(), files: new Map() };

export type MaterializeProblem = { readonly missing: Digest } | { readonly failure: Failure };

/** Number of files in progress at the same time: the thread pool copies some while this thread hashes others. */
const AT_ONCE = 4;
/** About as many files as a Python interpreter has. */
const MANY_FILES = 1000;
const EMPTY: Directory = { files: [], directories: [], symlinks: [] };

interface Planned {
  readonly files: { readonly path: string; readonly digest: Digest; readonly mode: number }[];
  /** Folders with a mode other than 0755, parents first. They get it once their content is written. */
  readonly folders: [path: string, mode: number][];
}

/** The store has lost a blob that a tree needs. */
export class MissingBlob extends Error {
  constructor(readonly digest: Digest) {
    super(digest);
  }
}

/**
 * Writes a tree into an empty or new folder. Copies, never hard-links. `sources` names files outside the store that
 * have the bytes; a file that has changed since it was digested counts as missing. Rejects with the signal's reason if
 * aborted.
 */
export async function materializeTree(
  store: BlobStore,
  table: DirectoryTable,
  root: Digest,
  folder: string,
  options: {
    readonly signal?: AbortSignal;
    readonly sources?: ReadonlyMap<Digest, string>;
    /** False if nothing will compare the folder later: then the record names no files. Default: true. */
    readonly isRecorded?: boolean;
    /** Mtime of every file, in seconds since the epoch. Default: `FIXED_MTIME_S`. */
    readonly mtimeS?: number;
  } = {},
): Promise<Result<MaterializedRecord, MaterializeProblem>> {
  const { signal, sources, isRecorded = true, mtimeS = FIXED_MTIME_S } = options;
  const files = new Map<string, RecordedFile>();
  const breather = new Breather();
  try {
    mkdirSync(folder, { recursive: true });
    const planned: Planned = { files: [], folders: [] };
    makeDirectories(table, root, folder, '', planned);
    if (planned.files.length > MANY_FILES) growHeapSlowly();
    await store.prefetch?.(planned.files.flatMap(({ digest }) => (sources?.has(digest) === true ? [] : [digest])));
    signal?.throwIfAborted();
    await forEachBounded(planned.files, AT_ONCE, async ({ path, digest, mode }) => {
      const target = `${folder}/${path}`;
      const source = sources?.get(digest);
      if (source === undefined) {
        if (!(await store.materialize(digest, target, { mode, mtimeS }))) throw new MissingBlob(digest);
      } else if (!(await copySource(source, target, digest, { mode, mtimeS }))) {
        throw new MissingBlob(digest);
      }
      if (isRecorded) {
        const { size, mtimeMs, ctimeMs, ino } = lstatSync(target);
        files.set(path, { digest, mode, size, mtimeMs, ctimeMs, inode: ino });
      }
      await breather.pause();
      signal?.throwIfAborted();
    });
    for (const [path, mode] of planned.folders.toReversed()) chmodSync(`${folder}/${path}`, mode);
  } catch (error) {
    if (error instanceof MissingBlob) return fail({ missing: error.digest });
    if (error instanceof FailureError) return fail({ failure: error.failure });
    signal?.throwIfAborted();
    return fail({ failure: fileTrouble(folder, error) });
  }
  return succeed({ root, table, files });
}

function makeDirectories(
  table: DirectoryTable,
  digest: Digest,
  folder: string,
  prefix: string,
  planned: Planned,
): void {
  const directory = digest === EMPTY_DIRECTORY ? EMPTY : table.get(digest);
  if (directory === undefined) throw new MissingBlob(digest);
  for (const file of directory.files) {
    planned.files.push({ path: prefix + file.name, digest: file.digest, mode: modeOfFile(file) });
  }
  for (const { name, target } of directory.symlinks) symlinkSync(target, `${folder}/${prefix}${name}`);
  for (const child of directory.directories) {
    const path = prefix + child.name;
    const mode = table.get(child.digest)?.mode ?? FOLDER_MODE;
    // A folder that will get a narrow mode must not be open to others while it is filled.
    const first = mode === FOLDER_MODE ? FOLDER_MODE : 0o700;
    mkdirSync(`${folder}/${path}`, first);
    if (isModeCut(first)) chmodSync(`${folder}/${path}`, first);
    if (mode !== first) planned.folders.push([path, mode]);
    makeDirectories(table, child.digest, folder, `${path}/`, planned);
  }
}

/** False if the source no longer has the digest; then there is no file at the target. */
export async function copySource(source: string, target: string, digest: Digest, form: FileForm): Promise<boolean> {
  try {
    if (sizeOf(digest) < 256 * 1024) {
      return withChunk((chunk) => {
        const bytes = readWhole(source, chunk);
        if (bytes === undefined || digestOf(bytes) !== digest) return false;
        writeNewFile(target, bytes, form);
        return true;
      });
    }
    await copyFile(source, target, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
  } catch (error) {
    if (existsSync(source)) throw error;
    return false;
  }
  // Hash the copy, not the source: the source can change between hashing and copying.
  const copied = await digestFile(target);
  if (!copied.ok || copied.value !== digest) {
    rmSync(target, { force: true });
    return false;
  }
  finishCopy(target, form);
  return true;
}

/** What a node added, changed or deleted in a folder. */
export interface Changeset {
  readonly layer: Layer;
  /** Paths of files and folders with a setuid, setgid or sticky bit. A layer can't hold these bits. */
  readonly specialBits: readonly string[];
  /** The layer's tree, with all of its directories. */
  readonly tree: Tree;
}

export interface CaptureOptions {
  /** Paths in the folder to ignore, with everything below them. */
  readonly excluding?: readonly string[];
  readonly signal?: AbortSignal;
  /** The table to add the layer's directories to. Default: a new one. */
  readonly table?: DirectoryTable;
  /** Sees everything new before it is stored. If it throws a FailureError, the capture fails with that failure. */
  readonly scanner?: OutputScanner;
}

const SETGID = 0o2000;
/** setuid, setgid and sticky. */
const SPECIAL_BITS = 0o7000;

/**
 * Compares a folder with the record of what was written there, and stores what is new. A file with the size, times and
 * inode of the record counts as unchanged; all others are compared by content.
 */
export async function captureDifference(
  store: BlobStore,
  folder: string,
  record: MaterializedRecord,
  { excluding = [], signal, table = new Map(), scanner }: CaptureOptions = {},
): Promise<Result<Changeset, Failure>> {
  const door = new Folder(folder);
  // New folders inherit setgid from their parent, so it is not a choice of the app.
  const inherited = (lstatSync(folder, { throwIfNoEntry: false })?.mode ?? 0) & SETGID;
  const listing = new Listing(door, record, new Set(excluding), SPECIAL_BITS & ~inherited);
  try {
    await listing.run();
    const entries = listing.entries;
    for (const [path, entry] of entries) scanner?.entry(path, 'target' in entry ? entry.target : undefined);
    const breather = new Breather();
    await forEachBounded(listing.suspects, AT_ONCE, async (suspect) => {
      signal?.throwIfAborted();
      scanner?.entry(suspect.path);
      const entry = await storeIfChanged(store, door, suspect, scanner?.file(suspect.path));
      if (entry) entries.push([suspect.path, entry]);
      await breather.pause();
    });
    const tree = buildTree(entries, table);
    const layer = writeLayer(store, table, tree.root, listing.deleted);
    return succeed({ layer, tree, specialBits: listing.specialBits });
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof FailureError) return fail(error.failure);
    return fail(fileTrouble(folder, error));
  }
}

interface Suspect {
  readonly path: string;
  readonly mode: number;
  readonly size: number;
  readonly base?: RecordedFile;
}

async function storeIfChanged(
  store: BlobStore,
  folder: Folder,
  suspect: Suspect,
  watch: Watch | undefined,
): Promise<NewEntry | undefined> {
  const { path, mode, size, base } = suspect;
  try {
    const entry = await folder.withFileOpen(path, async (file) => {
      // With the same size, the file may have been rewritten with the same content, so compare before storing it.
      if (base !== undefined && base.size === size) {
        const digest = await digestOpenFile(file);
        if (digest === base.digest && mode === base.mode) return 'unchanged';
      }
      // Needed even if only the mode changed, because the store does not hold the bytes of the app's own files.
      return { digest: await store.writeFile(file.path, watch), ...permissionsOf(mode) };
    });
    if (entry === undefined) throw Object.assign(new Error(path), { code: 'ENOENT' });
    return entry === 'unchanged' ? undefined : entry;
  } catch (error) {
    throw error instanceof FailureError ? error : new FailureError(unreadableFile(path, error));
  }
}

/** Walks the folder and the record side by side. */
class Listing {
  /** Directories and symlinks that are new or changed. */
  readonly entries: [string, NewEntry][] = [];
  readonly deleted: string[] = [];
  readonly suspects: Suspect[] = [];
  readonly specialBits: string[] = [];

  constructor(
    private readonly folder: Folder,
    private readonly record: MaterializedRecord,
    private readonly excluded: ReadonlySet<string>,
    /** Mode bits of a folder that are reported as special. */
    private readonly folderBits: number,
  ) {}

  async run(): Promise<void> {
    const breather = new Breather();
    const pending: Pending[] = [{ prefix: '', base: this.record.root }];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      pending.push(...this.visit(next));
      await breather.pause();
    }
  }

  /** Returns the folders below. */
  private visit({ prefix, base }: Pending): readonly Pending[] {
    const directory = directoryOf(this.record.table, base ?? EMPTY_DIRECTORY);
    const handle = this.handleOf(prefix);
    const found = this.list(handle, prefix);
    const below: Pending[] = [];
    for (const entry of found) {
      const path = prefix + entry.name;
      if (this.excluded.has(path)) continue;
      if (entry.isFile()) this.file(handle, path, entry.name);
      else if (entry.isSymbolicLink()) this.symlink(handle, path, entry.name, directory.symlinks);
      else if (entry.isDirectory()) {
        checkLength(path);
        const base = findByName(directory.directories, entry.name)?.digest;
        this.directory(handle, path, entry.name, base);
        below.push({ prefix: `${path}/`, base });
      } else throw new FailureError(unsupportedFile(path, describeEntry(entry)));
    }
    if (base !== undefined) this.findDeleted(prefix, directory, found);
    return below.reverse();
  }

  private handleOf(prefix: string): FolderHandle {
    if (prefix === '' && !this.folder.exists()) throw new FailureError(folderGone());
    const handle = this.folder.open(prefix.slice(0, -1));
    if (handle !== undefined) return handle;
    throw new FailureError(unreadableFile(prefix.slice(0, -1), { code: 'ENOENT' }));
  }

  private list(handle: FolderHandle, prefix: string): Dirent[] {
    try {
      const found = readdirSync(handle.self, { withFileTypes: true });
      // Node turns invalid UTF-8 into U+FFFD, but a valid name can contain that character too.
      if (found.some(({ name }) => name.includes('\uFFFD'))) {
        for (const name of readdirSync(handle.self, { encoding: 'buffer' })) {
          if (!isUtf8(name)) {
            throw new FailureError(unsupportedFile(prefix + escapeBytes(name), 'a file whose name is not UTF-8'));
          }
        }
      }
      return found;
    } catch (error) {
      throw error instanceof FailureError ? error : new FailureError(unreadableFile(prefix.slice(0, -1) || '.', error));
    }
  }

  /** Records the mode only if it changed, so that a layer does not undo a mode that a parallel node set. */
  private directory(handle: FolderHandle, path: string, name: string, base: Digest | undefined): void {
    const stats = handle.stat(name);
    const mode = stats === undefined ? FOLDER_MODE : stats.mode & 0o777;
    if (((stats?.mode ?? 0) & this.folderBits) !== 0) this.specialBits.push(path);
    const before = base === undefined ? FOLDER_MODE : (this.record.table.get(base)?.mode ?? FOLDER_MODE);
    if (mode !== before) this.entries.push([path, { directory: true, mode }]);
    else if (base === undefined) this.entries.push([path, { directory: true }]);
  }

  private file(handle: FolderHandle, path: string, name: string): void {
    const stats = handle.stat(name);
    if (stats === undefined) throw new FailureError(unreadableFile(path, { code: 'ENOENT' }));
    const base = this.record.files.get(path);
    const isUntouched =
      base !== undefined &&
      base.ctimeMs === stats.ctimeMs &&
      base.mtimeMs === stats.mtimeMs &&
      base.size === stats.size &&
      base.inode === stats.ino;
    if (isUntouched) return;
    if (stats.size > MOST_FILE_BYTES) throw new FailureError(fileTooLarge(path, stats.size));
    if ((stats.mode & SPECIAL_BITS) !== 0) this.specialBits.push(path);
    this.suspects.push({ path, mode: stats.mode & 0o777, size: stats.size, ...(base && { base }) });
  }

  private symlink(handle: FolderHandle, path: string, name: string, base: readonly SymlinkEntry[]): void {
    let bytes: Buffer;
    try {
      bytes = readlinkSync(handle.at(name), { encoding: 'buffer' });
    } catch (error) {
      throw new FailureError(unreadableFile(path, error));
    }
    if (!isUtf8(bytes)) throw new FailureError(unsupportedFile(path, 'a symbolic link whose target is not UTF-8'));
    const target = bytes.toString('utf8');
    if (findByName(base, name)?.target !== target) this.entries.push([path, { target }]);
  }

  private findDeleted(prefix: string, base: Directory, found: readonly Dirent[]): void {
    const present = new Set(found.map(({ name }) => name));
    for (const { name } of [...base.files, ...base.directories, ...base.symlinks]) {
      const path = prefix + name;
      if (!present.has(name) && !this.excluded.has(path)) this.deleted.push(path);
    }
  }
}

interface Pending {
  /** Path of the folder: empty for the root, or ending with a slash. */
  readonly prefix: string;
  /** The record's directory at this path; undefined if there was none. */
  readonly base: Digest | undefined;
}

/** Printable ASCII unchanged, every other byte as \xHH. */
const escapeBytes = (bytes: Buffer): string =>
  [...bytes]
    .map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`))
    .join('');
