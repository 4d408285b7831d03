// The only way to folders in which code of the app may have worked. No path goes through a link, only regular files are
// read, pipes and devices don't block, and files are always created new.

import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeSync,
  type Dirent,
  type Stats,
} from 'node:fs';
import { FailureError } from '../failure.js';
import { kindOf, type EntryKind } from './entry-kind.js';
import { createLineSplitter } from './line-splitter.js';
import { removeTree } from './remove-tree.js';
import { Breather, isModeCut } from './new-files.js';
import { FOLDER_MODE } from './modes.js';
import { readTooLarge, tooManyFiles } from './failures.js';
import { canPathsStartAtDescriptors, closeFolderHandles, type FolderHandle } from './folder-handles.js';
import type { OpenFile } from './open-file.js';
import { pathBeneath } from './path-beneath.js';
import { checkLength, partsOf, SafePaths } from './safe-paths.js';

export interface FolderEntry {
  readonly name: string;
  readonly kind: EntryKind;
}
export interface WalkedEntry {
  /** Relative to the start of the walk, with slashes. */
  readonly path: string;
  readonly kind: 'file' | 'symlink';
}
/** Default limit of `read`, in bytes. */
const MOST_READ = 64 * 1024 * 1024;
/** Files and folders of one walk. */
const MOST_ENTRIES = 1_000_000;
/** Links that one path may go through, as on Linux. */
const MOST_LINKS = 40;
const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
/** The same on all architectures that Node supports on Linux. Needs no permission on the file itself. */
const O_PATH = 0o10000000;

/**
 * Paths are relative to the folder, with slashes; the empty path is the folder itself. A path through a link, or to something
 * that the method doesn't work on, throws a `FailureError` (`app::unsafe-file`, blame `app`). Other errors of the system are
 * thrown as they are. Nothing stays open between two turns of the event loop.
 */
export class Folder {
  private readonly paths: SafePaths;

  /** `path`: only pyflow can change its parents. `name`: what users call the folder; empty for the app. */
  constructor(path: string, name = '') {
    this.paths = new SafePaths(path, name);
  }

  /** Whether it is still a folder: neither removed nor replaced by a link. */
  exists(): boolean {
    return this.paths.exists();
  }

  kindOf(path: string): EntryKind | undefined {
    const stats = this.stat(path);
    return stats === undefined ? undefined : kindOf(stats);
  }

  isFile(path: string): boolean {
    return this.kindOf(path) === 'file';
  }

  /** Of the entry itself, also of a link; undefined if there is none. */
  stat(path: string): Stats | undefined {
    return this.paths.stat(path);
  }

  /** Sorted by name; empty if the folder doesn't exist. */
  list(path: string): readonly FolderEntry[] {
    const handle = this.open(path);
    if (handle === undefined) return [];
    const entries = readEntries(handle);
    return entries.map((entry) => ({ name: entry.name, kind: kindOf(entry) })).sort(byName);
  }

  names(path: string): readonly string[] {
    return this.list(path).map(({ name }) => name);
  }

  /**
   * Regular files and links below `path`, sorted by code unit of the path, without pipes, sockets and devices. Skips folders
   * for which `enter` returns false.
   */
  async walk(path = '', enter: (path: string) => boolean = () => true): Promise<readonly WalkedEntry[]> {
    const found: WalkedEntry[] = [];
    await this.visit(path, (entry, below) => {
      if (entry.isDirectory()) return enter(below);
      const kind = kindOf(entry);
      if (kind === 'file' || kind === 'symlink') found.push({ path: below, kind });
      return false;
    });
    return found.sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  /**
   * Calls `see` for every entry below `path`, parents first, and enters a folder if it returns true. `folder` is valid only
   * during the call. Throws for paths and numbers of entries that no app needs.
   */
  async visit(path: string, see: (entry: Dirent, below: string, folder: FolderHandle) => boolean): Promise<void> {
    const breather = new Breather();
    let count = 0;
    const folders = [''];
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      const handle = this.open(join(path, folder));
      if (handle === undefined) continue;
      const below: string[] = [];
      for (const entry of readEntries(handle)) {
        const inside = folder === '' ? entry.name : `${folder}/${entry.name}`;
        if (++count > MOST_ENTRIES) throw new FailureError(tooManyFiles(this.paths.shown(path), MOST_ENTRIES));
        if (see(entry, inside, handle) && entry.isDirectory()) below.push(inside);
      }
      for (const inside of below.reverse()) {
        checkLength(this.paths.shown(inside));
        folders.push(inside);
      }
      await breather.pause();
    }
  }

  /** The bytes of a regular file; undefined if it doesn't exist. Throws if it is larger than `maxBytes`. */
  read(path: string, maxBytes = MOST_READ): Buffer | undefined {
    return this.withFile(path, (file) => {
      if (file.size > maxBytes) throw new FailureError(readTooLarge(this.paths.shown(path), file.size, maxBytes));
      return file.start(file.size);
    });
  }

  readText(path: string, maxBytes?: number): string | undefined {
    return this.read(path, maxBytes)?.toString('utf8');
  }

  /** Calls `onLine` for each line in the first `maxBytes` of a file; very long lines come in pieces. */
  async readLines(path: string, onLine: (text: string) => void, maxBytes: number): Promise<void> {
    const breather = new Breather();
    const splitter = createLineSplitter(onLine);
    const chunk = Buffer.allocUnsafe(64 * 1024);
    await this.withFileOpen(path, async (file) => {
      const end = Math.min(file.size, maxBytes);
      for (let at = 0; at < end;) {
        const count = file.read(chunk, 0, Math.min(chunk.length, end - at), at);
        if (count === 0) break;
        splitter.write(chunk.subarray(0, count));
        at += count;
        await breather.pause();
      }
    });
    splitter.end();
  }

  /** The first bytes of a file, or all if it has fewer; undefined if it doesn't exist. */
  readStart(path: string, bytes: number): Buffer | undefined {
    return this.withFile(path, (file) => file.start(bytes));
  }

  /** Undefined if the file doesn't exist. Closes the file when `use` returns. */
  withFile<T>(path: string, use: (file: OpenFile) => T): T | undefined {
    const file = this.paths.openFile(path);
    if (file === undefined) return undefined;
    try {
      return use(file);
    } finally {
      file.close();
    }
  }

  /** Like `withFile`; closes the file when the promise of `use` settles. */
  async withFileOpen<T>(path: string, use: (file: OpenFile) => Promise<T>): Promise<T | undefined> {
    const file = this.paths.openFile(path);
    if (file === undefined) return undefined;
    try {
      return await use(file);
    } finally {
      file.close();
    }
  }

  /** Calls `use` with a path of this process to a folder that goes through no link while `use` works. Throws if it is missing. */
  async holding<T>(path: string, use: (path: string) => Promise<T>): Promise<T> {
    const handle = this.paths.needed(path);
    if (!canPathsStartAtDescriptors()) return use(handle.self);
    const fd = openSync(handle.self, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      // With the number of the process, so that programs that it starts can use the path.
      return await use(`/proc/${process.pid}/fd/${fd}`);
    } finally {
      closeSync(fd);
    }
  }

  readLink(path: string): string | undefined {
    return this.paths.inParent(path, (parent, name) => {
      const stats = parent.stat(name);
      return stats?.isSymbolicLink() === true ? readlinkSync(parent.at(name)) : undefined;
    });
  }

  /**
   * The path with all links followed inside the folder; undefined if a link points outside, to nothing or in a circle. An
   * absolute target counts as outside.
   */
  resolve(path: string): string | undefined {
    let parts = partsOf(path);
    let followed = 0;
    for (let depth = 1; depth <= parts.length; depth++) {
      const part = parts.slice(0, depth).join('/');
      const stats = this.stat(part);
      if (stats === undefined) return undefined;
      if (!stats.isSymbolicLink()) continue;
      const target = pathBeneath(parts.slice(0, depth - 1).join('/'), this.readLink(part) ?? '');
      if (target === undefined || ++followed > MOST_LINKS) return undefined;
      parts = [...partsOf(target), ...parts.slice(depth)];
      depth = 0;
    }
    return parts.join('/');
  }

  /** Makes the folder and its parents if they are missing. */
  makeFolders(path: string): void {
    const parts = partsOf(path);
    for (let depth = 1; depth <= parts.length; depth++) {
      const parent = this.paths.needed(parts.slice(0, depth - 1).join('/'));
      const at = parent.at(parts[depth - 1] as string);
      try {
        mkdirSync(at, FOLDER_MODE);
        if (isModeCut()) chmodSync(at, FOLDER_MODE);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
    }
    if (this.open(path) === undefined) {
      const stats = this.stat(path);
      if (stats !== undefined) throw this.paths.unsafe(path, stats, 'a folder');
    }
  }

  /** Creates a file, replacing a file or link; makes the folders above it. Default mode 0644. */
  write(path: string, content: string | Uint8Array, mode = 0o644): void {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    this.create(path, mode, (fd) => {
      for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
    });
  }

  /** Copies an open file, replacing a file or link. */
  copyFrom(file: Pick<OpenFile, 'path' | 'mode'>, path: string, mode = file.mode & 0o777): void {
    this.makeFolders(parentOf(path));
    this.paths.inParent(path, (parent, name) => {
      this.unlink(parent, name, path);
      copyFileSync(file.path, parent.at(name), constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
      chmodSync(parent.at(name), mode);
    });
  }

  /** Creates a link, replacing a file or link; makes the folders above it. */
  symlink(target: string, path: string): void {
    this.makeFolders(parentOf(path));
    this.paths.inParent(path, (parent, name) => {
      this.unlink(parent, name, path);
      symlinkSync(target, parent.at(name));
    });
  }

  /** Sets the permission bits of a regular file. A file with several names is copied first: others may own the other names. */
  chmod(path: string, mode: number): void {
    if ((this.stat(path)?.nlink ?? 1) > 1) {
      return this.withFile(path, (file) => this.write(path, file.start(file.size), mode));
    }
    this.paths.inParent(path, (parent, name) => {
      if (!canPathsStartAtDescriptors()) {
        const stats = lstatSync(parent.at(name));
        if (!stats.isFile()) throw this.paths.unsafe(path, stats, 'a regular file');
        return chmodSync(parent.at(name), mode);
      }
      const fd = openSync(parent.at(name), O_PATH | constants.O_NOFOLLOW);
      try {
        const stats = fstatSync(fd);
        if (!stats.isFile()) throw this.paths.unsafe(path, stats, 'a regular file');
        chmodSync(`/proc/self/fd/${fd}`, mode);
      } finally {
        closeSync(fd);
      }
    });
  }

  /** Within this folder, replacing a file. */
  rename(from: string, to: string): void {
    const source = this.paths.needed(parentOf(from));
    // A separate descriptor, since opening the second parent may close the first.
    const held = canPathsStartAtDescriptors() ? openSync(source.self, constants.O_RDONLY) : undefined;
    try {
      const at = held === undefined ? source.at(nameOf(from)) : `/proc/self/fd/${held}/${nameOf(from)}`;
      renameSync(at, this.paths.needed(parentOf(to)).at(nameOf(to)));
    } finally {
      if (held !== undefined) closeSync(held);
      closeFolderHandles();
    }
  }

  /** Removes a file, a link, or a folder with its content, if it exists. What can't be removed stays. */
  remove(path: string): void {
    this.paths.inParent(path, (parent, name) => {
      const stats = parent.stat(name);
      if (stats === undefined) return;
      if (stats.isDirectory()) removeTree(parent.at(name));
      else unlinkSync(parent.at(name));
    });
    closeFolderHandles();
  }

  /** False if it is not an empty folder; true also if it doesn't exist. */
  removeEmptyFolder(path: string): boolean {
    const isGone = this.paths.inParent(path, (parent, name) => {
      try {
        rmdirSync(parent.at(name));
      } catch (error) {
        return (error as NodeJS.ErrnoException).code === 'ENOENT';
      }
      return true;
    });
    closeFolderHandles();
    return isGone ?? true;
  }

  /** Removes folders below `path` that are empty, or hold nothing but such folders. */
  async removeEmptyFolders(path: string): Promise<void> {
    const folders: string[] = [];
    await this.visit(path, (entry, below) => {
      if (entry.isDirectory()) folders.push(join(path, below));
      return true;
    });
    // Parents came first.
    for (const folder of folders.reverse()) this.removeEmptyFolder(folder);
  }

  /** Undefined if the folder doesn't exist. The handle is good for one turn of the event loop. */
  open(path: string): FolderHandle | undefined {
    return this.paths.open(path);
  }

  private create(path: string, mode: number, fill: (fd: number) => void): void {
    this.makeFolders(parentOf(path));
    this.paths.inParent(path, (parent, name) => {
      this.unlink(parent, name, path);
      const fd = openSync(parent.at(name), CREATE_FLAGS, mode);
      try {
        fill(fd);
        // Restores the bits that the umask took away.
        fchmodSync(fd, mode);
      } finally {
        closeSync(fd);
      }
    });
  }

  private unlink(parent: FolderHandle, name: string, path: string): void {
    const stats = parent.stat(name);
    if (stats === undefined) return;
    if (stats.isDirectory()) throw this.paths.unsafe(path, stats, 'a regular file or nothing');
    unlinkSync(parent.at(name));
  }
}

const join = (folder: string, path: string): string =>
  folder === '' || folder === '.' ? path : path === '' ? folder : `${folder}/${path}`;
const parentOf = (path: string): string => (path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '');
const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
const byName = (a: FolderEntry, b: FolderEntry): number => (a.name < b.name ? -1 : 1);

/** Empty if the folder has disappeared. */
function readEntries(handle: FolderHandle): Dirent[] {
  try {
    return readdirSync(handle.self, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
