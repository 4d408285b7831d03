// Files that the operator names, such as settings and keys. They are trusted, but must not block pyflow or fill its memory.

import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from 'node:fs';
import { sep } from 'node:path';
import { fail, succeed, type Result } from '../failure.js';

/** Far more than any key, list of authorities or settings file needs. */
const LARGEST = 2_000_000;

/** The failure is a sentence. Follows links, because secrets are often mounted as links. */
export function readOperatorText(path: string): Result<string, string> {
  let fd: number | undefined;
  try {
    // A pipe must not block.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = fstatSync(fd);
    if (!stats.isFile()) return fail('It is not a regular file.');
    if (stats.size > LARGEST) return fail('It is larger than 2 MB.');
    const bytes = Buffer.alloc(stats.size);
    const count = readSync(fd, bytes, 0, stats.size, 0);
    return succeed(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, count)));
  } catch (error) {
    return fail(whyUnreadable(error));
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

export function whyUnreadable(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'The file does not exist.';
  if (code === 'EACCES' || code === 'EPERM') return "You don't have permission to read it.";
  return code === 'ERR_ENCODING_INVALID_ENCODED_DATA'
    ? 'It is not UTF-8 text.'
    : `The system reported ${code ?? 'an error'}.`;
}

/** Whether a file is below a folder, by its name or by what its links lead to. */
export const isBelow = (path: string, folder: string): boolean =>
  path.startsWith(`${folder}${sep}`) || real(path).startsWith(`${real(folder)}${sep}`);

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
