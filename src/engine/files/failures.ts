// Failures of files that the app's code may have left where pyflow works.

import type { Failure } from '../failure.js';
import { shownPath } from './shown-path.js';

/** `found` completes "It is ..."; `expected` completes "pyflow expects ...". */
export const unsafeFile = (path: string, found: string, expected: string): Failure => ({
  code: 'app::unsafe-file',
  blame: 'app',
  title: `pyflow refuses to use ${shownPath(path)}`,
  detail: `It is ${found}, but pyflow expects ${expected} there. A script, a build or a package of the app created it.`,
  remedy: 'Find the script or package that creates it and make it create a regular file or folder instead.',
});

export const pathTooLong = (path: string, limits: { readonly bytes: number; readonly folders: number }): Failure => ({
  code: 'app::path-too-long',
  blame: 'app',
  title: 'A path is too long',
  detail: `${shownPath(path.slice(0, 120))}... has ${Buffer.byteLength(path)} bytes and ${path.split('/').length} nested folders. pyflow allows ${limits.bytes} bytes and ${limits.folders} folders.`,
  remedy: 'Use fewer nested folders or shorter names.',
});

export const tooManyFiles = (path: string, limit: number): Failure => ({
  code: 'app::too-many-files',
  blame: 'app',
  title: `Too many files below ${shownPath(path)}`,
  detail: `pyflow handles at most ${limit} files and folders there.`,
  remedy: "Remove files that the app doesn't need, or pack them into an archive.",
});

export const readTooLarge = (path: string, bytes: number, limit: number): Failure => ({
  code: 'app::file-too-large',
  blame: 'app',
  title: `File too large to read: ${shownPath(path)}`,
  detail: `It has ${bytes} bytes; pyflow reads files of this kind up to ${limit} bytes.`,
  remedy: 'Find the script or package that writes it, and make it write less.',
});
