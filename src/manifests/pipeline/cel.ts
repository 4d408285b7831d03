// Guards that need CEL: what they name, whether their types fit, what they yield. The only importer of the CEL library,
// itself imported only when a file has such a guard.

import { Environment, ParseError, serialize, type ASTNode } from '@marcbachmann/cel-js';
import type { JSONValue } from '../json-schema.js';
import { compilePattern, loadPatternEngine } from '../text-pattern.js';
import { BudgetError, evaluateWithin } from './cel-budget.js';
import type { RunFacts } from './manifest.js';
import { LONGEST_EXPRESSION, TAKEN_NAMES, type NodeValues, type WhenResult } from './plain-guard.js';

export interface Span {
  readonly start: number;
  readonly end: number;
}
export interface CELProblem {
  readonly kind:
    | 'syntax'
    | 'type'
    | 'pattern'
    | 'hyphen'
    | 'unknown-node'
    | 'unknown-port'
    | 'unknown-param'
    | 'unknown-fact'
    | 'bare';
  readonly span: Span;
  /** The name in question, or what CEL said. */
  readonly subject: string;
  /** For ports: the node. */
  readonly node?: string;
}
export interface NodeRead extends Span {
  readonly node: string;
  readonly port: string;
}
export interface ParsedGuard {
  /** The expression with every `nodes["a-b"]` replaced by a plain name of the same length, so that offsets hold. */
  readonly source: string;
  readonly reads: readonly NodeRead[];
  readonly params: readonly (Span & { readonly name: string })[];
  /** What must hold, split at `&&`, each in one spelling. */
  readonly conjuncts: readonly string[];
  readonly problems: readonly CELProblem[];
}

/** Names of nodes are lower-case, so a capital letter keeps the replacement apart from all of them. */
const alias = (node: string): string => `nodesZ${node.replaceAll('-', 'H')}`;
const MACROS: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one', 'map', 'filter']);

/** Finds what an expression names. `isNode` may say yes to everything when the pipeline was checked before. */
export function parseGuard(
  expression: string,
  isNode: (name: string) => boolean,
  runFacts: ReadonlySet<string>,
): ParsedGuard {
  const problems: CELProblem[] = [];
  const isTooLong = expression.length > LONGEST_EXPRESSION;
  const hyphens = isTooLong ? [] : hyphenated(expression, isNode);
  const failed = (problem: CELProblem): ParsedGuard => ({
    source: expression,
    reads: [],
    params: [],
    conjuncts: [],
    problems: [...hyphens, ...(hyphens.length > 0 && problem.kind === 'syntax' ? [] : [problem])],
  });
  if (isTooLong) {
    const subject = `the expression is longer than ${LONGEST_EXPRESSION} characters`;
    return failed({ kind: 'syntax', span: { start: 0, end: 1 }, subject });
  }
  let ast: ASTNode;
  try {
    ast = plainEnvironment().parse(expression).ast;
  } catch (error) {
    const range = error instanceof ParseError ? error.range : undefined;
    return failed({
      kind: 'syntax',
      span: { start: range?.start ?? 0, end: Math.max(range?.end ?? 0, (range?.start ?? 0) + 1) },
      subject: error instanceof ParseError ? error.summary : 'the expression is nested too deeply',
    });
  }
  problems.push(...hyphens);
  const reads: NodeRead[] = [];
  const params: (Span & { name: string })[] = [];
  const replacements: (Span & { text: string })[] = [];
  const checkPattern = (node: ASTNode, pattern: string): void => {
    if (compilePattern(pattern) === undefined) problems.push({ kind: 'pattern', span: node.range, subject: pattern });
  };
  const inHyphen = (at: number): boolean => hyphens.some(({ span }) => at >= span.start && at < span.end);

  /** The node that an expression stands for, if it stands for one. */
  const nodeOf = (node: ASTNode, bound: ReadonlySet<string>): string | undefined => {
    if (node.op === 'id') return bound.has(node.args) || TAKEN_NAMES.has(node.args) ? undefined : node.args;
    const name = memberName(node);
    if (name === undefined || (node.op !== '.' && node.op !== '[]')) return undefined;
    const [left] = node.args;
    return left.op === 'id' && left.args === 'nodes' && !bound.has('nodes') ? name : undefined;
  };
  const walk = (node: ASTNode, bound: ReadonlySet<string>): void => {
    const name = memberName(node);
    if ((node.op === '.' || node.op === '[]' || node.op === '.?') && name !== undefined) {
      const left = node.args[0] as ASTNode;
      if (inHyphen(left.start) && left.op === 'id') return;
      const owner = nodeOf(left, bound);
      if (owner !== undefined) {
        if (!isNode(owner)) problems.push({ kind: 'unknown-node', span: inner(left), subject: owner });
        else reads.push({ node: owner, port: name, ...member(node) });
        // `left` starts at `nodes` and ends behind the name or the bracket.
        if (left.op !== 'id') replacements.push({ start: left.start, end: left.end, text: alias(owner) });
        return;
      }
      if (left.op === 'id' && !bound.has(left.args)) {
        if (left.args === 'params') {
          params.push({ name, ...member(node) });
          return;
        }
        if (left.args === 'run') {
          if (!runFacts.has(name)) problems.push({ kind: 'unknown-fact', span: member(node), subject: name });
          return;
        }
      }
    }
    switch (node.op) {
      case 'id': {
        if (bound.has(node.args) || inHyphen(node.start)) return;
        if (!TAKEN_NAMES.has(node.args) || node.args === 'nodes' || node.args === 'params' || node.args === 'run') {
          const kind = isNode(node.args) || TAKEN_NAMES.has(node.args) ? 'bare' : 'unknown-node';
          problems.push({ kind, span: node.range, subject: node.args });
        }
        return;
      }
      case 'value':
        return;
      case 'rcall': {
        const [called, receiver, args] = node.args;
        walk(receiver, bound);
        const pattern = called === 'matches' ? args[0] : undefined;
        if (pattern?.op === 'value' && typeof pattern.args === 'string') checkPattern(pattern, pattern.args);
        const variable = args[0];
        const isBinding = MACROS.has(called) || called === 'bind';
        if (isBinding && variable?.op === 'id') {
          const inside = new Set([...bound, variable.args]);
          for (const [index, arg] of args.slice(1).entries())
            walk(arg, called === 'bind' && index === 0 ? bound : inside);
        } else for (const arg of args) walk(arg, bound);
        return;
      }
      case 'call':
        for (const arg of node.args[1]) walk(arg, bound);
        return;
      default:
        for (const child of childrenOf(node)) walk(child, bound);
    }
  };
  try {
    walk(ast, new Set());
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return failed({ kind: 'syntax', span: { start: 0, end: 1 }, subject: 'the expression is nested too deeply' });
  }
  let source = expression;
  for (const { start, end, text } of replacements) {
    source = source.slice(0, start) + text.padEnd(end - start) + source.slice(end);
  }
  return { source, reads, params, conjuncts: conjunctsOf(ast), problems };
}

/** Type declarations of the ports and params, in CEL's words. */
export interface Typing {
  /** Port -> CEL type; undefined when the kind's ports are open. */
  readonly ports: (node: string) => Readonly<Record<string, string>> | undefined;
  readonly params: Readonly<Record<string, string>>;
}

/** One per check: nodes are declared as guards name them, not all ten thousand at once. */
export class GuardChecker {
  private readonly environment = new Environment();
  private readonly declared = new Set<string>();
  private readonly typeNames = new Map<string, string>();

  constructor(
    private readonly typing: Typing,
    runFacts: ReadonlySet<string>,
  ) {
    this.environment.registerType('Params', { fields: { ...typing.params } });
    this.environment.registerVariable('params', 'Params');
    this.environment.registerType('Run', { fields: Object.fromEntries([...runFacts].map((name) => [name, 'string'])) });
    this.environment.registerVariable('run', 'Run');
  }

  /** Undefined when the guard is a boolean of sound parts. */
  check(guard: ParsedGuard): CELProblem | undefined {
    for (const { node } of guard.reads) this.declare(node);
    const result = this.environment.check(guard.source);
    const whole = { start: 0, end: guard.source.length };
    if (!result.valid) {
      const { error } = result;
      return { kind: 'type', span: error?.range ?? whole, subject: error?.summary ?? 'the types do not fit' };
    }
    if (result.type === 'bool' || result.type === 'dyn') return undefined;
    return { kind: 'type', span: whole, subject: `it yields ${result.type}, not a boolean` };
  }

  private declare(node: string): void {
    if (this.declared.has(node)) return;
    this.declared.add(node);
    const ports = this.typing.ports(node);
    const type = ports === undefined ? 'map<string, dyn>' : this.typeOf(ports);
    if (!TAKEN_NAMES.has(node) && !node.includes('-')) this.environment.registerVariable(node, type);
    this.environment.registerVariable(alias(node), type);
  }

  private typeOf(ports: Readonly<Record<string, string>>): string {
    const identity = JSON.stringify(ports);
    const known = this.typeNames.get(identity);
    if (known !== undefined) return known;
    const name = `Outputs${this.typeNames.size + 1}`;
    this.environment.registerType(name, { fields: { ...ports } });
    this.typeNames.set(identity, name);
    return name;
  }
}

/** Whether `matches` may be called. */
export const usesPatterns = (expression: string): boolean => expression.includes('matches');

export async function evaluateCEL(
  expression: string,
  values: NodeValues,
  params: Readonly<Record<string, JSONValue>>,
  run: RunFacts,
): Promise<WhenResult> {
  if (usesPatterns(expression)) await loadPatternEngine();
  const guard = parseGuard(expression, () => true, new Set(Object.keys(run)));
  const failed = (detail: string): WhenResult => ({
    ok: false,
    failure: {
      code: 'pipeline::when-failed',
      blame: 'pipeline',
      title: 'A `when` could not be evaluated.',
      detail: `${expression.length > 300 ? `${expression.slice(0, 300)}...` : expression}: ${detail}`,
      remedy: 'Correct the expression, or the values that it compares.',
    },
  });
  if (guard.problems[0]) return failed(guard.problems[0].subject);
  const context: Record<string, unknown> = { params: toCEL(params), run: { ...run } };
  let isAnyAbsent = false;
  for (const { node, port } of guard.reads) {
    const ports = Object.hasOwn(values, node) ? values[node] : undefined;
    if (ports === undefined || !Object.hasOwn(ports, port) || ports[port] === undefined) isAnyAbsent = true;
    context[node] = context[alias(node)] ??= toCEL(ports ?? {});
  }
  try {
    const environment = evaluator();
    const parsed = environment.parse(guard.source);
    matchLinearly(parsed.ast);
    const value = evaluateWithin(environment, () => parsed(context));
    return typeof value === 'boolean' ? { ok: true, value } : failed(`it yields ${typeof value}, not a boolean`);
  } catch (error) {
    if (isAnyAbsent && !(error instanceof BudgetError)) return { ok: true, value: false };
    const summary = error instanceof Error && 'summary' in error ? String(error.summary) : 'it failed';
    return failed(summary);
  }
}

/** JSON numbers without a fraction are CEL's integers. */
function toCEL(value: unknown): unknown {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(toCEL);
  if (typeof value === 'object' && value !== null) {
    return new Map(Object.entries(value).flatMap(([key, item]) => (item === undefined ? [] : [[key, toCEL(item)]])));
  }
  return value;
}

let plain: Environment | undefined;
const plainEnvironment = (): Environment => (plain ??= new Environment({ unlistedVariablesAreDyn: true }));
let evaluating: Environment | undefined;
function evaluator(): Environment {
  if (evaluating) return evaluating;
  evaluating = new Environment({ unlistedVariablesAreDyn: true });
  // A port of the type number may hold a value without a fraction; arithmetic with real numbers must go on.
  const operations: Record<string, (a: number, b: number) => number> = {
    '+': (a, b) => a + b,
    '-': (a, b) => a - b,
    '*': (a, b) => a * b,
    '/': (a, b) => a / b,
  };
  for (const [operator, calculate] of Object.entries(operations)) {
    const handler = (a: number | bigint, b: number | bigint): number => calculate(Number(a), Number(b));
    evaluating.registerOperator(`int ${operator} double: double`, handler);
    evaluating.registerOperator(`double ${operator} int: double`, handler);
  }
  evaluating.registerFunction(`string.${LINEAR_MATCHES}(string): bool`, (text: string, pattern: string) => {
    const compiled = compilePattern(pattern);
    if (compiled === undefined) throw new BudgetError(`"${pattern.slice(0, 100)}" is not a pattern of RE2`);
    return compiled.test(text);
  });
  return evaluating;
}

/** The library's own matches by backtracking. */
const LINEAR_MATCHES = 'matchesLinearly';

/** Calls of `matches` become those of our own. */
function matchLinearly(ast: ASTNode): void {
  const pending: ASTNode[] = [ast];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (node.op === 'rcall' && node.args[0] === 'matches') (node.args as unknown[])[0] = LINEAR_MATCHES;
    pending.push(...childrenOf(node));
  }
}

function memberName(node: ASTNode): string | undefined {
  if (node.op === '.' || node.op === '.?') return node.args[1];
  if (node.op !== '[]') return undefined;
  const index = node.args[1];
  return index.op === 'value' && typeof index.args === 'string' ? index.args : undefined;
}

/** Where the member's name stands: after the dot, or inside the brackets. */
function member(node: ASTNode): Span {
  if (node.op === '[]') return { start: node.args[1].start, end: node.args[1].end };
  const name = memberName(node) ?? '';
  return { start: node.end - name.length, end: node.end };
}
const inner = (node: ASTNode): Span => (node.op === 'id' ? node.range : member(node));

function childrenOf(node: ASTNode): readonly ASTNode[] {
  const found: ASTNode[] = [];
  const collect = (args: unknown): void => {
    if (Array.isArray(args)) for (const item of args) collect(item);
    else if (typeof args === 'object' && args !== null && 'op' in args) found.push(args as ASTNode);
  };
  collect(node.args);
  return found;
}

function conjunctsOf(ast: ASTNode): readonly string[] {
  const found: string[] = [];
  const split = (node: ASTNode): void => {
    if (node.op === '&&') for (const side of node.args) split(side);
    else found.push(serialize(node));
  };
  try {
    split(ast);
  } catch {
    return [ast.input.trim()];
  }
  return found;
}

/** Names with a hyphen that stand bare, where CEL reads a subtraction. */
function hyphenated(expression: string, isNode: (name: string) => boolean): readonly CELProblem[] {
  const masked = expression.replace(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g, (text) => ' '.repeat(text.length));
  return [...masked.matchAll(/(?<![\w.-])[a-z][a-z0-9_]*(?:-[a-z0-9_]+)+(?=\s*[.[])/g)].flatMap((match) => {
    const [name] = match;
    // A subtraction of two ports, `a.n-b.n`, never starts with a bare name; one of a known name does not read as a node.
    if (!isNode(name)) return [];
    return [{ kind: 'hyphen' as const, span: { start: match.index, end: match.index + name.length }, subject: name }];
  });
}
