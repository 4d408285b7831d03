// Finds the statements and branches of a TypeScript file. Prettier's parser reads it: the project has no other in JavaScript.

import { parsers } from 'prettier/plugins/typescript';

/** Lines count from 1, columns from 0. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface Span {
  readonly start: Place;
  readonly end: Place;
}

/** `without`: the branch ran as often as `span` did and this one did not; for an `if` that has no `else`. */
export interface Branch {
  readonly span: Span;
  readonly without?: Span;
}

export interface Structure {
  readonly statements: readonly Span[];
  readonly branches: readonly Branch[];
}

/** What is used of a node of the syntax tree, in the form of ESTree. */
interface SyntaxNode {
  readonly type: string;
  readonly loc: Span;
  readonly [field: string]: unknown;
}

const STATEMENTS = new Set([
  'BreakStatement',
  'ContinueStatement',
  'DoWhileStatement',
  'ExpressionStatement',
  'ForInStatement',
  'ForOfStatement',
  'ForStatement',
  'IfStatement',
  'ReturnStatement',
  'SwitchStatement',
  'ThrowStatement',
  'TryStatement',
  'VariableDeclaration',
  'WhileStatement',
]);

export function structureOf(text: string): Structure {
  const statements: Span[] = [];
  const branches: Branch[] = [];
  const pending: unknown[] = [
    (parsers.typescript as { parse(text: string, options: object): unknown }).parse(text, {}),
  ];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (Array.isArray(node)) pending.push(...node.filter((item) => item !== null));
    if (!isNode(node) || node['declare'] === true) continue;
    if (STATEMENTS.has(node.type) && !isUnreachable(node)) statements.push(node.loc);
    // The body of `() => value` has no statement.
    if (node.type === 'ArrowFunctionExpression' && node['expression'] === true) statements.push(spanOf(node['body']));
    branches.push(...branchesOf(node));
    for (const [field, value] of Object.entries(node)) {
      if (typeof value === 'object' && value !== null && field !== 'loc') pending.push(value);
    }
  }
  return { statements, branches };
}

const isNode = (value: unknown): value is SyntaxNode => typeof (value as SyntaxNode | undefined)?.type === 'string';

const spanOf = (node: unknown): Span => (node as SyntaxNode).loc;

/** The first thing that runs in a statement. */
const bodyOf = (node: unknown): Span => {
  const { type, body } = node as SyntaxNode;
  return type === 'BlockStatement' && Array.isArray(body) && body.length > 0 ? spanOf(body[0]) : spanOf(node);
};

function branchesOf(node: SyntaxNode): readonly Branch[] {
  switch (node.type) {
    case 'IfStatement': {
      const then = bodyOf(node['consequent']);
      const otherwise = isNode(node['alternate'])
        ? { span: bodyOf(node['alternate']) }
        : { span: node.loc, without: then };
      return [{ span: then }, otherwise];
    }
    case 'ConditionalExpression':
      return [{ span: spanOf(node['consequent']) }, { span: spanOf(node['alternate']) }];
    case 'LogicalExpression':
      return [{ span: spanOf(node['right']) }];
    case 'SwitchCase': {
      const [first] = node['consequent'] as readonly SyntaxNode[];
      return first === undefined || isUnreachable(first) ? [] : [{ span: bodyOf(first) }];
    }
    case 'CatchClause':
    case 'ForInStatement':
    case 'ForOfStatement':
    case 'ForStatement':
    case 'WhileStatement':
      return [{ span: bodyOf(node['body']) }];
    default:
      return [];
  }
}

/** The compiler makes sure that such a case is never reached. */
function isUnreachable({ type, argument }: SyntaxNode): boolean {
  if (type !== 'ReturnStatement' || !isNode(argument) || argument.type !== 'CallExpression') return false;
  return (argument['callee'] as SyntaxNode)['name'] === 'unreachable';
}
