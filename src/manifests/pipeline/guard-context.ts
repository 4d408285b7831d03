// What reading and checking guards needs to know of the file, and where problems go.

import type { Draft } from './nodes.js';
import type { Params } from './params.js';
import type { Report, Suggester } from './problem.js';

export interface GuardContext {
  readonly drafts: readonly Draft[];
  readonly indexOf: ReadonlyMap<string, number>;
  readonly params: Params;
  readonly report: Report;
  readonly suggester: Suggester;
}
