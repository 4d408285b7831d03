// Evaluates the guards of nodes. Loads CEL only for guards that are not in the plain form.

import type { JSONValue } from '../json-schema.js';
import type { RunFacts } from './manifest.js';
import { parsePlain, type NodeValues, type PlainTerm, type WhenResult } from './plain-guard.js';

/**
 * Evaluates a guard that passed the checks. A guard that depends on an output of a skipped node is false:
 * `a.x == "1" || b.x == "1"` can be true when only `b` ran, but `!(a.x == "1")` is false when `a` was skipped.
 * `has(a.x)` tests for presence.
 */
export async function evaluateWhen(
  expression: string,
  values: NodeValues,
  params: Readonly<Record<string, JSONValue>>,
  run: RunFacts,
): Promise<WhenResult> {
  const terms = parsePlain(expression);
  const plain = terms && evaluatePlain(terms, values, params, run);
  if (plain !== undefined) return { ok: true, value: plain };
  const { evaluateCEL } = await import('./cel.js');
  return evaluateCEL(expression, values, params, run);
}

/** Undefined when a value has a type that only CEL can handle. */
function evaluatePlain(
  terms: readonly PlainTerm[],
  values: NodeValues,
  params: Readonly<Record<string, JSONValue>>,
  run: RunFacts,
): boolean | undefined {
  let holds = true;
  for (const { space, node, name, test, literal } of terms) {
    const from: Readonly<Record<string, unknown>> =
      space === 'params'
        ? params
        : space === 'run'
          ? { ...run }
          : ((Object.hasOwn(values, node) ? values[node] : undefined) ?? {});
    const value = Object.hasOwn(from, name) ? from[name] : undefined;
    if (value === undefined) {
      if (space !== 'node') return undefined;
      holds = false;
    } else if (test === 'is' || test === 'not') {
      if (typeof value !== 'boolean') return undefined;
      holds &&= value === (test === 'is');
    } else {
      if (typeof value !== 'string') return undefined;
      holds &&= (value === literal) === (test === '==');
    }
  }
  return holds;
}
