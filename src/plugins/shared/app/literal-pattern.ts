// Makes patterns for `reads` from known paths.

import type { ViewReader } from '../../../engine/sdk.js';

/** Matches only the path. */
export const literalPattern = (path: string): string => path.replace(/[\\*?{}[\]()!+@]/g, '\\$&');

/** Matches a file, or everything in a folder. `.` is the app. */
export function wholePattern(view: ViewReader, path: string): string {
  if (path === '.') return '**';
  return view.kindOf(path) === 'directory' ? `${literalPattern(path)}/**` : literalPattern(path);
}
