// Guards (`when`) of nodes: what they read, whether their types fit, which exclude or imply one another.

import type * as cel from './cel.js';
import { reportCEL } from './cel-messages.js';
import type { GuardChecker, ParsedGuard } from './cel.js';
import type { GuardContext } from './guard-context.js';
import { describe } from './assignable.js';
import type { Draft } from './nodes.js';
import { RUN_FACTS } from './params.js';
import type { Path } from './problem.js';
import { parsePlain, TAKEN_NAMES, type PlainTerm } from './plain-guard.js';
import { loadPatternEngine } from '../text-pattern.js';

export interface Guard {
  readonly expression: string;
  readonly path: Path;
  /** Indexes of nodes and their ports, with the place inside the expression. */
  readonly reads: readonly {
    readonly node: number;
    readonly port: string;
    readonly span: { start: number; end: number };
  }[];
  /** What must hold, in one spelling. */
  readonly conjuncts: ReadonlySet<string>;
  /** Those conjuncts that are plain comparisons. */
  readonly terms: readonly PlainTerm[];
  readonly parsed: ParsedGuard;
}

const FACTS: ReadonlySet<string> = new Set(RUN_FACTS);

/** Reads all guards; those with a mistake in their names are reported and left out. CEL is loaded only if one needs it. */
export async function readGuards(context: GuardContext): Promise<ReadonlyMap<number, Guard>> {
  const guards = new Map<number, Guard>();
  let library: typeof cel | undefined;
  for (const draft of context.drafts) {
    const expression = draft.raw['when'];
    if (typeof expression !== 'string' || expression.trim() === '') continue;
    const path: Path = [...draft.path, 'when'];
    const plain = parsePlain(expression);
    const parsed = plain && isSound(plain, context) ? fromPlain(plain) : undefined;
    if (parsed === undefined) {
      library ??= await import('./cel.js');
      if (library.usesPatterns(expression)) await loadPatternEngine();
    }
    const guard = parsed ?? library?.parseGuard(expression, (name) => context.indexOf.has(name), FACTS);
    if (guard === undefined) continue;
    let isBroken = guard.problems.length > 0;
    for (const problem of guard.problems) reportCEL(problem, path, expression, context);
    for (const { name, start, end } of guard.params) {
      context.params.used.add(name);
      if (context.params.declared.has(name)) continue;
      isBroken = true;
      reportCEL({ kind: 'unknown-param', span: { start, end }, subject: name }, path, expression, context);
    }
    if (isBroken && guard.reads.length === 0) continue;
    const reads = guard.reads.flatMap(({ node, port, start, end }) => {
      const index = context.indexOf.get(node);
      return index === undefined ? [] : [{ node: index, port, span: { start, end } }];
    });
    guards.set(draft.index, {
      expression,
      path,
      reads,
      conjuncts: new Set(guard.conjuncts),
      terms: plain ?? guard.conjuncts.flatMap((conjunct) => parsePlain(conjunct) ?? []),
      parsed: guard,
    });
  }
  return guards;
}

/** Whether every name is known, so that the plain reading can stand for CEL's. Types are looked at later. */
function isSound(terms: readonly PlainTerm[], { indexOf, params }: GuardContext): boolean {
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

/** As CEL's own writer spells it. */
function spell({ space, node, name, test, literal }: PlainTerm): string {
  const owner = space !== 'node' ? space : node.includes('-') || TAKEN_NAMES.has(node) ? `nodes["${node}"]` : node;
  const subject = `${owner}.${name}`;
  if (test === 'is') return subject;
  return test === 'not' ? `!${subject}` : `${subject} ${test} ${JSON.stringify(literal)}`;
}

/** Schema of a port, by node index; undefined when the node has no such port. */
export type PortSchema = (node: number, port: string) => unknown;

/** Checks ports and types of the guards that were read. */
export async function checkGuards(
  guards: ReadonlyMap<number, Guard>,
  portSchema: PortSchema,
  portNames: (node: number) => readonly string[],
  context: GuardContext,
): Promise<void> {
  let library: typeof cel | undefined;
  let checker: GuardChecker | undefined;
  for (const guard of guards.values()) {
    let isBroken = guard.parsed.problems.length > 0;
    const plainTypes =
      guard.parsed.source === '' && guard.terms.every((term) => hasPlainType(term, portSchema, context));
    if (plainTypes) continue;
    // The plain reading has no places: read it again for the sake of what is about to be said.
    library ??= await import('./cel.js');
    const parsed =
      guard.parsed.source === ''
        ? library.parseGuard(guard.expression, (name) => context.indexOf.has(name), FACTS)
        : guard.parsed;
    for (const { node, port, start, end } of parsed.reads) {
      const index = context.indexOf.get(node) ?? -1;
      if (context.drafts[index]?.kind === undefined) {
        isBroken = true;
        continue;
      }
      const schema = portSchema(index, port);
      if (schema === undefined) {
        isBroken = true;
        context.report({
          code: 'pipeline::unknown-port',
          path: guard.path,
          span: { start, end },
          message: `\`${node}\` has no output \`${port}\`.`,
          remedy: context.suggester.remedy(port, portNames(index), 'output'),
        });
      } else if (isTree(schema)) {
        isBroken = true;
        context.report({
          code: 'pipeline::when-type',
          path: guard.path,
          span: { start, end },
          message: `\`${node}.${port}\` is ${describe(schema)}, which a \`when\` cannot look into.`,
          reason: 'A `when` compares values: text, numbers, true or false, lists and mappings of those.',
          remedy: 'Use another output, or let a node read the files and give a value.',
        });
      }
    }
    if (isBroken || parsed.params.some(({ name }) => !context.params.declared.has(name))) continue;
    checker ??= new library.GuardChecker(
      {
        ports: (name) => {
          const index = context.indexOf.get(name) ?? -1;
          const names = portNames(index);
          if (isOpen(context.drafts[index])) return undefined;
          return Object.fromEntries(names.map((port) => [port, celType(portSchema(index, port))]));
        },
        params: Object.fromEntries(
          [...context.params.declared].map(([name, { type, items }]) => [name, celType({ type, items })]),
        ),
      },
      FACTS,
    );
    const problem = checker.check(parsed);
    if (problem) reportCEL(problem, guard.path, guard.expression, context);
  }
}

function hasPlainType({ space, node, name, test }: PlainTerm, portSchema: PortSchema, context: GuardContext): boolean {
  if (space === 'run') return test === '==' || test === '!=';
  const wanted = test === 'is' || test === 'not' ? 'boolean' : 'string';
  if (space === 'params') return context.params.declared.get(name)?.type === wanted;
  const schema = portSchema(context.indexOf.get(node) ?? -1, name);
  return typeof schema === 'object' && schema !== null && 'type' in schema && schema.type === wanted && !isTree(schema);
}

const isTree = (schema: unknown): boolean =>
  typeof schema === 'object' &&
  schema !== null &&
  'format' in schema &&
  (schema.format === 'output-tree' || schema.format === 'tool-tree');

const isOpen = (draft: Draft | undefined): boolean => {
  const outputs = draft?.kind?.manifest.outputs;
  return outputs === undefined || outputs.additionalProperties !== false;
};

/** The type CEL gives a value of a schema. */
function celType(schema: unknown): string {
  if (typeof schema !== 'object' || schema === null) return 'dyn';
  const { type, items, enum: values } = schema as Readonly<Record<string, unknown>>;
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

/** One of the two is false whenever the other is true, because they compare one value with different things. */
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

/** Whether the producer ran for sure when the consumer's guard is true. */
export function implies(consumer: Guard | undefined, producer: Guard, producerId: string): boolean {
  if (consumer === undefined) return false;
  if ([...producer.conjuncts].every((conjunct) => consumer.conjuncts.has(conjunct))) return true;
  // A comparison with a value of a skipped node is never true.
  return consumer.terms.some(({ space, node }) => space === 'node' && node === producerId);
}
