// Why results stay on this machine, in words.

import { unreachable } from '../failure.js';
import type { RunReport, Unshared } from '../events.js';
import { shownPath, someOf } from '../files/shown-path.js';

const SHOWN_NODES = 5;

/** What follows `not shared, because`. */
export function formatUnshared(unshared: Unshared): string {
  switch (unshared.type) {
    case 'app':
      return 'only this app can use the result';
    case 'secrets':
      return 'the node has a secret or a login';
    case 'variables':
      return 'the node has a variable of the app';
    case 'degraded':
      return 'the result is a fallback for this machine';
    case 'derived':
      return unshared.cause === 'variables'
        ? `it is made from what ${shownPath(unshared.node)} wrote, and that contains the value of a variable of the app`
        : `it is made from what ${shownPath(unshared.node)} made with a secret or a login`;
    default:
      return unreachable(unshared);
  }
}

/** A line for each reason, with its nodes. */
export function unsharedLines({ nodes }: Pick<RunReport, 'nodes'>): readonly string[] {
  const byReason = new Map<string, string[]>();
  for (const [id, { unshared }] of Object.entries(nodes)) {
    if (unshared === undefined) continue;
    const reason = formatUnshared(unshared);
    const known = byReason.get(reason);
    if (known === undefined) byReason.set(reason, [id]);
    else known.push(id);
  }
  return [...byReason].map(([reason, ids]) => `Not shared: ${someOf(ids, SHOWN_NODES)}, because ${reason}`);
}
