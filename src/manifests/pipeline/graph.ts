// Order, cycles and reachability of a graph, given as lists of prerequisites by index.

/** For each vertex, the vertices that it waits for. */
export type Prerequisites = readonly (readonly number[])[];

/** One cycle per knot: a shortest one through the knot's first vertex, prerequisites first (`a, b, a`). */
export function findCycles(graph: Prerequisites): readonly (readonly number[])[] {
  return knots(graph).map((knot) => {
    const inside = new Set(knot);
    const start = knot.reduce((least, vertex) => Math.min(least, vertex));
    // Breadth-first search from the start back to itself.
    const cameFrom = new Map<number, number>();
    let frontier = [start];
    while (frontier.length > 0) {
      const next: number[] = [];
      for (const vertex of frontier) {
        for (const needed of graph[vertex] ?? []) {
          if (needed === start) {
            const path = [start];
            for (let at: number | undefined = vertex; at !== undefined && at !== start; at = cameFrom.get(at))
              path.push(at);
            return [...path, start];
          }
          if (!inside.has(needed) || cameFrom.has(needed)) continue;
          cameFrom.set(needed, vertex);
          next.push(needed);
        }
      }
      frontier = next;
    }
    return [start, start];
  });
}

/** Strongly connected components that contain a cycle, by Tarjan's algorithm with an explicit stack. */
function knots(graph: Prerequisites): readonly (readonly number[])[] {
  const count = graph.length;
  const index = new Int32Array(count).fill(-1);
  const low = new Int32Array(count);
  const onStack = new Uint8Array(count);
  const stack: number[] = [];
  const found: number[][] = [];
  let clock = 0;
  for (let root = 0; root < count; root++) {
    if (index[root] !== -1) continue;
    const work: { vertex: number; edge: number }[] = [{ vertex: root, edge: 0 }];
    while (work.length > 0) {
      const top = work[work.length - 1] as { vertex: number; edge: number };
      const { vertex } = top;
      if (top.edge === 0) {
        index[vertex] = low[vertex] = clock++;
        stack.push(vertex);
        onStack[vertex] = 1;
      }
      const needed = graph[vertex]?.[top.edge++];
      if (needed !== undefined) {
        if (index[needed] === -1) work.push({ vertex: needed, edge: 0 });
        else if (onStack[needed] === 1) low[vertex] = Math.min(low[vertex] as number, index[needed] as number);
        continue;
      }
      work.pop();
      const parent = work[work.length - 1]?.vertex;
      if (parent !== undefined) low[parent] = Math.min(low[parent] as number, low[vertex] as number);
      if (low[vertex] !== index[vertex]) continue;
      const knot: number[] = [];
      let member: number;
      do {
        member = stack.pop() as number;
        onStack[member] = 0;
        knot.push(member);
      } while (member !== vertex);
      if (knot.length > 1 || graph[vertex]?.includes(vertex)) found.push(knot);
    }
  }
  return found;
}

/** Prerequisites first, ties in file order. Leaves out vertices on a cycle or behind one. */
export function topologicalOrder(graph: Prerequisites): readonly number[] {
  const waiting = new Int32Array(graph.length);
  const dependents: number[][] = graph.map(() => []);
  for (const [vertex, needs] of graph.entries()) {
    for (const needed of new Set(needs)) {
      waiting[vertex] = (waiting[vertex] as number) + 1;
      dependents[needed]?.push(vertex);
    }
  }
  const ready = new Heap();
  for (let vertex = 0; vertex < graph.length; vertex++) if (waiting[vertex] === 0) ready.push(vertex);
  const order: number[] = [];
  for (let vertex = ready.pop(); vertex !== undefined; vertex = ready.pop()) {
    order.push(vertex);
    for (const dependent of dependents[vertex] ?? []) {
      waiting[dependent] = (waiting[dependent] as number) - 1;
      if (waiting[dependent] === 0) ready.push(dependent);
    }
  }
  return order;
}

/**
 * Which of the `targets` each vertex waits for, directly or not: a row of bits per vertex, a bit per target. Only the
 * targets get a column, so a query about a few of many vertices stays cheap.
 */
export function reachability(
  graph: Prerequisites,
  order: readonly number[],
  targets: readonly number[],
): { readonly words: number; readonly row: (vertex: number) => Uint32Array } {
  const words = Math.max(1, Math.ceil(targets.length / 32));
  const bits = new Uint32Array(words * graph.length);
  const column = new Map(targets.map((vertex, index) => [vertex, index]));
  for (const vertex of order) {
    const own = vertex * words;
    for (const needed of graph[vertex] ?? []) {
      const theirs = needed * words;
      for (let word = 0; word < words; word++)
        bits[own + word] = (bits[own + word] as number) | (bits[theirs + word] as number);
      const index = column.get(needed);
      if (index !== undefined) bits[own + (index >> 5)] = (bits[own + (index >> 5)] as number) | (1 << (index & 31));
    }
  }
  return { words, row: (vertex) => bits.subarray(vertex * words, (vertex + 1) * words) };
}

/** Smallest number first. */
class Heap {
  private readonly items: number[] = [];

  push(value: number): void {
    const { items } = this;
    let at = items.push(value) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((items[parent] as number) <= value) break;
      items[at] = items[parent] as number;
      at = parent;
    }
    items[at] = value;
  }

  pop(): number | undefined {
    const { items } = this;
    const first = items[0];
    const last = items.pop();
    if (first === undefined || last === undefined || items.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && (items[child + 1] as number) < (items[child] as number)) child++;
      if ((items[child] as number) >= last) break;
      items[at] = items[child] as number;
      at = child;
    }
    items[at] = last;
    return first;
  }
}
