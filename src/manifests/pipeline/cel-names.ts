// Finds what a CEL expression names: outputs of nodes, params and facts, and the names that can't be right. Walks the
// tree that cel.ts parsed.

import type { ASTNode } from '@marcbachmann/cel-js';
import { compilePattern } from '../text-pattern.js';
import { TAKEN_NAMES } from './plain-guard.js';

export interface Span {
  readonly start: number;
  readonly end: number;
}
export interface CELProblem {
  readonly kind:
    | 'syntax'
    | 'limit'
    | 'type'
    | 'not-boolean'
    | 'pattern'
    | 'hyphen'
    | 'unknown-node'
    | 'unknown-param'
    | 'unknown-fact'
    | 'bare';
  readonly span: Span;
  /** The name or type in question, the limit, or what CEL said. */
  readonly subject: string;
}
interface NodeRead extends Span {
  readonly node: string;
  readonly port: string;
}
export interface ParsedGuard {
  /** The expression with every `nodes["a-b"]` replaced by a plain name of the same length, so that offsets hold. */
  readonly source: string;
  readonly reads: readonly NodeRead[];
  readonly params: readonly (Span & { readonly name: string })[];
  /** The parts that must all be true, split at `&&`, in normalized spelling. */
  readonly conjuncts: readonly string[];
  readonly problems: readonly CELProblem[];
}

interface KnownNames {
  readonly isNode: (name: string) => boolean;
  readonly runFacts: ReadonlySet<string>;
  /** Problems of the kind `hyphen`. They are found in the text, because the tree has subtractions there. */
  readonly hyphens: readonly CELProblem[];
}

/** Node names are lower-case, so the capital letter keeps the replacement distinct from all of them. */
export const alias = (node: string): string => `nodesZ${node.replaceAll('-', 'H')}`;
const MACROS: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one', 'map', 'filter']);
const SPACES: ReadonlySet<string> = new Set(['nodes', 'params', 'run']);

export class NameFinder {
  readonly reads: NodeRead[] = [];
  readonly params: (Span & { readonly name: string })[] = [];
  /** Where `nodes["a-b"]` stands, and the plain name for it. */
  readonly aliases: (Span & { readonly text: string })[] = [];
  readonly problems: CELProblem[] = [];

  constructor(private readonly known: KnownNames) {}

  /** `bound`: names that a macro around the node introduced. */
  visit(node: ASTNode, bound: ReadonlySet<string>): void {
    const name = memberName(node);
    if (name !== undefined && this.visitMember(node, name, bound)) return;
    switch (node.op) {
      case 'id':
        return this.visitName(node, node.args, bound);
      case 'value':
        return;
      case 'rcall': {
        const [called, receiver, args] = node.args;
        this.visit(receiver, bound);
        return this.visitArguments(called, args, bound);
      }
      case 'call':
        for (const arg of node.args[1]) this.visit(arg, bound);
        return;
      default:
        for (const child of childrenOf(node)) this.visit(child, bound);
    }
  }

  /** True when the member was an output, a param or a fact, or should have been one. */
  private visitMember(node: ASTNode, name: string, bound: ReadonlySet<string>): boolean {
    const left = (node.args as readonly unknown[])[0] as ASTNode;
    if (left.op === 'id' && this.isInHyphen(left.start)) return true;
    const owner = nodeOf(left, bound);
    if (owner !== undefined) {
      if (!this.known.isNode(owner))
        this.report('unknown-node', left.op === 'id' ? left.range : memberSpan(left), owner);
      else this.reads.push({ node: owner, port: name, ...memberSpan(node) });
      // `left` starts at `nodes` and ends after the name or the bracket.
      if (left.op !== 'id') this.aliases.push({ start: left.start, end: left.end, text: alias(owner) });
      return true;
    }
    if (left.op !== 'id' || bound.has(left.args)) return false;
    if (left.args === 'params') this.params.push({ name, ...memberSpan(node) });
    else if (left.args !== 'run') return false;
    else if (!this.known.runFacts.has(name)) this.report('unknown-fact', memberSpan(node), name);
    return true;
  }

  private visitName({ range, start }: ASTNode, name: string, bound: ReadonlySet<string>): void {
    if (bound.has(name) || this.isInHyphen(start)) return;
    // Words like `int` are types and functions of CEL.
    if (TAKEN_NAMES.has(name) && !SPACES.has(name)) return;
    this.report(this.known.isNode(name) || TAKEN_NAMES.has(name) ? 'bare' : 'unknown-node', range, name);
  }

  private visitArguments(called: string, args: readonly ASTNode[], bound: ReadonlySet<string>): void {
    const [first] = args;
    if (called === 'matches' && first?.op === 'value' && typeof first.args === 'string') {
      if (compilePattern(first.args) === undefined) this.report('pattern', first.range, first.args);
    }
    if (!(MACROS.has(called) || called === 'bind') || first?.op !== 'id') {
      for (const arg of args) this.visit(arg, bound);
      return;
    }
    const inside = new Set([...bound, first.args]);
    // The value that `bind` gives its variable doesn't see the variable.
    for (const [index, arg] of args.slice(1).entries()) {
      this.visit(arg, called === 'bind' && index === 0 ? bound : inside);
    }
  }

  private isInHyphen(at: number): boolean {
    return this.known.hyphens.some(({ span }) => at >= span.start && at < span.end);
  }

  private report(kind: CELProblem['kind'], { start, end }: Span, subject: string): void {
    this.problems.push({ kind, span: { start, end }, subject });
  }
}

/** The node that an expression stands for: `name`, or `nodes["name"]`. */
function nodeOf(node: ASTNode, bound: ReadonlySet<string>): string | undefined {
  if (node.op === 'id') return bound.has(node.args) || TAKEN_NAMES.has(node.args) ? undefined : node.args;
  const name = memberName(node);
  if (name === undefined || (node.op !== '.' && node.op !== '[]')) return undefined;
  const [left] = node.args;
  return left.op === 'id' && left.args === 'nodes' && !bound.has('nodes') ? name : undefined;
}

function memberName(node: ASTNode): string | undefined {
  if (node.op === '.' || node.op === '.?') return node.args[1];
  if (node.op !== '[]') return undefined;
  const index = node.args[1];
  return index.op === 'value' && typeof index.args === 'string' ? index.args : undefined;
}

/** Where the member's name stands: after the dot, or inside the brackets. */
function memberSpan(node: ASTNode): Span {
  if (node.op === '[]') return { start: node.args[1].start, end: node.args[1].end };
  const name = memberName(node) ?? '';
  return { start: node.end - name.length, end: node.end };
}

export function childrenOf(node: ASTNode): readonly ASTNode[] {
  const found: ASTNode[] = [];
  const collect = (args: unknown): void => {
    if (Array.isArray(args)) for (const item of args) collect(item);
    else if (typeof args === 'object' && args !== null && 'op' in args) found.push(args as ASTNode);
  };
  collect(node.args);
  return found;
}

/** Names with a hyphen outside of `nodes["..."]`, where CEL reads a subtraction. */
export function hyphenatedNames(expression: string, isNode: (name: string) => boolean): readonly CELProblem[] {
  const masked = expression.replace(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g, (text) => ' '.repeat(text.length));
  return [...masked.matchAll(/(?<![\w.-])[a-z][a-z0-9_]*(?:-[a-z0-9_]+)+(?=\s*[.[])/g)].flatMap((match) => {
    const [name] = match;
    // `a.n-b.n` subtracts two ports and never starts with a bare name, so only known node names are reported.
    if (!isNode(name)) return [];
    return [{ kind: 'hyphen' as const, span: { start: match.index, end: match.index + name.length }, subject: name }];
  });
}
