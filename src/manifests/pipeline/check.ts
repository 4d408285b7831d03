// Checks a loaded pipeline file against the known kinds: either all problems at once, or a checked pipeline.

import type { KnownKind } from '../plugin-manifest.js';
import { preparePatterns } from '../text-pattern.js';
import type { CheckContext } from './check-context.js';
import { checkInputs } from './check-edges.js';
import { checkFiles } from './check-files.js';
import { assembleNode } from './checked-node.js';
import { reportCycles } from './cycles.js';
import { diagnose } from './diagnose.js';
import type { Diagnostic } from './diagnostic.js';
import { checkGuards } from './guards.js';
import type { LoadedPipeline, LoadFailure } from './load.js';
import type { CheckedPipeline, RunFacts } from './manifest.js';
import { readNodes } from './nodes.js';
import { readParams, reportUnusedParams } from './params.js';
import { checkPools } from './pools.js';
import { OutputTypes } from './ports.js';
import { isRecord, Suggester, type Problem, type Report } from './problem.js';
import { checkRetries } from './retries.js';
import { explainSchemaErrors } from './schema-messages.js';
import { validatePipeline } from './validate-schema.generated.js';
import { readWiring } from './wiring.js';

export const MAX_NODES = 20_000;

export interface CheckOptions {
  readonly kinds: ReadonlyMap<string, KnownKind>;
  /** `-p NAME=VALUE`, unparsed. */
  readonly params: Readonly<Record<string, string>>;
  readonly run: RunFacts;
  /** Found outside this file: plugins that could not be loaded, so that their kinds are missing from `kinds`. */
  readonly problems?: readonly Problem[];
  /** Nothing is going to run, so a param without a value is no error. */
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
  const data = isRecord(loaded.data) ? loaded.data : {};

  if (hasTooManyNodes(data['nodes'], report)) return refuse(loaded, problems);
  await checkSchema(loaded.data, report, suggester);
  await preparePatterns(data, options.kinds);
  const params = readParams(data['params'], options, report, suggester);
  const mayLackKinds = (options.problems ?? []).length > 0;
  const drafts = readNodes(data['nodes'], { ...options, params, mayLackKinds, report, suggester });
  const indexOf = new Map<string, number>(drafts.map(({ id, index }) => [id, index]));
  const context: CheckContext = { drafts, indexOf, params, report, suggester };
  const wiring = await readWiring(context, problems);
  reportCycles(wiring, context);
  const types = OutputTypes.resolve(drafts, wiring);
  await checkGuards(wiring.guards, types, context);
  const optionalInputs = drafts.map((draft) => checkInputs(draft, wiring, types, context));
  checkFiles(wiring, context);
  for (const draft of drafts) checkRetries(draft, report);
  const pools = checkPools(data['pools'], drafts, report);
  reportUnusedParams(params, problems, report);
  if (problems.some(({ severity }) => severity === 'error')) return refuse(loaded, problems);

  const warnings = diagnose(loaded, problems);
  const nodes = wiring.order.map((index) => assembleNode(index, drafts, wiring, optionalInputs[index] ?? []));
  const name = typeof data['name'] === 'string' ? data['name'] : nameOfFile(loaded.file);
  return { ok: true, value: Object.freeze({ name, params: params.values, pools, nodes, warnings }), warnings };
}

function refuse(loaded: LoadedPipeline, problems: readonly Problem[]): CheckResult {
  return { ok: false, failure: { diagnostics: diagnose(loaded, problems), text: loaded.text } };
}

function hasTooManyNodes(section: unknown, report: Report): boolean {
  const count = isRecord(section) ? Object.keys(section).length : 0;
  if (count <= MAX_NODES) return false;
  report({
    code: 'pipeline::too-many-nodes',
    path: ['nodes'],
    atKey: true,
    message: `The pipeline has ${count} nodes; the limit is ${MAX_NODES}.`,
    remedy: 'Merge nodes, or split the file into several pipelines.',
  });
  return true;
}

async function checkSchema(data: unknown, report: Report, suggester: Suggester): Promise<void> {
  if (validatePipeline(data)) return;
  const { pipelineSchema } = await import('./schema.generated.js');
  const errors = validatePipeline.errors ?? [];
  explainSchemaErrors({ errors, data, schema: pipelineSchema, at: [] }, report, suggester);
}

const nameOfFile = (file: string): string => (file.split(/[\\/]/).at(-1) ?? '').replace(/\.[^.]*$/, '') || 'pipeline';
