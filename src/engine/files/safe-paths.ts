// Opens what is below one folder, step by step and through no link. Every use of a path in a node's folder passes here.

import { closeSync, constants, fstatSync, openSync, type Stats } from 'node:fs';
import { FailureError } from '../failure.js';
import { describeEntry } from './entry-kind.js';
import { pathTooLong, unsafeFile } from './failures.js';
import { folderGone, unreadableFile } from './file-failures.js';
import { canPathsStartAtDescriptors, openFolderHandle, type FolderHandle } from './folder-handles.js';
import { OpenFile } from './open-file.js';

/** Bytes of a path below a folder: 4,095 minus the length of pyflow's own folders. */
export const MOST_PATH_BYTES = 3_840;
/** Nested folders below a folder. Packages have about 20, and each level costs time and memory in many places. */
export const MOST_DEPTH = 400;
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

/** Paths are relative to the folder, with slashes; the empty path is the folder itself. */
export class SafePaths {
  /** As `Folder` takes them. */
  constructor(
    private readonly path: string,
    private readonly name: string,
  ) {}

  /** Whether the folder itself still exists: neither removed nor replaced by a link. */
  exists(): boolean {
    return !('type' in openFolderHandle(this.path, []));
  }

  /** Of the entry itself, also of a link; undefined if there is none. */
  stat(path: string): Stats | undefined {
    return this.inParent(path, (parent, name) => parent.stat(name));
  }

  /** Undefined if the file doesn't exist. The caller closes it. */
  openFile(path: string): OpenFile | undefined {
    return this.inParent(path, (parent, name) => {
      const fd = this.openEntry(parent, name, path);
      if (fd === undefined) return undefined;
      const stats = fstatSync(fd);
      if (!stats.isFile()) {
        closeSync(fd);
        throw this.unsafe(path, stats, 'a regular file');
      }
      const reopened = canPathsStartAtDescriptors() ? `/proc/${process.pid}/fd/${fd}` : parent.at(name);
      return new OpenFile(fd, reopened, stats.size, stats.mode & 0o7777);
    });
  }

  private openEntry(parent: FolderHandle, name: string, path: string): number | undefined {
    try {
      return openSync(parent.at(name), READ_FLAGS);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return undefined;
      if (code === 'EACCES') throw new FailureError(unreadableFile(this.shown(path), error));
      const stats = parent.stat(name);
      if (stats !== undefined && !stats.isFile()) throw this.unsafe(path, stats, 'a regular file');
      throw error;
    }
  }

  /** Calls `use` with the folder that holds the entry, and the entry's name; undefined if that folder doesn't exist. */
  inParent<T>(path: string, use: (parent: FolderHandle, name: string) => T): T | undefined {
    const parts = partsOf(path);
    const name = parts.pop();
    if (name === undefined) throw new Error(`no entry of a folder: ${JSON.stringify(path)}`);
    const parent = this.handleOf(parts);
    return parent === undefined ? undefined : use(parent, name);
  }

  /** Undefined if the folder doesn't exist. */
  open(path: string): FolderHandle | undefined {
    return this.handleOf(partsOf(path));
  }

  /** Throws if the folder doesn't exist. */
  needed(path: string): FolderHandle {
    const handle = this.open(path);
    if (handle !== undefined) return handle;
    const stats = path === '' ? undefined : this.stat(path);
    if (stats !== undefined) throw this.unsafe(path, stats, 'a folder');
    throw Object.assign(new Error(`ENOENT: no such folder: ${this.shown(path)}`), { code: 'ENOENT' });
  }

  private handleOf(parts: readonly string[]): FolderHandle | undefined {
    let found: ReturnType<typeof openFolderHandle>;
    try {
      found = openFolderHandle(this.path, parts);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
      throw new FailureError(unreadableFile(this.shown(parts.join('/')), error));
    }
    if (!('type' in found)) return found;
    if (found.type === 'missing') return undefined;
    if (found.path === '') throw new FailureError(folderGone());
    throw new FailureError(unsafeFile(this.shown(found.path), 'a symbolic link', 'a folder'));
  }

  unsafe(path: string, stats: Stats, expected: string): FailureError {
    return new FailureError(unsafeFile(this.shown(path), describeEntry(stats), expected));
  }

  /** How messages name the path. */
  shown(path: string): string {
    if (path === '') return this.name === '' ? "the app's folder" : this.name;
    return this.name === '' ? path : `${this.name}/${path}`;
  }
}

/** Throws for a path that is longer or deeper than pyflow can handle everywhere. */
export function checkLength(path: string): void {
  // Most paths are short; each character has at most three bytes.
  if (path.length * 3 <= MOST_DEPTH) return;
  if (Buffer.byteLength(path) <= MOST_PATH_BYTES && path.split('/').length <= MOST_DEPTH) return;
  throw new FailureError(pathTooLong(path, { bytes: MOST_PATH_BYTES, folders: MOST_DEPTH }));
}

/** Throws for what is not a path below a folder: one with `..`, say. */
export function partsOf(path: string): string[] {
  if (path === '' || path === '.') return [];
  const parts = path.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..' || part.includes('\0')))
    throw new Error(`not a path below a folder: ${JSON.stringify(path)}`);
  return parts;
}
