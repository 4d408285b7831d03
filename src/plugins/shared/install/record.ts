// Reads and edits the RECORD files of installed packages, which list their files with digest and size.

import { createHash } from 'node:crypto';

/** The last two columns: `sha256=URLSAFE,SIZE`. */
export const recordColumns = (bytes: Uint8Array): string =>
  `sha256=${createHash('sha256').update(bytes).digest('base64url')},${bytes.byteLength}`;

/**
 * Passes each line of the RECORD to `change`, which returns new columns for the path, `drop`, or undefined to keep the line
 * exactly as the installer wrote it.
 */
export const editRecord = (text: string, change: (path: string) => string | 'drop' | undefined): string =>
  editLines(text, ({ path, cell, end }) => {
    const columns = change(path);
    if (columns === undefined) return undefined;
    return columns === 'drop' ? '' : `${cell}${columns}${end}`;
  });

/** Renames paths in the RECORD. Undefined keeps a line exactly as it is. */
export const renameInRecord = (text: string, rename: (path: string) => string | undefined): string =>
  editLines(text, ({ path, rest }) => {
    const name = rename(path);
    if (name === undefined) return undefined;
    const written = /[",]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name;
    return `${written},${rest}`;
  });

interface RecordLine {
  readonly path: string;
  /** The path as written, with its comma. */
  readonly cell: string;
  /** The rest of the line after the cell. */
  readonly rest: string;
  /** The line ending. */
  readonly end: string;
}

/** Keeps lines without a path, and lines for which `edit` returns undefined. */
const editLines = (text: string, edit: (line: RecordLine) => string | undefined): string =>
  text
    .split(/(?<=\n)/)
    .map((line) => {
      const [cell, quoted, plain] = /^(?:"((?:[^"]|"")*)"|([^,\r\n]*)),/.exec(line) ?? [];
      if (cell === undefined) return line;
      const path = quoted?.replaceAll('""', '"') ?? plain ?? '';
      return edit({ path, cell, rest: line.slice(cell.length), end: /\r?\n$/.exec(line)?.[0] ?? '' }) ?? line;
    })
    .join('');

/** Paths in the order of the file. */
export function recordPaths(text: string): readonly string[] {
  const paths: string[] = [];
  editRecord(text, (path) => void paths.push(path));
  return paths;
}
