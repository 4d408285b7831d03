// Whether a node reads what another one writes without an order between them. Unaware of plugins.

import { reachability, type Prerequisites } from './graph.js';
import { overlappingPatterns } from './writes.js';

/** Pairs of a reader and a writer that are looked at; only generated files with thousands of wildcards have more. */
const MAX_PAIRS = 2_000_000;
/** Nobody reads further. */
const MAX_COUNTED = 100;

export interface UnorderedRead {
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

/** At most one a reader. `isExcused` takes a pair out. */
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

/** Pairs whose patterns meet, but for those with an edge between them: in most files that leaves none. */
function candidatesOf(
  graph: Prerequisites,
  order: readonly number[],
  reads: readonly (readonly string[])[],
  writes: readonly (readonly string[])[],
): { readonly candidates: readonly Candidate[]; readonly gaveUp: boolean } {
  const readers = byPattern(order, reads);
  const writers = byPattern(order, writes);
  const { overlaps, gaveUp } = overlappingPatterns([...new Set([...readers.keys(), ...writers.keys()])]);
  const edges = graph.map((needs) => new Set(needs));
  const candidates: Candidate[] = [];
  let pairs = 0;
  for (const [read, own] of readers) {
    for (const written of [read, ...(overlaps.get(read) ?? [])]) {
      for (const writer of writers.get(written) ?? []) {
        for (const reader of own) {
          if (pairs++ > MAX_PAIRS) return { candidates, gaveUp: true };
          if (reader === writer || edges[reader]?.has(writer) === true || edges[writer]?.has(reader) === true) continue;
          candidates.push({ reader, writer, read, written });
        }
      }
    }
  }
  return { candidates, gaveUp };
}

function byPattern(order: readonly number[], patterns: readonly (readonly string[])[]): ReadonlyMap<string, number[]> {
  const nodes = new Map<string, number[]>();
  for (const vertex of order) {
    for (const pattern of new Set(patterns[vertex])) {
      const known = nodes.get(pattern);
      if (known === undefined) nodes.set(pattern, [vertex]);
      else known.push(vertex);
    }
  }
  return nodes;
}
