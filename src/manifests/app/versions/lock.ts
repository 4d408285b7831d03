// What a lockfile says about Pythons, in one form for all tools: its own constraint, and for each Python the packages that it
// would install, with the files that the lockfile lists.

import type { MarkerEnvironment } from '../markers.js';

/** A package, as far as its files and constraints matter. */
export interface LockedFiles {
  /** Normalized. */
  readonly name: string;
  readonly version: string;
  /** File names. */
  readonly wheels: readonly string[];
  readonly hasSdist: boolean;
  /** Constraint on Python, in the spelling of the tool. */
  readonly python?: string;
}

/** A constraint that a file of the app sets. */
export interface PythonConstraint {
  /** The file, relative to the app. */
  readonly file: string;
  /** As written. */
  readonly text: string;
}

export interface VersionLock {
  /** Relative to the app. */
  readonly file: string;
  readonly constraints: readonly PythonConstraint[];
  /** Markers of which one must hold for the lockfile to be usable; empty if it is for all environments. */
  readonly environments: readonly string[];
  /** False for locks that list digests without names, which don't show for which Pythons a package has wheels. */
  readonly namesFiles: boolean;
  /** All packages in the lockfile. */
  readonly size: number;
  /** The packages that are installed for certain. One whose marker can't be evaluated is left out. */
  packagesFor(environment: MarkerEnvironment): readonly LockedFiles[];
}
