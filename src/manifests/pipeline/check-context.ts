// What the checks of edges, guards and files share: the nodes of a file, its params, and where problems go.

import type { Draft } from './nodes.js';
import type { Params } from './params.js';
import type { Report, Suggester } from './problem.js';

export interface CheckContext {
  readonly drafts: readonly Draft[];
  readonly indexOf: ReadonlyMap<string, number>;
  readonly params: Params;
  readonly report: Report;
  readonly suggester: Suggester;
}
