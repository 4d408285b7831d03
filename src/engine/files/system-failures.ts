// What the system's own error codes mean to a person: which limit or permission was met, who can change it, and how.

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
  title: 'There is no space left on the disk',
  remedy: 'Free some space (pyflow cache gc helps), or move the cache with --cache-dir, and run again.',
};
const OPEN_FILES: Meaning = {
  code: 'environment::too-many-open-files',
  title: 'Too many files are open',
  remedy: 'Raise the limit on open files, for example with `ulimit -n 1024`, and run again.',
};
const NO_RESOURCES: Meaning = {
  code: 'environment::no-resources',
  title: 'The system has no processes or memory left to give',
  remedy: 'Raise the limit on processes (`ulimit -u`) or on memory, or wait until other programs end, and run again.',
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
    title: 'A file would grow past the limit on the size of files',
    remedy: 'Raise the limit (`ulimit -f`), or choose a file system that takes larger files, and run again.',
  },
  EROFS: {
    code: 'environment::read-only',
    title: 'A file system is read-only',
    remedy: 'Choose folders on a file system that can be written with --cache-dir and --out, and run again.',
  },
};
const OTHER: Meaning = {
  code: 'environment::file-system',
  title: 'The file system refused an operation',
  remedy: 'Check permissions and the state of the disk, and run again.',
};

/** Full disks and the like, told apart from bugs by the system's own code. */
export function systemFailure(error: unknown): Failure | undefined {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined || !/^E[A-Z0-9]+$/.test(code)) return undefined;
  return { ...(MEANINGS[code] ?? OTHER), blame: 'environment', detail: message };
}

/** Of a limit or state of the machine, never of the file that was worked on. */
export function scarcityFailure(error: unknown): Failure | undefined {
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  return code !== undefined && (code in MEANINGS || code === 'EIO') ? systemFailure(error) : undefined;
}

/** What a command may leave behind: closed to its owner, a link in a circle, too deep for a path. */
const LEFT_BY_COMMANDS = new Set(['EACCES', 'EPERM', 'ELOOP', 'ENAMETOOLONG', 'ENOTDIR', 'EISDIR', 'ENXIO']);

/** A file below the folder of a node that cannot be read as its command left it. */
export function unreadableBelow(folder: string, error: unknown): Failure | undefined {
  const { code, path, message } = (error ?? {}) as NodeJS.ErrnoException;
  if (code === undefined || path === undefined || !LEFT_BY_COMMANDS.has(code)) return undefined;
  const below = relative(folder, String(path));
  if (below === '' || below === '..' || below.startsWith('../')) return undefined;
  // The first part is the folder's role: app, tmp, tool.
  const shown = below.replace(/^app\//, '');
  return {
    code: 'app::unreadable-file',
    blame: 'app',
    title: `A file cannot be read: ${shownPath(shown.length > 200 ? `${shown.slice(0, 200)}...` : shown)}`,
    detail: `${code}: ${message.replace(/^\w+: /, '').split(',')[0] ?? ''}`,
    remedy: 'Give its owner permission to read it (chmod u+r), or remove it.',
  };
}
