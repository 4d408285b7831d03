// Folders opened step by step without following a link, so that a path below one of them cannot lead anywhere else.
// Handles live for one turn of the event loop: no command can change a folder between two uses of its handle.

import { closeSync, constants, existsSync, fstatSync, lstatSync, openSync, type Stats } from 'node:fs';

/** A folder that may be used in this turn: `at` gives a path of an entry of it that leads through no link. */
export interface FolderHandle {
  /** Of the folder itself. */
  readonly self: string;
  at(name: string): string;
  /** Of the entry itself; undefined when it is gone. */
  stat(name: string): Stats | undefined;
}

/** Why there is no handle. `path`: the part that is in the way, relative to the root. */
type NoHandle = { readonly type: 'missing' } | { readonly type: 'link'; readonly path: string };

/** Keeps far below the smallest limit on open files that pyflow works with. */
const MOST_OPEN = 8;
const FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

let hasDescriptorPaths: boolean | undefined;
/** On Linux a path can start at an open folder; elsewhere each part is looked at instead. */
export const canPathsStartAtDescriptors = (): boolean =>
  (hasDescriptorPaths ??= process.platform === 'linux' && existsSync('/proc/self/fd/0'));

const opened = new Map<string, number>();
let isClosing = false;

/** `parts`: names below `root`, none of them `.` or `..`. Throws the system's error for what is neither missing nor a link. */
export function openFolderHandle(root: string, parts: readonly string[]): FolderHandle | NoHandle {
  if (!canPathsStartAtDescriptors()) return checkedPath(root, parts);
  // From the deepest folder on the way that is open: each step down a deep tree then costs one.
  let depth = parts.length;
  let key = depth === 0 ? root : `${root}/${parts.join('/')}`;
  let fd: number | 'missing' | 'link' | undefined = opened.get(key);
  while (fd === undefined && depth > 0) {
    depth -= 1;
    key = key.slice(0, key.length - (parts[depth] as string).length - 1);
    fd = opened.get(key);
  }
  // Removed in this turn, by pyflow itself: there may be a new one by now.
  if (fd !== undefined && fstatSync(fd).nlink === 0) {
    closeFolderHandles();
    return openFolderHandle(root, parts);
  }
  fd ??= openPart(root, root);
  if (typeof fd !== 'number') return fd === 'link' ? { type: 'link', path: '' } : { type: 'missing' };
  for (; depth < parts.length; depth++) {
    key = `${key}/${parts[depth]}`;
    fd = openPart(key, `/proc/self/fd/${fd}/${parts[depth]}`);
    if (fd === 'link') return { type: 'link', path: parts.slice(0, depth + 1).join('/') };
    if (fd === 'missing') return { type: 'missing' };
  }
  return handleAt(`/proc/self/fd/${fd}`);
}

const handleAt = (self: string): FolderHandle => ({
  self,
  at: (name) => `${self}/${name}`,
  stat: (name) => lstatSync(`${self}/${name}`, { throwIfNoEntry: false }),
});

function openPart(key: string, path: string): number | 'missing' | 'link' {
  try {
    const fd = openSync(path, FLAGS);
    keep(key, fd);
    return fd;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return 'missing';
    if (code !== 'ENOTDIR' && code !== 'ELOOP') throw error;
    return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true ? 'link' : 'missing';
  }
}

function keep(key: string, fd: number): void {
  opened.set(key, fd);
  if (opened.size > MOST_OPEN) {
    const [oldest, oldFd] = opened.entries().next().value as [string, number];
    opened.delete(oldest);
    closeSync(oldFd);
  }
  if (isClosing) return;
  isClosing = true;
  setImmediate(() => {
    isClosing = false;
    closeFolderHandles();
  });
}

/** Also called when a folder was moved or removed in this turn. */
export function closeFolderHandles(): void {
  for (const fd of opened.values()) closeSync(fd);
  opened.clear();
}

function checkedPath(root: string, parts: readonly string[]): FolderHandle | NoHandle {
  let path = root;
  for (let depth = 0; ; depth++) {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats?.isSymbolicLink() === true) return { type: 'link', path: parts.slice(0, depth).join('/') };
    if (stats?.isDirectory() !== true) return { type: 'missing' };
    if (depth === parts.length) return handleAt(path);
    path = `${path}/${parts[depth]}`;
  }
}
