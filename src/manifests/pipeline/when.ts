// Guards of nodes: the plain form that needs no CEL, and evaluation. Unaware of plugins and of how a file is checked.

import type { JSONValue } from '../json-schema.js';
import type { RunFacts } from './manifest.js';

/** `node.port == "text"`, joined by `&&`: what nearly every guard looks like. A bare or negated port is a boolean. */
export interface PlainTerm {
  readonly space: 'node' | 'params' | 'run';
  /** Empty for params and run facts. */
  readonly node: string;
  readonly name: string;
  readonly test: '==' | '!=' | 'is' | 'not';
  readonly literal: string;
}

export interface WhenFailure {
  readonly code: 'pipeline::when-failed';
  readonly blame: 'pipeline';
  readonly title: string;
  readonly detail: string;
  readonly remedy: string;
}
export type WhenResult =
  { readonly ok: true; readonly value: boolean } | { readonly ok: false; readonly failure: WhenFailure };

/** Values of ports by node. A node that was skipped is absent, or its ports are undefined. */
export type NodeValues = Readonly<Record<string, Readonly<Record<string, JSONValue | undefined>> | undefined>>;

/** Of characters; beyond it no guard is read. */
export const LONGEST_EXPRESSION = 20_000;

const TERM =
  /\s*(?:(!)\s*)?(?:nodes\["([a-z][a-z0-9_-]*)"\]|([a-z][a-z0-9_]*))\.([A-Za-z_][A-Za-z0-9_]*)\s*(?:(==|!=)\s*(?:"([^"\\\n\r]*)"|'([^'\\\n\r]*)'))?\s*(&&|$)/y;
/** Words that CEL, or the pipeline, gives another meaning; a node of such a name is written `nodes["name"]`. */
export const TAKEN_NAMES: ReadonlySet<string> = new Set(
  (
    'true false null in as break const continue else for function if import let loop package namespace return var void ' +
    'while prototype string bool int uint double map list bytes null_type type dyn timestamp duration optional cel ' +
    'params run nodes'
  ).split(' '),
);

/** Undefined when the expression needs CEL. */
export function parsePlain(expression: string): readonly PlainTerm[] | undefined {
  if (expression.length > LONGEST_EXPRESSION) return undefined;
  const terms: PlainTerm[] = [];
  let at = 0;
  for (;;) {
    TERM.lastIndex = at;
    const match = TERM.exec(expression);
    if (match === null) return undefined;
    const [whole, not, quoted, bare, name = '', operator, double, single, joint] = match;
    const space = bare === 'params' || bare === 'run' ? bare : 'node';
    if (space === 'node' && bare !== undefined && TAKEN_NAMES.has(bare)) return undefined;
    if (not === '!' && operator !== undefined) return undefined;
    terms.push({
      space,
      node: space === 'node' ? (quoted ?? bare ?? '') : '',
      name,
      test: operator === '==' || operator === '!=' ? operator : not === '!' ? 'not' : 'is',
      literal: double ?? single ?? '',
    });
    at += whole.length;
    if (joint === '&&') continue;
    return at === expression.length ? terms : undefined;
  }
}

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
