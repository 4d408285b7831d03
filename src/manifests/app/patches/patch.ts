// A patch of an app, as data: what to change so that a failure or notice no longer occurs.

import { unifiedDiff } from './unified-diff.js';

export interface FileEdit {
  /** Relative to the app. */
  readonly file: string;
  /** The path that the file has now, if it is renamed. */
  readonly from?: string;
  /** The new text. Absent if the file is deleted. */
  readonly to?: string;
  /** A unified diff. If the file has another encoding now, that of its text. */
  readonly diff: string;
}

export interface Patch {
  /** The code of the failure or notice. */
  readonly code: string;
  /** What the patch does, as an imperative. */
  readonly title: string;
  readonly edits: readonly FileEdit[];
  /** What to run after the edits, for what pyflow leaves to another program. */
  readonly command?: string;
}

/** The app as fixers see it. */
export interface AppReader {
  /** Undefined if there is no regular file, or if it is too large for any of these files. */
  read(path: string): Uint8Array | undefined;
  /** Names in a folder of the app; empty if there is none. */
  names(folder: string): readonly string[];
  isFolder(path: string): boolean;
}

export interface FixContext {
  /** The folder of the project, `.` for the app. */
  readonly root: string;
  /** The version of Python to write where the app leaves it open: that of its last build, else one that fits, N.N. */
  readonly minor: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly app: AppReader;
}

export const inFolder = (root: string, name: string): string => (root === '.' ? name : `${root}/${name}`);

export const addFile = (file: string, to: string): FileEdit => ({
  file,
  to,
  diff: unifiedDiff({ to: { path: file, text: to } }),
});

export const changeFile = (file: string, before: string, to: string): FileEdit => ({
  file,
  to,
  diff: unifiedDiff({ from: { path: file, text: before }, to: { path: file, text: to } }),
});

export const renameFile = (from: string, file: string, before: string, to = before): FileEdit => ({
  file,
  from,
  to,
  diff: unifiedDiff({ from: { path: from, text: before }, to: { path: file, text: to } }),
});

export const deleteFile = (file: string, before: string): FileEdit => ({
  file,
  diff: unifiedDiff({ from: { path: file, text: before } }),
});
