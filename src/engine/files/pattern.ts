// Compiles path patterns, in the same way everywhere.

import { compilePathPattern, LARGEST_PATTERN, type PathMatcher } from '../../manifests/path-pattern.js';
import { FailureError, type Failure } from '../failure.js';

const known = new Map<string, PathMatcher>();
const MOST_KNOWN = 1000;

function matcherOfOne(pattern: string): PathMatcher {
  let matcher = known.get(pattern);
  if (matcher === undefined) {
    matcher = compilePathPattern(pattern);
    if (matcher === undefined) throw new FailureError(patternTooLarge(pattern, 'pipeline'));
    if (known.size >= MOST_KNOWN) known.clear();
    known.set(pattern, matcher);
  }
  return matcher;
}

/** Whether a path matches the pattern, or any of several. Throws a FailureError for a pattern that is too large. */
export function matcherOf(patterns: string | readonly string[]): PathMatcher {
  if (typeof patterns === 'string') return matcherOfOne(patterns);
  const matchers = patterns.map(matcherOfOne);
  return (path) => matchers.some((matches) => matches(path));
}

export const patternTooLarge = (pattern: string, blame: 'app' | 'pipeline'): Failure => ({
  code: 'pattern::too-large',
  blame,
  title: `A path pattern is too large: ${pattern.slice(0, 60)}${pattern.length > 60 ? '...' : ''}`,
  detail: LARGEST_PATTERN,
  remedy: 'Write several shorter patterns, or name a folder that contains the files.',
});
