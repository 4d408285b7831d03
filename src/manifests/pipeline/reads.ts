// Finds nodes that read what another node writes without waiting for it.

import { reachability, type Prerequisites } from './graph.js';
import { emptyBeginning, insertPattern, nodesByPattern, type Beginning } from './pattern-index.js';
import { expandBraces, isGlob, patternsOverlap, segmentsOf } from './pattern-overlap.js';

/** The check stops after this many pairs of a reader and a writer. Only generated files with thousands of globs reach it. */
const MAX_PAIRS = 2_000_000;
/** The check stops after this many comparisons of patterns. */
const MAX_COMPARISONS = 500_000;
/** No reader needs a larger count. */
const MAX_COUNTED = 100;

interface UnorderedRead {
  readonly reader: number;
  readonly writer: number;
  readonly read: string;
  readonly written: string;
  /** Other nodes whose writes the reader misses as well; counted up to a hundred. */
  readonly others: number;
}

interface Candidate {
  readonly reader: number;
  readonly writer: number;
  readonly read: string;
  readonly written: string;
}

/** At most one per reader. `isExcused` removes a pair. */
export function findUnorderedReads(
  graph: Prerequisites,
  order: readonly number[],
  reads: readonly (readonly string[])[],
  writes: readonly (readonly string[])[],
  isExcused: (reader: number, writer: number) => boolean,
): { readonly found: readonly UnorderedRead[]; readonly gaveUp: boolean } {
  const { candidates, gaveUp } = candidatesOf(graph, order, reads, writes);
  if (candidates.length === 0) return { found: [], gaveUp };
  const targets = [...new Set(candidates.flatMap(({ reader, writer }) => [reader, writer]))];
  const column = new Map(targets.map((vertex, index) => [vertex, index]));
  const { row } = reachability(graph, order, targets);
  const waitsFor = (vertex: number, other: number): boolean => {
    const index = column.get(other) ?? 0;
    return ((row(vertex)[index >> 5] as number) & (1 << (index & 31))) !== 0;
  };
  const byReader = new Map<number, { first: Candidate; writers: Set<number> }>();
  for (const candidate of candidates) {
    const { reader, writer } = candidate;
    const known = byReader.get(reader);
    if (known !== undefined && (known.writers.size > MAX_COUNTED || known.writers.has(writer))) continue;
    if (waitsFor(reader, writer) || waitsFor(writer, reader) || isExcused(reader, writer)) continue;
    if (known === undefined) byReader.set(reader, { first: candidate, writers: new Set([writer]) });
    else known.writers.add(writer);
  }
  const found = [...byReader.values()].map(({ first, writers }) => ({ ...first, others: writers.size - 1 }));
  return { found, gaveUp };
}

/** Pairs whose patterns overlap, without those that have an edge between them. Most files have none. */
function candidatesOf(
  graph: Prerequisites,
  order: readonly number[],
  reads: readonly (readonly string[])[],
  writes: readonly (readonly string[])[],
): { readonly candidates: readonly Candidate[]; readonly gaveUp: boolean } {
  const readers = nodesByPattern(order, reads);
  const writers = nodesByPattern(order, writes);
  const index = new WrittenPatterns(writers.keys());
  const candidates: Candidate[] = [];
  let pairs = 0;
  for (const [read, own] of readers) {
    for (const written of index.overlapping(read)) {
      for (const writer of writers.get(written) ?? []) {
        for (const reader of own) {
          if (pairs++ > MAX_PAIRS) return { candidates, gaveUp: true };
          const isEdge = graph[reader]?.includes(writer) === true || graph[writer]?.includes(reader) === true;
          if (reader !== writer && !isEdge) candidates.push({ reader, writer, read, written });
        }
      }
    }
  }
  return { candidates, gaveUp: index.comparisons > MAX_COMPARISONS };
}

const NONE: ReadonlySet<string> = new Set();

class WrittenPatterns {
  readonly #root = emptyBeginning();
  comparisons = 0;

  constructor(patterns: Iterable<string>) {
    for (const pattern of patterns)
      for (const segments of alternativesOf(pattern)) insertPattern(this.#root, pattern, segments);
  }

  overlapping(pattern: string): ReadonlySet<string> {
    const start = pattern.slice(0, pattern.indexOf('/') >>> 0);
    // Most reads are of app files in a folder that no node writes into.
    if (this.#root.ending.length === 0 && !isGlob(start) && !this.#root.children.has(start) && start !== '.')
      return NONE;
    const found = new Set<string>();
    for (const segments of alternativesOf(pattern)) {
      let node: Beginning | undefined = this.#root;
      this.#compare(pattern, node, found);
      for (const segment of segments) {
        if (isGlob(segment)) break;
        node = node.children.get(segment);
        if (node === undefined) break;
        this.#compare(pattern, node, found);
      }
      if (node !== undefined) this.#compareBelow(pattern, node, found);
    }
    return found;
  }

  #compare(pattern: string, { ending }: Beginning, found: Set<string>): void {
    for (const other of ending) {
      if (found.has(other) || this.comparisons++ > MAX_COMPARISONS) continue;
      if (other === pattern || patternsOverlap(pattern, other)) found.add(other);
    }
  }

  #compareBelow(pattern: string, node: Beginning, found: Set<string>): void {
    const below = [...node.children.values()];
    for (let next = below.pop(); next !== undefined; next = below.pop()) {
      if (this.comparisons > MAX_COMPARISONS) return;
      this.#compare(pattern, next, found);
      below.push(...next.children.values());
    }
  }
}

/** Most patterns are plain paths, and there are many. */
const alternativesOf = (pattern: string): readonly (readonly string[])[] =>
  pattern.includes('{') ? expandBraces(pattern).map(segmentsOf) : [segmentsOf(pattern)];
