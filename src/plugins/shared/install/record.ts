// RECORD files of installed packages: which files belong to one, with digest and size.

import { createHash } from 'node:crypto';

/** `sha256=URLSAFE,SIZE`, as the last two columns spell it. */
export const recordColumns = (bytes: Uint8Array): string =>
  `sha256=${createHash('sha256').update(bytes).digest('base64url')},${bytes.byteLength}`;

/**
 * The RECORD with each line passed through `change`: other columns for the path, `drop`, or undefined to leave the line
 * byte by byte as the installer wrote it.
 */
export const editRecord = (text: string, change: (path: string) => string | 'drop' | undefined): string =>
  editLines(text, ({ path, cell, end }) => {
    const columns = change(path);
    if (columns === undefined) return undefined;
    return columns === 'drop' ? '' : `${cell}${columns}${end}`;
  });

/** The RECORD with other paths; undefined leaves a line byte by byte as it is. */
export const renameInRecord = (text: string, rename: (path: string) => string | undefined): string =>
  editLines(text, ({ path, rest }) => {
    const name = rename(path);
    if (name === undefined) return undefined;
    const written = /[",]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name;
    return `${written},${rest}`;
  });

interface RecordLine {
  readonly path: string;
  /** The path as it is written, with its comma. */
  readonly cell: string;
  /** What follows the cell. */
  readonly rest: string;
  /** The end of the line. */
  readonly end: string;
}

/** Lines without a path, and those for which `edit` gives undefined, stay. */
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
