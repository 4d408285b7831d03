// Whether one path can match two patterns, or lie below a path of either.

/** Of two patterns together; longer pairs count as overlapping. No matcher accepts patterns that long. */
const LONGEST_PAIR = 2048;

export const isGlob = (segment: string): boolean => /[*?[\]{}()!+@\\]/.test(segment);
export const segmentsOf = (pattern: string): readonly string[] =>
  pattern.split('/').filter((segment) => segment !== '' && segment !== '.');

/** `a/{b,c}` -> `a/b`, `a/c`. Returns the pattern itself when there would be too many, or the braces don't pair. */
export function expandBraces(pattern: string): readonly string[] {
  if (pattern.length > LONGEST_PAIR) return [pattern];
  let results = [pattern];
  for (let round = 0; round < 8; round++) {
    let changed = false;
    const next: string[] = [];
    for (const item of results) {
      const match = /\{([^{}]*,[^{}]*)\}/.exec(item);
      if (match === null) {
        next.push(item);
        continue;
      }
      changed = true;
      for (const choice of (match[1] ?? '').split(',')) {
        next.push(item.slice(0, match.index) + choice + item.slice(match.index + match[0].length));
      }
    }
    if (next.length > 64) return [pattern];
    results = next;
    if (!changed) break;
  }
  return results;
}

/** Whether one path can match both patterns, or a path of one can be below a path of the other. */
export const patternsOverlap = (a: string, b: string): boolean =>
  expandBraces(a).some((x) => expandBraces(b).some((y) => segmentsOverlap(segmentsOf(x), segmentsOf(y))));

export function segmentsOverlap(a: readonly string[], b: readonly string[]): boolean {
  if (a.length + b.length > LONGEST_PAIR) return true;
  const seen = new Set<number>();
  const meet = (i: number, j: number): boolean => {
    // The shorter pattern names a file or folder that the other writes into. This does not apply after a `**` that
    // matched something: `**/*.py` does not write into a.txt.
    if (i === a.length) return b.slice(j).every((rest) => rest === '**') || (i === j && !b.slice(0, j).includes('**'));
    if (j === b.length) return a.slice(i).every((rest) => rest === '**') || (i === j && !a.slice(0, i).includes('**'));
    const state = i * (b.length + 1) + j;
    if (seen.has(state)) return false;
    seen.add(state);
    const x = a[i] as string;
    const y = b[j] as string;
    if (x === '**') return meet(i + 1, j) || meet(i, j + 1);
    if (y === '**') return meet(i, j + 1) || meet(i + 1, j);
    return segmentOverlap(x, y) && meet(i + 1, j + 1);
  };
  return meet(0, 0);
}

/** Whether one name can match both globs. Brackets and extended globs count as matching anything. */
function segmentOverlap(a: string, b: string): boolean {
  if (a === b) return true;
  if (!isGlob(a) && !isGlob(b)) return false;
  const x = tokensOf(a);
  const y = tokensOf(b);
  if (x.length + y.length > LONGEST_PAIR) return true;
  const seen = new Set<number>();
  const meet = (i: number, j: number): boolean => {
    if (i === x.length && j === y.length) return true;
    const state = i * (y.length + 1) + j;
    if (seen.has(state)) return false;
    seen.add(state);
    if (x[i] === '*') return meet(i + 1, j) || (j < y.length && meet(i, j + 1));
    if (y[j] === '*') return meet(i, j + 1) || (i < x.length && meet(i + 1, j));
    if (i === x.length || j === y.length) return false;
    return (x[i] === y[j] || x[i] === '?' || y[j] === '?') && meet(i + 1, j + 1);
  };
  return meet(0, 0);
}

const tokensOf = (segment: string): readonly string[] =>
  /[[\]{}()!+@\\]/.test(segment) ? ['*'] : [...segment.replace(/\*+/g, '*')];
