// Reports nodes that wait for each other, at the edge that closes the cycle.

import type { CheckContext } from './check-context.js';
import { findCycles } from './graph.js';
import type { Path } from './problem.js';
import type { Wiring } from './wiring.js';

/** Names shown of a long cycle: so many from its start, and from its end. */
const SHOWN_FIRST = 6;
const SHOWN_LAST = 5;

export function reportCycles(wiring: Wiring, { drafts, report }: CheckContext): void {
  if (wiring.order.length === drafts.length) return;
  for (const cycle of findCycles(wiring.graph)) {
    const names = cycle.map((index) => drafts[index]?.id ?? '');
    const isLong = names.length > SHOWN_FIRST + SHOWN_LAST + 1;
    const shown = isLong ? [...names.slice(0, SHOWN_FIRST), '...', ...names.slice(-SHOWN_LAST)] : names;
    report({
      code: 'pipeline::cycle',
      path: closingEdge(cycle, wiring, drafts),
      message:
        names.length === 2
          ? `The node \`${names[0]}\` waits for itself.`
          : `These nodes wait for each other: ${shown.join(' -> ')}.`,
      reason: names.length === 2 ? 'It can never start.' : 'None of them can start.',
      remedy: 'Remove one of these edges: an entry in `inputs` or `after`, or the name in `when`.',
    });
  }
}

/** What makes the first node of a cycle wait for the one before it. */
function closingEdge(
  cycle: readonly number[],
  { inputs, after, guards }: Wiring,
  drafts: CheckContext['drafts'],
): Path {
  const [first = 0] = cycle;
  const before = cycle.at(-2) ?? first;
  const path = drafts[first]?.path ?? [];
  const edge = inputs[first]?.flatMap(({ edges }) => edges).find(({ producer }) => producer === before);
  if (edge) return edge.path;
  const list = drafts[first]?.raw['after'];
  const isInAfter = (after[first] ?? []).length > 0 && Array.isArray(list);
  const position = isInAfter ? list.indexOf(drafts[before]?.id ?? '') : -1;
  return position >= 0 ? [...path, 'after', position] : (guards.get(first)?.path ?? path);
}
