// RECORD files of installed packages: which files belong to one, with digest and size.

import { createHash } from 'node:crypto';

/** `sha256=URLSAFE,SIZE`, as the last two columns spell it. */
export const recordColumns = (bytes: Uint8Array): string =>
  `sha256=${createHash('sha256').update(bytes).digest('base64url')},${bytes.byteLength}`;

/**
 * The RECORD with each line passed through `change`: other columns for the path, `drop`, or undefined to leave the line
 * byte by byte as the installer wrote it.
 */
export function editRecord(text: string, change: (path: string) => string | 'drop' | undefined): string {
  return text
    .split(/(?<=\n)/)
    .map((line) => {
      const cell = /^(?:"((?:[^"]|"")*)"|([^,\r\n]*)),/.exec(line);
      if (cell === null) return line;
      const columns = change(cell[1]?.replaceAll('""', '"') ?? cell[2] ?? '');
      if (columns === undefined) return line;
      if (columns === 'drop') return '';
      return `${cell[0]}${columns}${/\r?\n$/.exec(line)?.[0] ?? ''}`;
    })
    .join('');
}

/** The RECORD with other paths; undefined leaves a line byte by byte as it is. */
export function renameInRecord(text: string, rename: (path: string) => string | undefined): string {
  return text
    .split(/(?<=\n)/)
    .map((line) => {
      const cell = /^(?:"((?:[^"]|"")*)"|([^,\r\n]*)),/.exec(line);
      if (cell === null) return line;
      const name = rename(cell[1]?.replaceAll('""', '"') ?? cell[2] ?? '');
      if (name === undefined) return line;
      const written = /[",]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name;
      return `${written},${line.slice(cell[0].length)}`;
    })
    .join('');
}

/** Paths in the order of the file. */
export function recordPaths(text: string): readonly string[] {
  const paths: string[] = [];
  editRecord(text, (path) => void paths.push(path));
  return paths;
}
