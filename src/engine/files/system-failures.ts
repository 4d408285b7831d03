// Translates the system's error codes for users: which limit or permission is the cause, and how to change it.

import { relative } from 'node:path';
import type { Failure } from '../failure.js';
import { shownPath } from './shown-path.js';

interface Meaning {
  readonly code: string;
  readonly title: string;
  readonly remedy: string;
}

const DISK_FULL: Meaning = {
  code: 'environment::disk-full',
  title: 'No space left on the disk',
  remedy: 'Free some space (`pyflow cache gc` helps) or move the cache with --cache-dir, then run again.',
};
const OPEN_FILES: Meaning = {
  code: 'environment::too-many-open-files',
  title: 'Too many files are open',
  remedy: 'Raise the limit on open files, for example with `ulimit -n 1024`, then run again.',
};
const NO_RESOURCES: Meaning = {
  code: 'environment::no-resources',
  title: 'The system has no processes or memory left',
  remedy: 'Raise the limit on processes (`ulimit -u`) or on memory, or wait until other programs end. Then run again.',
};
const MEANINGS: Readonly<Record<string, Meaning>> = {
  ENOSPC: DISK_FULL,
  EDQUOT: DISK_FULL,
  EMFILE: OPEN_FILES,
  ENFILE: OPEN_FILES,
  EAGAIN: NO_RESOURCES,
  ENOMEM: NO_RESOURCES,
  EFBIG: {
    code: 'environment::file-size-limit',
    title: 'A file reached the limit on file sizes',
    remedy: 'Raise the limit (`ulimit -f`) or use a file system that supports larger files, then run again.',
  },
  EROFS: {
    code: 'environment::read-only',
    title: 'A file system is read-only',
    remedy: 'Use --cache-dir and --out to choose folders on a writable file system, then run again.',
  },
};
const OTHER: Meaning = {
  code: 'environment::file-system',
  title: 'The file system reported an error',
  remedy: 'Check permissions and the state of the disk, then run again.',
};

/** Full disks and the like. The system's error code distinguishes them from bugs. */
export function systemFailure(error: unknown): Failure | undefined {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined || !/^E[A-Z0-9]+$/.test(code)) return undefined;
  return { ...(MEANINGS[code] ?? OTHER), blame: 'environment', detail: message };
}

/** Only for limits or the state of the machine, never for the file itself. */
export function scarcityFailure(error: unknown): Failure | undefined {
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  return code !== undefined && (code in MEANINGS || code === 'EIO') ? systemFailure(error) : undefined;
}

/** Errors of files as commands may leave them: closed to their owner, links in a circle, paths that are too long. */
const LEFT_BY_COMMANDS = new Set(['EACCES', 'EPERM', 'ELOOP', 'ENAMETOOLONG', 'ENOTDIR', 'EISDIR', 'ENXIO']);

/** For a file that a command left unreadable in the folder of its node. */
export function unreadableBelow(folder: string, error: unknown): Failure | undefined {
  const { code, path, message } = (error ?? {}) as NodeJS.ErrnoException;
  if (code === undefined || path === undefined || !LEFT_BY_COMMANDS.has(code)) return undefined;
  const below = relative(folder, String(path));
  if (below === '' || below === '..' || below.startsWith('../')) return undefined;
  // The first part names the folder's role: app, tmp or tool.
  const shown = below.replace(/^app\//, '');
  return {
    code: 'app::unreadable-file',
    blame: 'app',
    title: `A file can't be read: ${shownPath(shown.length > 200 ? `${shown.slice(0, 200)}...` : shown)}`,
    detail: `${code}: ${message.replace(/^\w+: /, '').split(',')[0] ?? ''}`,
    remedy: 'Give its owner permission to read it (chmod u+r), or remove it.',
  };
}
