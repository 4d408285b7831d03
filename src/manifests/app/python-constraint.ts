// Decides whether a version of Python meets a constraint, in the spelling of PEP 440 or of Poetry.

import { meetsSpecifiers } from './package-version.js';

const LONGEST = 500;

/**
 * `>=3.10,<4`, and of Poetry `^3.10`, `~3.11`, `3.12.*`, `3.12`, `>=3.9 <3.13`, `A || B`. Undefined if the constraint can't be
 * read.
 */
export function meetsConstraint(version: string, constraint: string): boolean | undefined {
  if (constraint.length > LONGEST) return undefined;
  let isMet = false;
  for (const alternative of constraint.split(/\|\|?/)) {
    const clauses = clausesOf(alternative);
    if (clauses === undefined) return undefined;
    isMet ||= meetsSpecifiers(version, clauses.join(','));
  }
  return isMet;
}

const CLAUSE = /^(\^|~=|~|===?|!=|<=|>=|<|>)?\s*v?(\d+(?:\.\d+)*(?:(?:a|b|rc)\d+)?)(\.\*)?$/;

function clausesOf(text: string): readonly string[] | undefined {
  const clauses: string[] = [];
  // A blank separates clauses, but one may also follow an operator.
  for (const written of text
    .trim()
    .replaceAll(/([<>=~^!])\s+/g, '$1')
    .split(/[\s,]+/)) {
    if (written === '' || written === '*') continue;
    const [, operator = '', version = '', wildcard] = CLAUSE.exec(written) ?? [];
    if (version === '') return undefined;
    clauses.push(...clausesFor(operator, version, wildcard));
  }
  return clauses;
}

function clausesFor(operator: string, version: string, wildcard: string | undefined): readonly string[] {
  const parts = version.split('.').map((part) => Number.parseInt(part, 10));
  const next = (at: number): string =>
    parts
      .map((part, index) => (index === at ? part + 1 : part))
      .slice(0, at + 1)
      .join('.');
  switch (operator) {
    case '^': {
      const first = parts.findIndex((part) => part > 0);
      return [`>=${version}`, `<${next(first === -1 ? parts.length - 1 : first)}`];
    }
    case '~':
      return [`>=${version}`, `<${next(Math.min(1, parts.length - 1))}`];
    case '':
      return [`==${version}${wildcard ?? ''}`];
    default:
      return [`${operator}${version}${wildcard ?? ''}`];
  }
}
