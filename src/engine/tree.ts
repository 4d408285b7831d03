// Trees and layers in memory. The messages they are stored as live in reapi.ts.

import type { Digest } from './digest.js';

export interface FileEntry {
  readonly name: string;
  readonly digest: Digest;
  readonly executable: boolean;
}
export interface DirectoryEntry {
  readonly name: string;
  readonly digest: Digest;
}
export interface SymlinkEntry {
  readonly name: string;
  readonly target: string;
}

/** One directory; each list sorted by the UTF-8 bytes of the name, as REAPI demands. */
export interface Directory {
  readonly files: readonly FileEntry[];
  readonly directories: readonly DirectoryEntry[];
  readonly symlinks: readonly SymlinkEntry[];
}

/** Every directory of some trees, by digest of its canonical encoding. */
export type DirectoryTable = Map<Digest, Directory>;

export interface Tree {
  readonly root: Digest;
  readonly directories: DirectoryTable;
}

/** What one node added, changed or deleted, in app coordinates. Stored as a blob; `digest` is that blob's. */
export interface Layer {
  readonly digest: Digest;
  /** Of the REAPI Tree message. */
  readonly tree: Digest;
  /** Of the root Directory message. */
  readonly root: Digest;
  /** App-relative POSIX paths, sorted by code unit. */
  readonly deleted: readonly string[];
  readonly files: number;
  readonly bytes: number;
}

/** Layer digests, base first, like the layers of an OCI image. */
export type TreeValue = readonly Digest[];
