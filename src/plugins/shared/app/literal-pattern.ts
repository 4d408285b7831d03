// Patterns of `reads` for paths that are known. Unaware of what lies there.

import type { ViewReader } from '../../../engine/sdk.js';

/** Matches the path alone. */
export const literalPattern = (path: string): string => path.replace(/[\\*?{}[\]()!+@]/g, '\\$&');

/** Matches a file, or all that lies in a folder. `.` is the app. */
export function wholePattern(view: ViewReader, path: string): string {
  if (path === '.') return '**';
  return view.kindOf(path) === 'directory' ? `${literalPattern(path)}/**` : literalPattern(path);
}
