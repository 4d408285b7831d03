// What an entry of a folder is, in the words of plugins and of messages.

import type { Dirent, Stats } from 'node:fs';

export type EntryKind = 'file' | 'directory' | 'symlink' | 'other';

/** Of an entry of a listing, or of its stat tuple. */
export function kindOf(entry: Pick<Stats, 'isFile' | 'isDirectory' | 'isSymbolicLink'>): EntryKind {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'directory';
  return entry.isSymbolicLink() ? 'symlink' : 'other';
}

/** For a message, with its article. */
export function describeEntry(entry: Stats | Dirent): string {
  if (entry.isSymbolicLink()) return 'a symbolic link';
  if (entry.isDirectory()) return 'a folder';
  if (entry.isFIFO()) return 'a named pipe';
  if (entry.isSocket()) return 'a socket';
  return entry.isFile() ? 'a file' : 'a device';
}
