// Finds nodes that may write the same file and are not ordered: compares patterns first, order second.

import { reachability, type Prerequisites } from './graph.js';
import { emptyBeginning, insertPattern, nodesByPattern } from './pattern-index.js';
import { expandBraces, segmentsOf, segmentsOverlap } from './pattern-overlap.js';

/** The check gives up after this many comparisons of patterns. Only generated files with thousands of globs reach it. */
const MAX_COMPARISONS = 500_000;
/** Comparing two patterns takes at most as many steps as the product of their lengths; a larger product counts more. */
const USUAL_PRODUCT = 4096;
const STEPS_OF_ONE = 100;
/** Pairs of nodes that could collide but are excused. */
const MAX_EXCUSES = 5_000_000;
/** No reader needs a larger count. */
const MAX_COUNTED = 100;

interface Conflict {
  readonly earlier: number;
  readonly later: number;
  readonly patterns: readonly [string, string];
  /** Other nodes that collide with `later` as well; counted up to a hundred. */
  readonly others: number;
}

type Overlaps = ReadonlyMap<string, readonly string[]>;

/**
 * Pairs of unordered nodes whose patterns can match the same path. `mayOverlap` excuses a pair. Returns at most one
 * conflict per later node, and counts the others.
 */
export function findConflicts(
  graph: Prerequisites,
  order: readonly number[],
  writes: readonly (readonly string[])[],
  mayOverlap: (a: number, b: number) => boolean,
): { readonly conflicts: readonly Conflict[]; readonly gaveUp: boolean } {
  const writers = nodesByPattern(order, writes);
  const { overlaps, gaveUp } = overlappingPatterns([...writers.keys()]);
  const targets = contestedNodes(order, writers, overlaps);
  if (targets.length < 2) return { conflicts: [], gaveUp };
  const { words, row } = reachability(graph, order, targets);
  const search = new ConflictSearch({ targets, overlaps, masks: masksOf(writers, targets, words), row, mayOverlap });
  const conflicts: Conflict[] = [];
  for (const [position, later] of targets.entries()) {
    const conflict = search.conflictOf(position, new Set(writes[later]));
    if (search.gaveUp) break;
    if (conflict !== undefined) conflicts.push(conflict);
  }
  return { conflicts, gaveUp: gaveUp || search.gaveUp };
}

/** Only nodes with a pattern that another node touches get a column of bits. */
function contestedNodes(
  order: readonly number[],
  writers: ReadonlyMap<string, readonly number[]>,
  overlaps: Overlaps,
): readonly number[] {
  const contested = new Set<number>();
  for (const [pattern, vertices] of writers) {
    if (vertices.length === 1 && !overlaps.has(pattern)) continue;
    for (const vertex of vertices) contested.add(vertex);
  }
  return order.filter((vertex) => contested.has(vertex));
}

/** For each pattern, one bit per target that writes it. */
function masksOf(
  writers: ReadonlyMap<string, readonly number[]>,
  targets: readonly number[],
  words: number,
): ReadonlyMap<string, Uint32Array> {
  const rank = new Map(targets.map((vertex, index) => [vertex, index]));
  const masks = new Map<string, Uint32Array>();
  for (const [pattern, vertices] of writers) {
    const mask = new Uint32Array(words);
    for (const vertex of vertices) {
      const index = rank.get(vertex);
      if (index !== undefined) mask[index >> 5] = (mask[index >> 5] as number) | (1 << (index & 31));
    }
    masks.set(pattern, mask);
  }
  return masks;
}

interface Contest {
  /** In topological order. */
  readonly targets: readonly number[];
  readonly overlaps: Overlaps;
  readonly masks: ReadonlyMap<string, Uint32Array>;
  /** Bits of the targets that a node waits for. */
  readonly row: (vertex: number) => Uint32Array;
  readonly mayOverlap: (a: number, b: number) => boolean;
}

class ConflictSearch {
  gaveUp = false;
  private excuses = 0;

  constructor(private readonly contest: Contest) {}

  /** A conflict between the target at a position and those before it. */
  conflictOf(position: number, patterns: ReadonlySet<string>): Conflict | undefined {
    const { targets, overlaps, row } = this.contest;
    const later = targets[position] as number;
    const ancestors = row(later);
    const colliding = new Set<number>();
    let first: Pick<Conflict, 'earlier' | 'patterns'> | undefined;
    for (const mine of patterns) {
      for (const theirs of [mine, ...(overlaps.get(mine) ?? [])]) {
        const earlier = this.collide(theirs, position, ancestors, colliding);
        if (earlier !== undefined) first ??= { earlier, patterns: [theirs, mine] };
        if (this.gaveUp) return undefined;
      }
    }
    return first && { ...first, later, others: colliding.size - 1 };
  }

  /** Adds the earlier, unordered targets that write a pattern. Returns the first one added. */
  private collide(
    pattern: string,
    position: number,
    ancestors: Uint32Array,
    colliding: Set<number>,
  ): number | undefined {
    const { targets, masks, mayOverlap } = this.contest;
    const mask = masks.get(pattern);
    if (mask === undefined) return undefined;
    const later = targets[position] as number;
    let first: number | undefined;
    for (let word = 0; word <= position >> 5; word++) {
      let bits = (mask[word] as number) & ~(ancestors[word] as number);
      while (bits !== 0) {
        const index = word * 32 + (31 - Math.clz32(bits & -bits));
        bits &= bits - 1;
        if (index >= position) break;
        const earlier = targets[index] as number;
        if (colliding.size > MAX_COUNTED || colliding.has(earlier)) continue;
        if (this.excuses++ > MAX_EXCUSES) this.gaveUp = true;
        if (this.gaveUp) return first;
        if (mayOverlap(earlier, later)) continue;
        colliding.add(earlier);
        first ??= earlier;
      }
    }
    return first;
  }
}

/** For each pattern, the others that it overlaps. Leaves out patterns without any. */
function overlappingPatterns(patterns: readonly string[]): { readonly overlaps: Overlaps; readonly gaveUp: boolean } {
  const overlaps = new Map<string, string[]>();
  const note = (a: string, b: string): void => {
    const known = overlaps.get(a);
    if (known) known.push(b);
    else overlaps.set(a, [b]);
  };
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
  const root = emptyBeginning();
  const leaves = [...expanded].flatMap(([pattern, alternatives]) =>
    alternatives.map((segments) => ({ pattern, trail: insertPattern(root, pattern, segments) })),
  );
  for (const { pattern, trail } of leaves) {
    for (const node of trail) for (const other of node.ending) compare(pattern, other);
    if (comparisons > MAX_COMPARISONS) return { overlaps, gaveUp: true };
  }
  return { overlaps, gaveUp: false };
}
