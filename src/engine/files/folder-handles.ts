// Opens folders one path part at a time without following links, so that no path below them leads elsewhere. Handles live
// for one turn of the event loop, so no command can change a folder between two uses of its handle.

import { closeSync, constants, existsSync, fstatSync, lstatSync, openSync, type Stats } from 'node:fs';

/** A folder for use in this turn; `at` returns a path to one of its entries that contains no link. */
export interface FolderHandle {
  /** Of the folder itself. */
  readonly self: string;
  at(name: string): string;
  /** Of the entry itself; undefined if it is gone. */
  stat(name: string): Stats | undefined;
}

/** Why there is no handle. `path`: the link, relative to the root. */
type NoHandle = { readonly type: 'missing' } | { readonly type: 'link'; readonly path: string };

/** Far below the smallest limit on open files that pyflow supports. */
const MOST_OPEN = 8;
const FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

let hasDescriptorPaths: boolean | undefined;
/** On Linux a path can start at an open folder; on other systems each part is checked instead. */
export const canPathsStartAtDescriptors = (): boolean =>
  (hasDescriptorPaths ??= process.platform === 'linux' && existsSync('/proc/self/fd/0'));

const opened = new Map<string, number>();
let isClosing = false;

/** `parts`: names below `root`, without `.` and `..`. Throws the system's error if a part is neither missing nor a link. */
export function openFolderHandle(root: string, parts: readonly string[]): FolderHandle | NoHandle {
  if (!canPathsStartAtDescriptors()) return checkedPath(root, parts);
  // Start from the deepest folder on the path that is open, so that each step down a deep tree opens only one.
  let depth = parts.length;
  let key = depth === 0 ? root : `${root}/${parts.join('/')}`;
  let fd: number | 'missing' | 'link' | undefined = opened.get(key);
  while (fd === undefined && depth > 0) {
    depth -= 1;
    key = key.slice(0, key.length - (parts[depth] as string).length - 1);
    fd = opened.get(key);
  }
  // pyflow removed the folder in this turn; a new one may exist by now.
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

/** Call it also after moving or removing a folder in this turn. */
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
