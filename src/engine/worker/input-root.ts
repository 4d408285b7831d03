// Reads the folders that a worker has laid out for an action. Nothing of the action has run in them yet.

import { lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import type { SourceEntry } from '../app/source.js';
import { FailureError } from '../failure.js';
import type { Digest } from '../files/digest.js';
import { digestFile } from '../files/file-digest.js';
import { buildTree, type NewEntry } from '../trees/directories.js';
import type { DirectoryTable } from '../trees/tree.js';
import { unusableInput } from './failures.js';

export interface InputFolder {
  /** Digest of the folder as a tree, whose directories are in the table. */
  readonly root: Digest;
  readonly stat: Stats;
  /** By path relative to the folder; parents come before their content. */
  readonly entries: ReadonlyMap<string, SourceEntry>;
  readonly bytes: number;
}

const MOST_ENTRIES = 1_000_000;

/**
 * Modes count as 0644 or 0755, because that is all that every worker keeps. Adds the folder's directories to `table`, and the
 * absolute paths of its files, by digest, to `sources`. Throws a `FailureError`.
 */
export async function readInputFolder(
  folder: string,
  table: DirectoryTable,
  sources: Map<Digest, string>,
): Promise<InputFolder> {
  const entries = new Map<string, SourceEntry>();
  const tree: (readonly [string, NewEntry])[] = [];
  let bytes = 0;
  const pending = [''];
  for (let prefix = pending.pop(); prefix !== undefined; prefix = pending.pop()) {
    const listed = readdirSync(`${folder}/${prefix}`).sort();
    for (const name of listed) {
      const path = prefix + name;
      const stat = lstatSync(`${folder}/${path}`);
      if (entries.size >= MOST_ENTRIES) throw new FailureError(unusableInput(folder, 'It has too many files.'));
      if (stat.isDirectory()) {
        entries.set(path, { type: 'directory', stat });
        tree.push([path, { directory: true }]);
        pending.push(`${path}/`);
      } else if (stat.isSymbolicLink()) {
        const target = readlinkSync(`${folder}/${path}`);
        entries.set(path, { type: 'symlink', target, stat });
        tree.push([path, { target }]);
      } else if (stat.isFile()) {
        const digest = await digestFile(`${folder}/${path}`);
        if (!digest.ok) throw new FailureError(digest.failure);
        const executable = (stat.mode & 0o100) !== 0;
        entries.set(path, { type: 'file', size: stat.size, stat, executable });
        tree.push([path, { digest: digest.value, executable }]);
        sources.set(digest.value, `${folder}/${path}`);
        bytes += stat.size;
      } else throw new FailureError(unusableInput(path, 'It is neither a file nor a folder nor a link.'));
    }
  }
  return { root: buildTree(tree, table).root, stat: lstatSync(folder), entries, bytes };
}

/** Names of the folders in a folder; none if it is missing. */
export function foldersIn(folder: string): readonly string[] {
  if (lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}
