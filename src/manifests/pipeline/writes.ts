// Whether what two nodes write may collide: patterns against patterns, order against order. Unaware of plugins.

import { reachability, type Prerequisites } from './graph.js';

/** Beyond so many comparisons of patterns the check gives up; only generated files with thousands of globs get there. */
const MAX_COMPARISONS = 500_000;
/** Comparing two patterns takes at most as many steps as the product of their lengths; beyond this they count for more. */
const USUAL_PRODUCT = 4096;
const STEPS_OF_ONE = 100;
/** Of two patterns together; past it they count as overlapping. No matcher takes patterns that long. */
const LONGEST_PAIR = 2048;
/** The same for pairs of nodes that could collide but are excused. */
const MAX_EXCUSES = 5_000_000;
/** Nobody reads further. */
const MAX_COUNTED = 100;

export interface Conflict {
  readonly earlier: number;
  readonly later: number;
  readonly patterns: readonly [string, string];
  /** Other nodes that collide with `later` as well; counted up to a hundred. */
  readonly others: number;
}

/**
 * Pairs of unordered nodes whose patterns can match one path. `mayOverlap` excuses a pair. At most one conflict per
 * later node: the others are counted.
 */
export function findConflicts(
  graph: Prerequisites,
  order: readonly number[],
  writes: readonly (readonly string[])[],
  mayOverlap: (a: number, b: number) => boolean,
): { readonly conflicts: readonly Conflict[]; readonly gaveUp: boolean } {
  const writers = new Map<string, number[]>();
  for (const vertex of order) {
    for (const pattern of new Set(writes[vertex])) {
      const known = writers.get(pattern);
      if (known) known.push(vertex);
      else writers.set(pattern, [vertex]);
    }
  }
  const { overlaps, gaveUp } = overlappingPatterns([...writers.keys()]);
  // Only nodes with a pattern that some other node touches get a column of bits.
  const contested = new Set<number>();
  for (const [pattern, vertices] of writers) {
    const others = overlaps.get(pattern) ?? [];
    if (vertices.length > 1 || others.length > 0) for (const vertex of vertices) contested.add(vertex);
  }
  if (contested.size < 2) return { conflicts: [], gaveUp };
  const targets = order.filter((vertex) => contested.has(vertex));
  const rank = new Map(targets.map((vertex, index) => [vertex, index]));
  const { words, row } = reachability(graph, order, targets);
  const masks = new Map<string, Uint32Array>();
  for (const [pattern, vertices] of writers) {
    const mask = new Uint32Array(words);
    for (const vertex of vertices) {
      const index = rank.get(vertex);
      if (index !== undefined) mask[index >> 5] = (mask[index >> 5] as number) | (1 << (index & 31));
    }
    masks.set(pattern, mask);
  }
  const conflicts: Conflict[] = [];
  let excuses = 0;
  for (const [position, later] of targets.entries()) {
    const ancestors = row(later);
    let first: { earlier: number; patterns: readonly [string, string] } | undefined;
    const colliding = new Set<number>();
    for (const mine of new Set(writes[later])) {
      for (const theirs of [mine, ...(overlaps.get(mine) ?? [])]) {
        const mask = masks.get(theirs);
        if (mask === undefined) continue;
        for (let word = 0; word <= position >> 5; word++) {
          let bits = (mask[word] as number) & ~(ancestors[word] as number);
          while (bits !== 0) {
            const bit = 31 - Math.clz32(bits & -bits);
            bits &= bits - 1;
            const index = word * 32 + bit;
            if (index >= position) break;
            const earlier = targets[index] as number;
            if (colliding.size > MAX_COUNTED || colliding.has(earlier)) continue;
            if (excuses++ > MAX_EXCUSES) return { conflicts, gaveUp: true };
            if (mayOverlap(earlier, later)) continue;
            colliding.add(earlier);
            first ??= { earlier, patterns: [theirs, mine] };
          }
        }
      }
    }
    if (first) conflicts.push({ ...first, later, others: colliding.size - 1 });
  }
  return { conflicts, gaveUp };
}

interface TrieNode {
  readonly children: Map<string, TrieNode>;
  readonly ending: string[];
}

/** For each pattern the different ones it overlaps. Compares only patterns whose literal beginnings agree. */
function overlappingPatterns(patterns: readonly string[]): {
  readonly overlaps: ReadonlyMap<string, readonly string[]>;
  readonly gaveUp: boolean;
} {
  const overlaps = new Map<string, string[]>();
  const note = (a: string, b: string): void => {
    const known = overlaps.get(a);
    if (known) known.push(b);
    else overlaps.set(a, [b]);
  };
  const root: TrieNode = { children: new Map(), ending: [] };
  const expanded = new Map(patterns.map((pattern) => [pattern, expandBraces(pattern).map(segmentsOf)]));
  const related = new Set<string>();
  let comparisons = 0;
  const compare = (a: string, b: string): void => {
    const identity = a < b ? `${a}\0${b}` : `${b}\0${a}`;
    if (a === b || related.has(identity) || comparisons > MAX_COMPARISONS) return;
    comparisons += 1 + Math.max(0, a.length * b.length - USUAL_PRODUCT) / STEPS_OF_ONE;
    const theirs = expanded.get(b) ?? [];
    if (!(expanded.get(a) ?? []).some((mine) => theirs.some((other) => segmentsOverlap(mine, other)))) return;
    related.add(identity);
    note(a, b);
    note(b, a);
  };
  const leaves: (readonly [string, readonly TrieNode[]])[] = [];
  for (const [pattern, alternatives] of expanded) {
    for (const segments of alternatives) {
      let node = root;
      const trail = [root];
      for (const segment of segments) {
        if (isGlob(segment)) break;
        let next = node.children.get(segment);
        if (!next) node.children.set(segment, (next = { children: new Map(), ending: [] }));
        node = next;
        trail.push(node);
      }
      node.ending.push(pattern);
      leaves.push([pattern, trail]);
    }
  }
  // Two patterns can meet only when one's literal beginning is a beginning of the other's.
  for (const [pattern, trail] of leaves) {
    for (const node of trail) for (const other of node.ending) compare(pattern, other);
    if (comparisons > MAX_COMPARISONS) return { overlaps, gaveUp: true };
  }
  return { overlaps, gaveUp: false };
}

export const isGlob = (segment: string): boolean => /[*?[\]{}()!+@\\]/.test(segment);
export const segmentsOf = (pattern: string): readonly string[] =>
  pattern.split('/').filter((segment) => segment !== '' && segment !== '.');

/** `a/{b,c}` -> `a/b`, `a/c`. Kept whole when that would give very many, or braces do not pair. */
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

/** Can one path match both, or a path of one lie below a path of the other? */
export const patternsOverlap = (a: string, b: string): boolean =>
  expandBraces(a).some((x) => expandBraces(b).some((y) => segmentsOverlap(segmentsOf(x), segmentsOf(y))));

function segmentsOverlap(a: readonly string[], b: readonly string[]): boolean {
  if (a.length + b.length > LONGEST_PAIR) return true;
  const seen = new Set<number>();
  const meet = (i: number, j: number): boolean => {
    // Whoever ends first names a file or folder that the other writes into; but `**/*.py` does not write into a.txt:
    // behind a `**` that stands for something only a whole path counts.
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

/** Can one name match both globs? Brackets and extended globs count as anything. */
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
