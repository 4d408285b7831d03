// Trees and layers in memory. reapi.ts has the messages as which they are stored.

import type { Digest } from '../files/digest.js';
import type { Permissions } from '../files/modes.js';

/** Bytes of the largest file that a tree can have. */
export const MOST_FILE_BYTES = 4 * 1024 ** 3;

export interface FileEntry extends Permissions {
  readonly name: string;
  readonly digest: Digest;
}
export interface DirectoryEntry {
  readonly name: string;
  readonly digest: Digest;
}
export interface SymlinkEntry {
  readonly name: string;
  readonly target: string;
}

/** One directory. Each list is sorted by the UTF-8 bytes of the name, as REAPI requires. */
export interface Directory {
  readonly files: readonly FileEntry[];
  readonly directories: readonly DirectoryEntry[];
  readonly symlinks: readonly SymlinkEntry[];
  /**
   * Permissions of the directory. If absent in a layer, those of the layers below apply; if absent everywhere, 0755.
   */
  readonly mode?: number;
}

/** The directories of some trees, by digest of their canonical encoding. */
export type DirectoryTable = Map<Digest, Directory>;

export interface Tree {
  readonly root: Digest;
  readonly directories: DirectoryTable;
}

/** What one node added, changed or deleted, in app coordinates. */
export interface Layer {
  /** Digest over `root`, `deleted`, `files` and `bytes`; see `layerText`. */
  readonly digest: Digest;
  /** Digest of the REAPI Tree message with the directories in the order of `directoriesOf`. Says where they are stored. */
  readonly tree: Digest;
  /** Digest of the root Directory message. */
  readonly root: Digest;
  /** App-relative POSIX paths, sorted by code unit. */
  readonly deleted: readonly string[];
  readonly files: number;
  readonly bytes: number;
}

/** Layer digests, base first, like the layers of an OCI image. */
export type TreeValue = readonly Digest[];

/** Splits a tree value as outputs spell it: layer digests joined by commas. */
export const splitTree = (value: string): TreeValue => (value === '' ? [] : (value.split(',') as Digest[]));
