// Parses, type-checks and evaluates guards that need CEL. Imports the CEL library, and is itself imported only when a file
// has such a guard.

import { Environment, ParseError, serialize, type ASTNode } from '@marcbachmann/cel-js';
import type { JSONValue } from '../json-schema.js';
import { compilePattern, loadPatternEngine } from '../text-pattern.js';
import { BudgetError, evaluateWithin } from './cel-budget.js';
import {
  alias,
  childrenOf,
  hyphenatedNames,
  NameFinder,
  type CELProblem,
  type ParsedGuard,
  type Span,
} from './cel-names.js';
import type { RunFacts } from './manifest.js';
import { LONGEST_EXPRESSION, TAKEN_NAMES, type NodeValues, type WhenResult } from './plain-guard.js';

/** Finds what an expression names. After the checks, `isNode` can accept every name. */
export function parseGuard(
  expression: string,
  isNode: (name: string) => boolean,
  runFacts: ReadonlySet<string>,
): ParsedGuard {
  if (expression.length > LONGEST_EXPRESSION) {
    return unreadable(expression, 'limit', `The expression is longer than ${LONGEST_EXPRESSION} characters`);
  }
  const hyphens = hyphenatedNames(expression, isNode);
  // A syntax error around a name with a hyphen needs no second report.
  const refuse = (kind: 'syntax' | 'limit', subject: string, range?: Span): ParsedGuard => {
    const guard = unreadable(expression, kind, subject, range);
    return hyphens.length > 0 ? { ...guard, problems: hyphens } : guard;
  };
  let ast: ASTNode;
  try {
    ast = plainEnvironment().parse(expression).ast;
  } catch (error) {
    return error instanceof ParseError ? refuse('syntax', error.summary, error.range) : refuse('limit', TOO_DEEP);
  }
  const finder = new NameFinder({ isNode, runFacts, hyphens });
  try {
    finder.visit(ast, new Set());
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return refuse('limit', TOO_DEEP);
  }
  const { reads, params, aliases } = finder;
  const problems = [...hyphens, ...finder.problems];
  return { source: withAliases(expression, aliases), reads, params, conjuncts: conjunctsOf(ast), problems };
}

const TOO_DEEP = 'The expression is nested too deeply';

function unreadable(expression: string, kind: 'syntax' | 'limit', subject: string, range?: Span): ParsedGuard {
  const start = range?.start ?? 0;
  const span = { start, end: Math.max(range?.end ?? 0, start + 1) };
  return { source: expression, reads: [], params: [], conjuncts: [], problems: [{ kind, span, subject }] };
}

function withAliases(expression: string, aliases: NameFinder['aliases']): string {
  let source = expression;
  for (const { start, end, text } of aliases) {
    source = source.slice(0, start) + text.padEnd(end - start) + source.slice(end);
  }
  return source;
}

/** CEL types of the ports and params. */
export interface Typing {
  /** Port -> CEL type; undefined when the kind's ports are open. */
  readonly ports: (node: string) => Readonly<Record<string, string>> | undefined;
  readonly params: Readonly<Record<string, string>>;
}

/** One per check. Declares a node when a guard first names it, because a file may have ten thousand. */
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

  /** Undefined when the guard has no type error and is a boolean. */
  check(guard: ParsedGuard): CELProblem | undefined {
    for (const { node } of guard.reads) this.declare(node);
    const result = this.environment.check(guard.source);
    const whole = { start: 0, end: guard.source.length };
    if (!result.valid) {
      const { error } = result;
      return { kind: 'type', span: error?.range ?? whole, subject: error?.summary ?? "the types don't match" };
    }
    if (result.type === 'bool' || result.type === 'dyn') return undefined;
    return { kind: 'not-boolean', span: whole, subject: result.type ?? 'null' };
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
      remedy: 'Fix the expression, or the values that it compares.',
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
    return typeof value === 'boolean'
      ? { ok: true, value }
      : failed(`it evaluates to ${typeof value}, not to a boolean`);
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
  // A number port may hold a value without a fraction, which must still work in arithmetic with doubles.
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
    if (compiled === undefined) throw new BudgetError(`"${pattern.slice(0, 100)}" is not a valid RE2 pattern`);
    return compiled.test(text);
  });
  return evaluating;
}

/** Replaces `matches` of the library, which backtracks. */
const LINEAR_MATCHES = 'matchesLinearly';

function matchLinearly(ast: ASTNode): void {
  const pending: ASTNode[] = [ast];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (node.op === 'rcall' && node.args[0] === 'matches') (node.args as unknown[])[0] = LINEAR_MATCHES;
    pending.push(...childrenOf(node));
  }
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
