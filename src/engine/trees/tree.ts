// Trees and layers in memory. The messages they are stored as live in reapi.ts.

import type { Digest } from '../files/digest.js';

/** Permissions of a file as REAPI holds them: 0644 and 0755 need no more than `executable`. */
export interface Permissions {
  readonly executable: boolean;
  /** All nine bits, where they are neither 0644 nor 0755. */
  readonly mode?: number;
}
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

/** One directory; each list sorted by the UTF-8 bytes of the name, as REAPI demands. */
export interface Directory {
  readonly files: readonly FileEntry[];
  readonly directories: readonly DirectoryEntry[];
  readonly symlinks: readonly SymlinkEntry[];
  /** Its own permissions. Absent in a layer: as they are below it; nowhere given: 0755. */
  readonly mode?: number;
}

export const FOLDER_MODE = 0o755;
const modeOf = (executable: boolean): number => (executable ? 0o755 : 0o644);

export function permissionsOf(mode: number): Permissions {
  const executable = (mode & 0o100) !== 0;
  return mode === modeOf(executable) ? { executable } : { executable, mode };
}

export const modeOfFile = ({ executable, mode }: Permissions): number => mode ?? modeOf(executable);

/** As records, markers and messages spell it: empty for 0644. */
export const spellPermissions = (file: Permissions): string =>
  file.mode === undefined ? (file.executable ? ' executable' : '') : ` mode ${spellMode(file.mode)}`;
export const spellMode = (mode: number): string => `0${mode.toString(8).padStart(3, '0')}`;

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
