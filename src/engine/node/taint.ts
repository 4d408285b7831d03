// Whether a result contains app variables or secrets, or was made from a result that does.

import type { Run } from '../run/run.js';
import { inheritedTaint } from '../run/taint.js';
import type { ValueTracer } from '../secrets/app-values.js';
import type { StoredTaint } from '../store/store.js';
import type { Action } from './action.js';

/** For what the node leaves. Make it when the plugin has ended, because it looks up variables while it runs. */
export const tracerFor = (run: Run, { reads, lookedUp }: Action): ValueTracer | undefined =>
  run.appValues.tracerFor([...(reads.env ?? []), ...lookedUp]);

/** The mark of a result that was made here. */
export function storedTaintOf(
  run: Run,
  { index, holdsUnkeyed }: Action,
  { tracer, usesUnkeyed }: { readonly tracer: ValueTracer | undefined; readonly usesUnkeyed: boolean },
): StoredTaint | undefined {
  if (holdsUnkeyed || usesUnkeyed) return 'secrets';
  if (tracer?.hasFound === true) return 'variables';
  return inheritedTaint(run, index) === undefined ? undefined : 'inherited';
}
