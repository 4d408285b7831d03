// Computes the ancestors of every node.

import type { CheckedNode } from '../../manifests/pipeline/manifest.js';

/** Bit sets: position of a node -> all nodes that it waits for, directly or not. `nodes` in topological order. */
export function ancestorsOf(nodes: readonly CheckedNode[]): (node: number) => { has(node: number): boolean } {
  const words = Math.ceil(nodes.length / 32);
  const positions = new Map(nodes.map(({ id }, index) => [id, index]));
  const bits = new Uint32Array(words * nodes.length);
  for (const [index, { dependencies }] of nodes.entries()) {
    const own = index * words;
    for (const id of dependencies) {
      const dependency = positions.get(id)!;
      for (let word = 0; word < words; word++) bits[own + word]! |= bits[dependency * words + word]!;
      bits[own + (dependency >>> 5)]! |= 1 << (dependency & 31);
    }
  }
  return (node) => ({ has: (other) => (bits[node * words + (other >>> 5)]! & (1 << (other & 31))) !== 0 });
}
