// Removes a folder with its content, whatever a build left there: closed, very deep or very wide folders, links. Each folder
// is opened without following links and its entries are named relative to it, so swapping a parent has no effect.

import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  opendirSync,
  openSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmdirSync,
  unlinkSync,
  type Dirent,
  type Stats,
} from 'node:fs';
import { basename, dirname, join, resolve as resolvePath } from 'node:path';
import { mountInfo, parseMountInfo } from './mount-table.js';

/** The first entry that could not be removed, and the error code. Its folder and the folders above it still exist. */
export interface Leftover {
  readonly path: string;
  readonly code: string;
}

/** Folders open at once. A deeper folder is moved up first, so that paths and the stack stay short. */
const DEEPEST = 12;
/** If a folder can't be moved up (it belongs to a lower layer of an overlay), the walk goes at most this deep. */
const DEEPEST_IN_PLACE = 400;
/** How often a folder is listed again that gets new entries while it is emptied. */
const LISTINGS = 4;
/** From this size of its own data on, a folder's names are read in portions. */
const LARGE_FOLDER = 256 * 1024;
/** Missing from Node's constants. The same on all processors that Node supports, except MIPS. */
const O_PATH = process.platform === 'linux' ? 0o10000000 : 0;

let hasProc: boolean | undefined;
const worksByDescriptor = (): boolean => (hasProc ??= O_PATH !== 0 && existsSync('/proc/self/fd'));

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);
const isRefusal = (code: string): boolean => code === 'EACCES' || code === 'EPERM';

interface Folder {
  /** Valid while the folder that holds this one is open. */
  readonly path: Buffer;
  /** Prefix for the name of an entry. */
  readonly base: Buffer;
  readonly fd: number | undefined;
  readonly size: number;
  /** Folders in it that still have to be removed; undefined if not listed yet. */
  pending: Buffer[] | undefined;
  listings: number;
  isLoosened: boolean;
  hasLeftover: boolean;
}

/** Never throws. Removes links instead of following them, and leaves file systems that are mounted inside alone. */
export function removeTree(path: string | Buffer): Leftover | undefined {
  if (typeof path === 'string' && worksByDescriptor() && mountsBelow(path).size === 0 && removeOrdinary(path, 1))
    return;
  const removal = new Removal(path);
  const steps = removal.steps();
  while (steps.next().done !== true);
  return removal.leftover;
}

/** The common case at half the cost. False if anything needs more care; part of the tree may be gone then. */
function removeOrdinary(path: string, depth: number): boolean {
  if (depth > DEEPEST) return false;
  let fd: number | undefined;
  try {
    fd = openSync(path, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    if (fstatSync(fd).size >= LARGE_FOLDER) return false;
    const base = `/proc/self/fd/${fd}/`;
    for (const entry of readdirSync(base, { withFileTypes: true })) {
      if (!entry.isDirectory()) unlinkSync(base + entry.name);
      else if (!removeOrdinary(base + entry.name, depth + 1)) return false;
    }
    rmdirSync(path);
    return true;
  } catch {
    return false;
  } finally {
    if (fd !== undefined) closeQuietly(fd);
  }
}

/** A removal in steps; see `removeTree`. */
export class Removal {
  leftover: Leftover | undefined;
  private readonly root: Buffer;
  private readonly shown: string;
  private readonly stack: Folder[] = [];
  private readonly moved = `.pyflow-moved-${randomBytes(6).toString('hex')}-`;
  private moves = 0;
  private device: number | undefined;
  private mounts: ReadonlySet<string> = NO_MOUNTS;

  constructor(path: string | Buffer) {
    this.root = Buffer.isBuffer(path) ? path : Buffer.from(path);
    this.shown = this.root.toString();
  }

  /** One step per entry, so that a caller can pause in between. */
  *steps(): Generator<void> {
    try {
      this.mounts = mountsBelow(this.shown);
      this.begin(this.root, undefined);
      for (let folder = this.stack.at(-1); folder !== undefined; folder = this.stack.at(-1)) {
        if (folder.pending === undefined) yield* this.empty(folder);
        const name = folder.pending?.pop();
        if (name === undefined) this.end(folder);
        else this.begin(Buffer.concat([folder.base, name]), name);
        yield;
      }
    } catch (error) {
      this.leave(undefined, error);
    } finally {
      for (const { fd } of this.stack) if (fd !== undefined) closeQuietly(fd);
    }
  }

  /** Opens a folder, or removes anything else. `name` is its name in the parent; undefined for the root. */
  private begin(path: Buffer, name: Buffer | undefined): void {
    const parent = this.stack.at(-1);
    if (parent !== undefined && this.stack.length >= DEEPEST && this.moveUp(parent, path)) return;
    if (this.stack.length >= DEEPEST_IN_PLACE) return this.leave(parent, 'ENAMETOOLONG', name);
    try {
      const folder = openFolder(path);
      this.device ??= folder.device;
      if (folder.device === this.device && !this.isMounted(folder)) {
        this.stack.push({ ...folder, pending: undefined, listings: 0, isLoosened: false, hasLeftover: false });
        return;
      }
      if (folder.fd !== undefined) closeQuietly(folder.fd);
      this.leave(parent, 'EBUSY', name);
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ENOENT') return;
      if (code !== 'ENOTDIR' && code !== 'ELOOP') return this.leave(parent, error, name);
      this.attempt(parent, () => unlinkSync(path), name);
    }
  }

  /** A mount of the same file system has the same device, so only its path shows it. */
  private isMounted({ fd, path }: { readonly fd: number | undefined; readonly path: Buffer }): boolean {
    if (this.mounts.size === 0 || this.stack.length === 0) return false;
    return this.mounts.has(fd === undefined ? path.toString() : readlinkSync(`/proc/self/fd/${fd}`));
  }

  private moveUp(parent: Folder, path: Buffer): boolean {
    const [root] = this.stack;
    const name = Buffer.from(`${this.moved}${this.moves++}`);
    const rename = (): void => renameSync(path, Buffer.concat([root!.base, name]));
    try {
      rename();
    } catch (error) {
      if (!isRefusal(codeOf(error))) return false;
      // The move also changes the folder's own entry for its parent, so all three must be writable.
      for (const folder of [root!, parent]) loosen(folder);
      try {
        const { fd, ...opened } = openFolder(path);
        loosen({ ...opened, fd, isLoosened: false });
        if (fd !== undefined) closeQuietly(fd);
        rename();
      } catch {
        return false;
      }
    }
    root!.pending!.push(name);
    return true;
  }

  /** Removes everything except folders, and collects the folders. */
  private *empty(folder: Folder): Generator<void> {
    folder.listings++;
    folder.pending = [];
    let entries: Iterable<Dirent<Buffer>>;
    try {
      entries = entriesOf(folder);
    } catch (error) {
      return this.leave(folder, error);
    }
    try {
      for (const entry of entries) {
        if (entry.isDirectory()) folder.pending.push(entry.name);
        else this.unlink(folder, entry.name);
        yield;
      }
    } catch (error) {
      this.leave(folder, error);
    }
  }

  private unlink(folder: Folder, name: Buffer): void {
    const path = Buffer.concat([folder.base, name]);
    try {
      unlinkSync(path);
    } catch (error) {
      const code = codeOf(error);
      if (code === 'EISDIR') folder.pending!.push(name);
      else if (code !== 'ENOENT') this.attempt(folder, () => unlinkSync(path), name);
    }
  }

  private end(folder: Folder): void {
    const parent = this.stack.at(-2);
    try {
      rmdirSync(folder.path);
    } catch (error) {
      const code = codeOf(error);
      if ((code === 'ENOTEMPTY' || code === 'EEXIST') && !folder.hasLeftover && folder.listings < LISTINGS) {
        folder.pending = undefined;
        return;
      }
      if (isRefusal(code)) this.attempt(parent, () => rmdirSync(folder.path));
      else if (code !== 'ENOENT') this.leave(parent, code);
    }
    this.stack.pop();
    if (folder.hasLeftover && parent !== undefined) parent.hasLeftover = true;
    if (folder.fd !== undefined) closeQuietly(folder.fd);
  }

  /** Tries again after making the folder writable, which its owner can do. */
  private attempt(folder: Folder | undefined, work: () => void, name?: Buffer): void {
    try {
      if (folder !== undefined) loosen(folder);
      work();
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') this.leave(folder, error, name);
    }
  }

  private leave(folder: Folder | undefined, reason: unknown, name?: Buffer): void {
    if (folder !== undefined) folder.hasLeftover = true;
    const code = typeof reason === 'string' ? reason : codeOf(reason);
    const path = name === undefined ? this.shown : `${this.shown}/.../${name.toString()}`;
    this.leftover ??= { path, code };
  }
}

/** Throws ENOTDIR or ELOOP if it is not a folder. */
function openFolder(path: Buffer): Pick<Folder, 'path' | 'base' | 'fd' | 'size'> & { readonly device: number } {
  let stats: Stats;
  if (!worksByDescriptor()) {
    stats = lstatSync(path);
    if (!stats.isDirectory()) throw Object.assign(new Error('not a folder'), { code: 'ENOTDIR' });
    return { path, base: Buffer.concat([path, SLASH]), fd: undefined, size: stats.size, device: stats.dev };
  }
  // O_PATH needs no permission on the folder itself, so it also opens one that is closed to its owner.
  const fd = openSync(path, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    stats = fstatSync(fd);
  } catch (error) {
    closeQuietly(fd);
    throw error;
  }
  return { path, base: Buffer.from(`/proc/self/fd/${fd}/`), fd, size: stats.size, device: stats.dev };
}

const SLASH = Buffer.from('/');

function entriesOf(folder: Folder): Iterable<Dirent<Buffer>> {
  const read = (): Iterable<Dirent<Buffer>> =>
    folder.size < LARGE_FOLDER
      ? readdirSync(folder.base, { withFileTypes: true, encoding: 'buffer' })
      : portions(folder.base);
  try {
    return read();
  } catch (error) {
    if (!isRefusal(codeOf(error))) throw error;
    loosen(folder);
    return read();
  }
}

/** Opens the folder at once, so that the caller gets a refusal; reads it while it is walked. */
function portions(path: Buffer): Iterable<Dirent<Buffer>> {
  const directory = opendirSync(path.toString(), { encoding: 'buffer' as BufferEncoding, bufferSize: 1024 });
  return (function* () {
    try {
      for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
        yield entry as unknown as Dirent<Buffer>;
      }
    } finally {
      directory.closeSync();
    }
  })();
}

function loosen(folder: Pick<Folder, 'base' | 'fd'> & { isLoosened: boolean }): void {
  if (folder.isLoosened) return;
  folder.isLoosened = true;
  try {
    chmodSync(folder.base, 0o700);
  } catch {
    // It belongs to another user or is immutable; the next operation fails and reports that.
  }
}

let knownMounts: { readonly at: number; readonly places: readonly string[] } | undefined;
const MOUNTS_MS = 5_000;
const NO_MOUNTS: ReadonlySet<string> = new Set();

export function mountsBelow(root: string): ReadonlySet<string> {
  const now = performance.now();
  if (knownMounts === undefined || now - knownMounts.at > MOUNTS_MS) knownMounts = { at: now, places: mountPlaces() };
  const path = resolvePath(root);
  const suspects = knownMounts.places.filter((place) => place.includes(`/${basename(path)}/`));
  if (suspects.length === 0) return NO_MOUNTS;
  try {
    // Follow links in its parents, but not the folder itself.
    const real = `${join(realpathSync(dirname(path)), basename(path))}/`;
    return new Set(suspects.filter((place) => place.startsWith(real)));
  } catch {
    return NO_MOUNTS;
  }
}

function mountPlaces(): readonly string[] {
  try {
    return parseMountInfo(mountInfo()).map(({ place }) => place);
  } catch {
    return [];
  }
}

function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // Nothing depends on it.
  }
}

/** Removes a file or link if it can. */
export function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Gone already, or the next sweep finds it.
  }
}

/** For a path where usually nothing or a file exists; removes a folder with its content. */
export function removeEntry(path: string | Buffer): Leftover | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  if (stats.isDirectory()) return removeTree(path);
  try {
    unlinkSync(path);
    return undefined;
  } catch (error) {
    const code = codeOf(error);
    return code === 'ENOENT' ? undefined : { path: path.toString(), code };
  }
}
