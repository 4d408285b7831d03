// Checks a loaded pipeline file against the kinds that are known: every problem in one go, or a checked pipeline.

import type { KnownKind } from '../plugin-manifest.js';
import { checkFiles } from './check-files.js';
import { diagnose } from './diagnose.js';
import type { Diagnostic } from './diagnostic.js';
import { checkInputs, OutputTypes, portNames, readAfter, readInputs, type Input } from './edges.js';
import { findCycles, topologicalOrder } from './graph.js';
import { checkGuards, readGuards, type Guard } from './guards.js';
import type { LoadedPipeline, LoadFailure } from './load.js';
import type { CheckedNode, CheckedPipeline, NodeId, RunFacts } from './manifest.js';
import { readNode, type Draft } from './nodes.js';
import { readParams } from './params.js';
import { isRecord, Suggester, type Problem, type Report } from './problem.js';
import { checkRetries } from './retries.js';
import { explainSchemaErrors } from './schema-messages.js';
import { validatePipeline } from './validate-schema.generated.js';
import { preparePatterns } from '../text-pattern.js';

export const MAX_NODES = 20_000;
/** Size of a pool that a kind names and the file does not declare. */
const DEFAULT_POOL_SIZE = 4;

const HIDES_READERS: ReadonlySet<string> = new Set([
  'pipeline::bad-template',
  'pipeline::duplicate-key',
  'pipeline::when-syntax',
  'pipeline::unknown-param',
  'pipeline::wrong-type',
]);

export interface CheckOptions {
  readonly kinds: ReadonlyMap<string, KnownKind>;
  /** `-p NAME=VALUE`, unparsed. */
  readonly params: Readonly<Record<string, string>>;
  readonly run: RunFacts;
  /** Found outside this file: plugins that cannot be loaded, whose kinds are not known then. */
  readonly problems?: readonly Problem[];
  /** Params without a value are no error: nothing is going to run. */
  readonly paramsMayMiss?: boolean;
}
export type CheckResult =
  | { readonly ok: true; readonly value: CheckedPipeline; readonly warnings: readonly Diagnostic[] }
  | { readonly ok: false; readonly failure: LoadFailure };

/** Asynchronous only because CEL and the words for rare mistakes are loaded on demand. */
export async function checkPipeline(loaded: LoadedPipeline, options: CheckOptions): Promise<CheckResult> {
  const problems: Problem[] = [...loaded.problems, ...(options.problems ?? [])];
  const report: Report = (problem) => problems.push({ severity: 'error', ...problem });
  const suggester = new Suggester();
  const refused = (): CheckResult => ({
    ok: false,
    failure: { diagnostics: diagnose(loaded, problems), text: loaded.text },
  });
  const data = isRecord(loaded.data) ? loaded.data : {};
  const section = isRecord(data['nodes']) ? data['nodes'] : {};
  const count = Object.keys(section).length;
  if (count > MAX_NODES) {
    report({
      code: 'pipeline::too-many-nodes',
      path: ['nodes'],
      atKey: true,
      message: `The pipeline has ${count} nodes; at most ${MAX_NODES} are accepted.`,
      remedy: 'Let fewer nodes do more, or split the pipeline.',
    });
    return refused();
  }
  if (!validatePipeline(loaded.data)) {
    const { pipelineSchema } = await import('./schema.generated.js');
    const errors = validatePipeline.errors ?? [];
    explainSchemaErrors({ errors, data: loaded.data, schema: pipelineSchema, at: [] }, report, suggester);
  }

  await preparePatterns(data, options.kinds);
  const params = readParams(data['params'], options.params, options.paramsMayMiss === true, report, suggester);
  const entries = Object.entries(section).filter((entry): entry is [string, Record<string, unknown>] =>
    isRecord(entry[1]),
  );
  const mayLackKinds = (options.problems ?? []).length > 0;
  const context = { ...options, params, mayLackKinds, report, suggester };
  const drafts = entries.map(([id, raw], index) => readNode(id, index, raw, context));
  const indexOf = new Map<string, number>(drafts.map(({ id, index }) => [id, index]));
  const edgeContext = { drafts, indexOf, params, report, suggester };

  const before = problems.length;
  const inputs = drafts.map((draft) => readInputs(draft, edgeContext));
  const after = drafts.map((draft) => readAfter(draft, edgeContext));
  const guards = await readGuards(edgeContext);
  const lost = nodesOf(problems, indexOf, before);
  const graph = drafts.map(({ index }) => needsOf(inputs[index] ?? [], after[index] ?? [], guards.get(index)));
  const order = topologicalOrder(graph);
  if (order.length < drafts.length) reportCycles(drafts, graph, inputs, after, guards, report);

  const types = new OutputTypes(drafts, inputs);
  for (const index of order)
    for (const port of Object.keys(drafts[index]?.kind?.manifest.outputs.properties ?? {})) types.of(index, port);
  await checkGuards(
    guards,
    types.of,
    (node) => {
      const kind = drafts[node]?.kind;
      return kind ? portNames(kind.manifest.outputs) : [];
    },
    edgeContext,
  );
  const absent = drafts.map((draft) => checkInputs(draft, inputs[draft.index] ?? [], types, guards, edgeContext));
  checkFiles({ drafts, graph, order, inputs, guards, isUncertain: hasLostEdge(graph, order, lost), report });
  for (const draft of drafts) checkRetries(draft, report);
  const pools = checkPools(data['pools'], drafts, report);
  // A param whose only reader has a mistake in it is not unused.
  const mayHideReaders = problems.some(({ code }) => HIDES_READERS.has(code));
  for (const name of params.declared.keys()) {
    if (mayHideReaders || params.used.has(name)) continue;
    report({
      code: 'pipeline::unused-param',
      severity: 'warning',
      path: ['params', name],
      atKey: true,
      message: `Nothing reads the param \`${name}\`.`,
      remedy: `Remove it, or read it with \`\${{ params.${name} }}\`.`,
    });
  }
  if (problems.some(({ severity }) => severity === 'error')) return refused();

  const warnings = diagnose(loaded, problems);
  const nodes = order.flatMap((index) => {
    const draft = drafts[index];
    return draft
      ? [
          assemble(
            draft,
            drafts,
            inputs[index] ?? [],
            after[index] ?? [],
            guards.get(index),
            graph[index] ?? [],
            absent[index] ?? [],
          ),
        ]
      : [];
  });
  const value: CheckedPipeline = Object.freeze({
    name: typeof data['name'] === 'string' ? data['name'] : nameOfFile(loaded.file),
    params: params.values,
    pools,
    nodes,
    warnings,
  });
  return { ok: true, value, warnings };
}

const nameOfFile = (file: string): string => (file.split(/[\\/]/).at(-1) ?? '').replace(/\.[^.]*$/, '') || 'pipeline';

/** Prerequisites in the order of the file, without doubles. */
function needsOf(inputs: readonly Input[], after: readonly number[], guard: Guard | undefined): readonly number[] {
  const needs = new Set<number>(after);
  for (const { edges } of inputs) for (const { producer } of edges) needs.add(producer);
  for (const { node } of guard?.reads ?? []) needs.add(node);
  return [...needs].sort((a, b) => a - b);
}

function reportCycles(
  drafts: readonly Draft[],
  graph: readonly (readonly number[])[],
  inputs: readonly (readonly Input[])[],
  after: readonly (readonly number[])[],
  guards: ReadonlyMap<number, Guard>,
  report: Report,
): void {
  for (const cycle of findCycles(graph)) {
    const names = cycle.map((index) => drafts[index]?.id ?? '');
    const [first = 0] = cycle;
    const before = cycle.at(-2) ?? first;
    const shown = names.length > 12 ? [...names.slice(0, 6), '...', ...names.slice(-5)] : names;
    const path = drafts[first]?.path ?? [];
    // Point at what makes the first node wait for the one before it.
    const edge = inputs[first]?.flatMap(({ edges }) => edges).find(({ producer }) => producer === before);
    const position =
      (after[first] ?? []).length === 0 ? -1 : namesOf(drafts[first]?.raw['after']).indexOf(drafts[before]?.id ?? '');
    const at = edge ? edge.path : position >= 0 ? [...path, 'after', position] : (guards.get(first)?.path ?? path);
    report({
      code: 'pipeline::cycle',
      path: at,
      message: `These nodes wait for each other: ${shown.join(' -> ')}.`,
      reason: names.length === 2 ? 'A node cannot need itself.' : 'None of them could ever start.',
      remedy: 'Remove one of the edges: an entry of `inputs` or `after`, or a name in `when`.',
    });
  }
}

const namesOf = (section: unknown): readonly unknown[] => (Array.isArray(section) ? section : []);

/** Nodes with an edge that could not be read. */
function nodesOf(
  problems: readonly Problem[],
  indexOf: ReadonlyMap<string, number>,
  from: number,
): ReadonlySet<number> {
  const isAboutEdges = ({ path }: Problem): boolean =>
    path[2] === 'inputs' || path[2] === 'after' || path[2] === 'when';
  const found = new Set<number>();
  for (const [position, problem] of problems.entries()) {
    if (problem.path[0] !== 'nodes' || !(position >= from || isAboutEdges(problem))) continue;
    const index = indexOf.get(String(problem.path[1]));
    if (index !== undefined) found.add(index);
  }
  return found;
}

/** Those nodes and all that wait for them: their order is not known, so nothing is said about it. */
function hasLostEdge(
  graph: readonly (readonly number[])[],
  order: readonly number[],
  lost: ReadonlySet<number>,
): (index: number) => boolean {
  const found = new Set(lost);
  for (const index of order) if (graph[index]?.some((needed) => found.has(needed))) found.add(index);
  return (index) => found.has(index);
}

function checkPools(section: unknown, drafts: readonly Draft[], report: Report): Readonly<Record<string, number>> {
  const pools: Record<string, number> = {};
  for (const [name, size] of Object.entries(isRecord(section) ? section : {})) {
    if (typeof size === 'number') pools[name] = size;
  }
  const declared = new Set(Object.keys(isRecord(section) ? section : {}));
  const known = new Set([...declared, ...drafts.flatMap(({ kind }) => kind?.manifest.pool ?? [])]);
  const suggester = new Suggester();
  for (const { pool, raw, path } of drafts) {
    if (pool === undefined || pool === '') continue;
    if (!known.has(pool)) {
      report({
        code: 'pipeline::unknown-pool',
        path: raw['pool'] === undefined ? path : [...path, 'pool'],
        message: `There is no pool \`${pool}\`.`,
        reason: 'A pool needs a size before a node can claim a place in it.',
        remedy: known.size === 0 ? `Declare it: \`pools: { ${pool}: 4 }\`.` : suggester.remedy(pool, known, 'pool'),
      });
    } else if (!declared.has(pool)) pools[pool] = DEFAULT_POOL_SIZE;
  }
  return pools;
}

function assemble(
  draft: Draft,
  drafts: readonly Draft[],
  inputs: readonly Input[],
  after: readonly number[],
  guard: Guard | undefined,
  needs: readonly number[],
  optionalInputs: readonly string[],
): CheckedNode {
  const { id, kind, raw } = draft;
  const idOf = (index: number): NodeId => drafts[index]?.id ?? ('' as NodeId);
  const reads = new Map(
    (guard?.reads ?? []).map(({ node, port }) => [`${idOf(node)}.${port}`, { node: idOf(node), port }]),
  );
  return Object.freeze({
    id,
    kind: kind?.manifest.kind ?? '',
    config: draft.config,
    inputs: Object.fromEntries(
      inputs.map(({ port, isList, edges }) => {
        const references = edges.map(({ reference }) => reference);
        return [port, isList ? references : (references[0] ?? [])];
      }),
    ),
    optionalInputs,
    after: after.map(idOf),
    ...(guard && { when: guard.expression }),
    whenReads: [...reads.values()],
    dependencies: needs.map(idOf),
    writes: draft.writes ?? [],
    env: draft.env,
    secrets: draft.secrets,
    cache: draft.cache,
    retries: draft.retries,
    ...(draft.retryOn !== undefined && { retryOn: draft.retryOn }),
    ...(draft.timeoutMs !== undefined && { timeoutMs: draft.timeoutMs }),
    ...(draft.limits !== undefined && { limits: draft.limits }),
    ...(draft.pool !== undefined && { pool: draft.pool }),
    network: typeof raw['network'] === 'boolean' ? raw['network'] : kind?.manifest.network === true,
    ...(typeof raw['description'] === 'string' && { description: raw['description'] }),
  });
}
