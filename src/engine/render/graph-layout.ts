// Places the nodes and edges of a drawn graph in layers. The only file that imports dagre.

import { Graph, layout } from '@dagrejs/dagre';

export interface Point {
  readonly x: number;
  readonly y: number;
}
export interface Box extends Point {
  readonly width: number;
  readonly height: number;
}
export interface Link {
  readonly from: string;
  readonly to: string;
  /** Room for a label in the middle. */
  readonly width: number;
  readonly height: number;
}

export interface Layout {
  readonly width: number;
  readonly height: number;
  /** By id; `x` and `y` are the center. */
  readonly nodes: ReadonlyMap<string, Box>;
  /** In the order of the links: points from border to border, and the center of the label. */
  readonly links: readonly { readonly points: readonly Point[]; readonly label: Point }[];
}

/** With more links, the best ranks take too long: seconds for 200 nodes, a minute for 1,000. */
const MANY_LINKS = 250;

/** At most one link from a node to another. Undefined when the graph is too deep for the library, which is recursive. */
export function layOut(
  nodes: ReadonlyMap<string, Pick<Box, 'width' | 'height'>>,
  links: readonly Link[],
): Layout | undefined {
  const graph = new Graph();
  graph.setGraph({
    ranker: links.length > MANY_LINKS ? 'tight-tree' : 'network-simplex',
    nodesep: 26,
    edgesep: 16,
    ranksep: 44,
    marginx: 20,
    marginy: 20,
  });
  // The prefix avoids clashes: the library uses ids as keys of plain objects, and has names of its own that begin with `_`.
  for (const [id, { width, height }] of nodes) graph.setNode(`n ${id}`, { width, height });
  for (const { from, to, width, height } of links) {
    graph.setEdge(`n ${from}`, `n ${to}`, { width, height, labelpos: 'c' });
  }
  try {
    layout(graph);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  const { width = 0, height = 0 } = graph.graph() as { readonly width?: number; readonly height?: number };
  return {
    width,
    height,
    nodes: new Map([...nodes.keys()].map((id) => [id, graph.node(`n ${id}`) as Box])),
    links: links.map(({ from, to }) => {
      const { points, x, y } = graph.edge(`n ${from}`, `n ${to}`) as {
        points: readonly Point[];
        x?: number;
        y?: number;
      };
      const middle = points[points.length >> 1] ?? { x: 0, y: 0 };
      return { points, label: { x: x ?? middle.x, y: y ?? middle.y } };
    }),
  };
}
