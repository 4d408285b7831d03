// The plain form of guards, which needs no CEL, and the types that both forms share.

import type { JSONValue } from '../json-schema.js';

/** One of the comparisons joined by `&&`: `node.port == "text"`, or a bare or negated boolean port. Most guards are plain. */
export interface PlainTerm {
  readonly space: 'node' | 'params' | 'run';
  /** Empty for params and run facts. */
  readonly node: string;
  readonly name: string;
  readonly test: '==' | '!=' | 'is' | 'not';
  readonly literal: string;
}

interface WhenFailure {
  readonly code: 'pipeline::when-failed';
  readonly blame: 'pipeline';
  readonly title: string;
  readonly detail: string;
  readonly remedy: string;
}
export type WhenResult =
  { readonly ok: true; readonly value: boolean } | { readonly ok: false; readonly failure: WhenFailure };

/** Values of ports by node. A skipped node is absent, or its ports are undefined. */
export type NodeValues = Readonly<Record<string, Readonly<Record<string, JSONValue | undefined>> | undefined>>;

/** In characters. Longer guards are refused. */
export const LONGEST_EXPRESSION = 20_000;

const TERM =
  /\s*(?:(!)\s*)?(?:nodes\["([a-z][a-z0-9_-]*)"\]|([a-z][a-z0-9_]*))\.([A-Za-z_][A-Za-z0-9_]*)\s*(?:(==|!=)\s*(?:"([^"\\\n\r]*)"|'([^'\\\n\r]*)'))?\s*(&&|$)/y;
/** Words with another meaning in CEL or in pipelines. A node with such a name is written `nodes["name"]`. */
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
