// Failures of files that code of the app could have put where pyflow works.

import type { Failure } from '../failure.js';
import { shownPath } from './shown-path.js';

/** `path`: as a user knows it; `found` completes "It is ..."; `expected` completes "pyflow expects ...". */
export const unsafeFile = (path: string, found: string, expected: string): Failure => ({
  code: 'app::unsafe-file',
  blame: 'app',
  title: `pyflow refuses to use ${shownPath(path)}`,
  detail: `It is ${found}; pyflow expects ${expected} there. A script, a build or a package of the app put it in that place.`,
  remedy: 'Find the script or package that creates it and make it create a regular file or folder instead.',
});

export const pathTooLong = (path: string, limits: { readonly bytes: number; readonly folders: number }): Failure => ({
  code: 'app::path-too-long',
  blame: 'app',
  title: 'A path is too long',
  detail: `${shownPath(path.slice(0, 120))}... has ${Buffer.byteLength(path)} bytes and ${path.split('/').length} nested folders. pyflow takes ${limits.bytes} bytes and ${limits.folders} folders.`,
  remedy: 'Use fewer nested folders or shorter names.',
});

export const tooManyFiles = (path: string, limit: number): Failure => ({
  code: 'app::too-many-files',
  blame: 'app',
  title: `There are too many files below ${shownPath(path)}`,
  detail: `pyflow handles ${limit} files and folders in one place.`,
  remedy: 'Remove files that the app does not need, or keep them in an archive.',
});

export const readTooLarge = (path: string, bytes: number, limit: number): Failure => ({
  code: 'app::file-too-large',
  blame: 'app',
  title: `A file is too large to be read: ${shownPath(path)}`,
  detail: `It has ${bytes} bytes; pyflow reads files of this kind up to ${limit} bytes.`,
  remedy: 'Find the script or package that writes it.',
});
