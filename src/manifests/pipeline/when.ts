// Evaluates guards of nodes: the plain form by itself, all others by CEL, which is loaded for them.

import type { JSONValue } from '../json-schema.js';
import type { RunFacts } from './manifest.js';
import { parsePlain, type NodeValues, type PlainTerm, type WhenResult } from './plain-guard.js';

/**
 * Evaluates a guard that passed the checks. A guard whose outcome hinges on a value that is absent, because its node was
 * skipped, is false: `a.x == "1" || b.x == "1"` still holds when only `b` ran, `!(a.x == "1")` does not when `a` did not,
 * and `has(a.x)` asks for presence itself.
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

/** Undefined when a value has a type that only CEL can judge. */
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
