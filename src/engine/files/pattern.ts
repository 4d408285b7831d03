// Patterns of paths, compiled in one way everywhere. The only importer of picomatch.

import picomatch from 'picomatch';

/** `s`: a wildcard stands for every character but a slash, ends of lines too, since names may hold those. */
const OPTIONS = { dot: true, flags: 's' } as const;

/** Whether a path matches the pattern, or any of several. */
export const matcherOf = (patterns: string | readonly string[]): ((path: string) => boolean) =>
  picomatch(typeof patterns === 'string' ? patterns : [...patterns], OPTIONS);

/** The folder in front of the first wildcard, and whether there is a wildcard at all. */
export const scanPattern = (pattern: string): { readonly base: string; readonly isGlob: boolean } =>
  picomatch.scan(pattern);
