// Indexes over many patterns: the nodes that have each, and a tree of their literal beginnings.

import { isGlob } from './pattern-overlap.js';

/** Nodes in the given order, each once. */
export function nodesByPattern(
  order: readonly number[],
  patterns: readonly (readonly string[])[],
): ReadonlyMap<string, readonly number[]> {
  const nodes = new Map<string, number[]>();
  for (const vertex of order) {
    for (const pattern of patterns[vertex] ?? []) {
      const known = nodes.get(pattern);
      if (known === undefined) nodes.set(pattern, [vertex]);
      else if (known.at(-1) !== vertex) known.push(vertex);
    }
  }
  return nodes;
}

/** Two patterns can overlap only when the literal beginning of one starts with that of the other. */
export interface Beginning {
  readonly children: Map<string, Beginning>;
  /** Patterns whose literal beginning ends here. */
  readonly ending: string[];
}

export const emptyBeginning = (): Beginning => ({ children: new Map(), ending: [] });

/** Returns the nodes from the root to the end of the literal beginning. */
export function insertPattern(root: Beginning, pattern: string, segments: readonly string[]): readonly Beginning[] {
  let node = root;
  const trail = [node];
  for (const segment of segments) {
    if (isGlob(segment)) break;
    let next = node.children.get(segment);
    if (next === undefined) node.children.set(segment, (next = emptyBeginning()));
    node = next;
    trail.push(node);
  }
  node.ending.push(pattern);
  return trail;
}
