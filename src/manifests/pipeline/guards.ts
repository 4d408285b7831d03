// The guards (`when`) of nodes: what they read, their types, and which exclude or imply each other.

import { loadPatternEngine } from '../text-pattern.js';
import { describe } from './assignable.js';
import type { GuardChecker, Typing } from './cel.js';
import { reportCEL } from './cel-messages.js';
import type { ParsedGuard } from './cel-names.js';
import type { CheckContext } from './check-context.js';
import type { Draft } from './nodes.js';
import { RUN_FACTS } from './params.js';
import { parsePlain, TAKEN_NAMES, type PlainTerm } from './plain-guard.js';
import type { OutputTypes } from './ports.js';
import { isRecord, type Path } from './problem.js';

export interface Guard {
  readonly expression: string;
  readonly path: Path;
  /** The node by index, its port, and the span inside the expression. */
  readonly reads: readonly {
    readonly node: number;
    readonly port: string;
    readonly span: { start: number; end: number };
  }[];
  /** The parts that must all be true, in normalized spelling. */
  readonly conjuncts: ReadonlySet<string>;
  /** The conjuncts that are plain comparisons. */
  readonly terms: readonly PlainTerm[];
  readonly parsed: ParsedGuard;
}

const FACTS: ReadonlySet<string> = new Set(RUN_FACTS);

/** Reads all guards. Those with wrong names are reported and left out. CEL is loaded only if one needs it. */
export async function readGuards(context: CheckContext): Promise<ReadonlyMap<number, Guard>> {
  const guards = new Map<number, Guard>();
  for (const draft of context.drafts) {
    const expression = draft.raw['when'];
    if (typeof expression !== 'string' || expression.trim() === '') continue;
    const guard = await readGuard(expression, [...draft.path, 'when'], context);
    if (guard !== undefined) guards.set(draft.index, guard);
  }
  return guards;
}

async function readGuard(expression: string, path: Path, context: CheckContext): Promise<Guard | undefined> {
  const plain = parsePlain(expression);
  const parsed = plain && isSound(plain, context) ? fromPlain(plain) : await parseWithCEL(expression, context);
  const isBroken = reportNames(parsed, { path, expression }, context);
  if (isBroken && parsed.reads.length === 0) return undefined;
  const reads = parsed.reads.flatMap(({ node, port, start, end }) => {
    const index = context.indexOf.get(node);
    return index === undefined ? [] : [{ node: index, port, span: { start, end } }];
  });
  return {
    expression,
    path,
    reads,
    conjuncts: new Set(parsed.conjuncts),
    terms: plain ?? parsed.conjuncts.flatMap((conjunct) => parsePlain(conjunct) ?? []),
    parsed,
  };
}

async function parseWithCEL(expression: string, { indexOf }: CheckContext): Promise<ParsedGuard> {
  const library = await import('./cel.js');
  if (library.usesPatterns(expression)) await loadPatternEngine();
  return library.parseGuard(expression, (name) => indexOf.has(name), FACTS);
}

/** True when something was wrong. Marks the params that the guard reads as used. */
function reportNames(parsed: ParsedGuard, guard: Pick<Guard, 'path' | 'expression'>, context: CheckContext): boolean {
  const problems = [...parsed.problems];
  for (const { name, start, end } of parsed.params) {
    context.params.used.add(name);
    if (!context.params.declared.has(name)) {
      problems.push({ kind: 'unknown-param', span: { start, end }, subject: name });
    }
  }
  for (const problem of problems) reportCEL(problem, guard, context);
  return problems.length > 0;
}

/** Whether every name is known, so that CEL need not parse the guard. Types are checked later. */
function isSound(terms: readonly PlainTerm[], { indexOf, params }: CheckContext): boolean {
  return terms.every(({ space, node, name }) =>
    space === 'node' ? indexOf.has(node) : space === 'run' ? FACTS.has(name) : params.declared.has(name),
  );
}

function fromPlain(terms: readonly PlainTerm[]): ParsedGuard {
  return {
    source: '',
    reads: terms.flatMap(({ space, node, name }) => (space === 'node' ? [{ node, port: name, start: 0, end: 0 }] : [])),
    params: terms.flatMap(({ space, name }) => (space === 'params' ? [{ name, start: 0, end: 0 }] : [])),
    conjuncts: terms.map(spell),
    problems: [],
  };
}

/** Spelled like CEL's serializer does. */
function spell({ space, node, name, test, literal }: PlainTerm): string {
  const owner = space !== 'node' ? space : node.includes('-') || TAKEN_NAMES.has(node) ? `nodes["${node}"]` : node;
  const subject = `${owner}.${name}`;
  if (test === 'is') return subject;
  return test === 'not' ? `!${subject}` : `${subject} ${test} ${JSON.stringify(literal)}`;
}

/** Checks ports and types of the guards that were read. */
export async function checkGuards(
  guards: ReadonlyMap<number, Guard>,
  types: OutputTypes,
  context: CheckContext,
): Promise<void> {
  const suspects = [...guards.values()].filter((guard) => !hasPlainTypes(guard, types, context));
  if (suspects.length === 0) return;
  const { GuardChecker, parseGuard } = await import('./cel.js');
  let checker: GuardChecker | undefined;
  for (const guard of suspects) {
    const { expression } = guard;
    // The plain reading has no positions, so CEL parses the guard again to report where the fault is.
    const isPlain = guard.parsed.source === '';
    const parsed = isPlain ? parseGuard(expression, (name) => context.indexOf.has(name), FACTS) : guard.parsed;
    const isSoundSoFar = checkReads(parsed, guard.path, types, context) && guard.parsed.problems.length === 0;
    if (!isSoundSoFar || parsed.params.some(({ name }) => !context.params.declared.has(name))) continue;
    checker ??= new GuardChecker(typingOf(types, context), FACTS);
    const problem = checker.check(parsed);
    if (problem) reportCEL(problem, guard, context);
  }
}

/** Whether the plain form settles the types, so that CEL isn't needed. */
function hasPlainTypes({ parsed, terms }: Guard, types: OutputTypes, { indexOf, params }: CheckContext): boolean {
  return (
    parsed.source === '' &&
    terms.every(({ space, node, name, test }) => {
      if (space === 'run') return test === '==' || test === '!=';
      const wanted = test === 'is' || test === 'not' ? 'boolean' : 'string';
      if (space === 'params') return params.declared.get(name)?.type === wanted;
      const schema = types.of(indexOf.get(node) ?? -1, name);
      return isRecord(schema) && schema['type'] === wanted && !isTree(schema);
    })
  );
}

/** False when an output that the guard reads doesn't exist, is a tree, or is of an unknown kind. Reports the first two. */
function checkReads(parsed: ParsedGuard, path: Path, types: OutputTypes, context: CheckContext): boolean {
  let areSound = true;
  for (const { node, port, start, end } of parsed.reads) {
    const index = context.indexOf.get(node) ?? -1;
    const schema = types.of(index, port);
    if (schema !== undefined && !isTree(schema)) continue;
    areSound = false;
    if (context.drafts[index]?.kind === undefined) continue;
    context.report({
      path,
      span: { start, end },
      ...(schema === undefined
        ? {
            code: 'pipeline::unknown-port',
            message: `\`${node}\` has no output \`${port}\`.`,
            remedy: context.suggester.remedy(port, types.portsOf(index), 'output'),
          }
        : {
            code: 'pipeline::when-type',
            message: `\`${node}.${port}\` is ${describe(schema)}, which \`when\` can't read.`,
            reason: '`when` compares values: strings, numbers, booleans, lists and mappings.',
            remedy: 'Use an output that is a value, or add a node that reads the files and outputs a value.',
          }),
    });
  }
  return areSound;
}

function typingOf(types: OutputTypes, { indexOf, drafts, params }: CheckContext): Typing {
  const ports = (name: string): Readonly<Record<string, string>> | undefined => {
    const index = indexOf.get(name) ?? -1;
    if (isOpen(drafts[index])) return undefined;
    return Object.fromEntries(types.portsOf(index).map((port) => [port, celType(types.of(index, port))]));
  };
  const declared = [...params.declared].map(([name, { type, items }]) => [name, celType({ type, items })]);
  return { ports, params: Object.fromEntries(declared) };
}

const isTree = (schema: unknown): boolean =>
  isRecord(schema) && (schema['format'] === 'output-tree' || schema['format'] === 'tool-tree');

const isOpen = (draft: Draft | undefined): boolean => {
  const outputs = draft?.kind?.manifest.outputs;
  return outputs === undefined || outputs.additionalProperties !== false;
};

/** The CEL type of a schema's values. */
function celType(schema: unknown): string {
  if (!isRecord(schema)) return 'dyn';
  const { type, items, enum: values } = schema;
  switch (type) {
    case 'string':
      return 'string';
    case 'integer':
      return 'int';
    case 'number':
      return 'double';
    case 'boolean':
      return 'bool';
    case 'array':
      return `list<${celType(items)}>`;
    case 'object':
      return 'map<string, dyn>';
    default:
      return Array.isArray(values) && values.every((value) => typeof value === 'string') ? 'string' : 'dyn';
  }
}

/** At most one of the two can be true, because they compare the same value with different literals. */
export function excludeEachOther(a: Guard | undefined, b: Guard | undefined): boolean {
  if (!a || !b) return false;
  return a.terms.some((x) =>
    b.terms.some((y) => {
      if (x.space !== y.space || x.node !== y.node || x.name !== y.name) return false;
      if (x.test === '==' && y.test === '==') return x.literal !== y.literal;
      if (x.literal !== y.literal) return false;
      const tests = new Set([x.test, y.test]);
      return (tests.has('==') && tests.has('!=')) || (tests.has('is') && tests.has('not'));
    }),
  );
}

/** Whether the producer is known to have run when the consumer's guard is true. */
export function implies(consumer: Guard | undefined, producer: Guard, producerId: string): boolean {
  if (consumer === undefined) return false;
  if ([...producer.conjuncts].every((conjunct) => consumer.conjuncts.has(conjunct))) return true;
  // A comparison with an output of a skipped node is never true.
  return consumer.terms.some(({ space, node }) => space === 'node' && node === producerId);
}
