// Makes the result of an action whose plugin succeeded: checks outputs, adds layers, stores the log.

import { hostname } from 'node:os';
import type { JSONObject, JSONValue } from '../../manifests/json-schema.js';
import type { SchemaError } from '../../manifests/plugin-manifest.js';
import { succeed, type Failure, type Result } from '../failure.js';
import { digestOf, type Digest } from '../files/digest.js';
import { stopWith, type Stop } from '../run/node-end.js';
import type { Run } from '../run/run.js';
import type { RunOutput } from '../sdk.js';
import { usedUnkeyed } from '../secrets/app-credentials.js';
import type { ValueTracer } from '../secrets/app-values.js';
import type { ActionResult } from '../store/store.js';
import type { Layer } from '../trees/tree.js';
import type { Action } from './action.js';
import type { NodeHandle } from './node-handle.js';
import { storedTaintOf, tracerFor } from './taint.js';

export interface Executed {
  readonly result: ActionResult;
  /** Why the result must not be stored. Absent if it can be. */
  readonly uncacheable?: string;
  /** A worker of the remote server made it. */
  readonly isFromWorker?: true;
}

/** What the plugin returned, and what it left in its folders. */
export interface Work {
  readonly handle: NodeHandle;
  readonly output: RunOutput<unknown>;
  readonly layer?: Layer;
  readonly tool?: Layer;
  /** What it left in its folders has been searched with it. Absent if it has none. */
  readonly tracer?: ValueTracer | undefined;
  /** By `performance.now()`. Shifted, so that waiting for a turn does not count. */
  readonly startedAt: number;
}

export function resultOf(
  run: Run,
  action: Action,
  { handle, output, layer, tool, tracer = tracerFor(run, action), startedAt }: Work,
): Result<Executed, Stop> {
  const values = run.scannerFor(action.index, action.reads.env ?? [], tracer);
  values.value((output.outputs ?? null) as JSONValue, 'an output value');
  values.value(output.state ?? null, 'the app state for later runs');
  const outputs = withTrees(action, output.outputs as JSONObject, { layer, tool });
  const validate = run.kinds.get(action.node.kind)!.validateOutputs;
  if (!validate(outputs)) return stopWith(wrongOutputs(action, validate.errors!));
  const log = storeLog(run, handle);
  const { degraded } = output;
  const isUnkeyed = usesUnkeyed(run, action);
  const taint = storedTaintOf(run, action, { tracer, usesUnkeyed: isUnkeyed });
  const now = run.composition.clock.now();
  const result: ActionResult = {
    outputs,
    ...(layer === undefined || isEmpty(run, layer) ? {} : { layer }),
    ...(tool === undefined ? {} : { tool }),
    ...(log === undefined ? {} : { log }),
    durationMs: Math.round(performance.now() - startedAt),
    ...(output.state === undefined ? {} : { state: output.state }),
    // A key that names the app needs no mark.
    ...(output.scope !== undefined || (isUnkeyed && action.record.scope === '') ? { appId: run.appId } : {}),
    // Neither does one that contains the builder.
    ...(output.usedBuilder === true && action.record.builder === undefined ? { builder: run.builder.id } : {}),
    ...(degraded === undefined
      ? {}
      : { degraded: { reason: degraded.reason, host: hostname(), expiresAt: now + degraded.maxAgeMs } }),
    ...(taint === undefined ? {} : { taint }),
    storedAt: now,
  };
  return succeed({ result, ...(output.uncacheable === undefined ? {} : { uncacheable: output.uncacheable }) });
}

/** Whether only this app may use the result, because the key leaves out a value that the plugin looked up. */
const usesUnkeyed = (run: Run, { lookedUp, reads }: Action): boolean =>
  usedUnkeyed(lookedUp, { env: reads.env ?? [], facts: reads.facts ?? null }, run.surroundings.variables);

function isEmpty(run: Run, { root: digest, files, deleted }: Layer): boolean {
  if (files > 0 || deleted.length > 0) return false;
  const root = run.layers.table.get(digest);
  return root === undefined || (root.directories.length === 0 && root.symlinks.length === 0 && root.files.length === 0);
}

interface OwnTrees {
  readonly layer: Layer | undefined;
  readonly tool: Layer | undefined;
}

/**
 * Fills tree ports: the layers of the tree inputs, base first, then the node's own. Also for a stored result: its key
 * has the tree that its inputs make together, which other layers can make as well.
 */
export function withTrees(action: Action, given: JSONObject, { layer, tool }: OwnTrees): JSONObject {
  const outputs: Record<string, JSONValue> = { ...given };
  const below = action.treeLayers.map(({ digest }) => digest);
  for (const [port, format] of outputFormats(action)) {
    if (format === 'tool-tree') outputs[port] = tool?.digest ?? '';
    else
      outputs[port] = (
        layer === undefined || layer.files + layer.deleted.length === 0 ? below : [...below, layer.digest]
      ).join(',');
  }
  return outputs;
}

function outputFormats(action: Action): readonly (readonly [string, string])[] {
  const { properties } = action.plugin.manifest.outputs as { properties?: Record<string, { format?: string }> };
  return Object.entries(properties ?? {}).flatMap(([port, { format }]) =>
    format === 'output-tree' || format === 'tool-tree' ? [[port, format] as const] : [],
  );
}

export const hasToolPort = (action: Action): boolean =>
  outputFormats(action).some(([, format]) => format === 'tool-tree');

function storeLog(run: Run, handle: NodeHandle): Digest | undefined {
  if (handle.log.length === 0) return undefined;
  const bytes = Buffer.from(handle.log.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const digest = digestOf(bytes);
  run.store.write(digest, bytes);
  return digest;
}

function wrongOutputs({ node, plugin }: Action, errors: readonly SchemaError[]): Failure {
  const problems = errors.map(outputProblem);
  return (
    plugin.wrongOutputs?.(problems) ?? {
      code: 'internal-error::outputs',
      blame: 'internal',
      title: `The plugin ${node.kind} returned outputs that don't match its schema`,
      detail: problems.join('\n'),
      remedy: 'This is a bug in the plugin. Please report it to its author.',
    }
  );
}

function outputProblem({ instancePath, keyword, params }: SchemaError): string {
  const where = `outputs${instancePath.replaceAll('/', '.')}`;
  if (keyword === 'required') return `\`${where}\` is missing \`${String(params['missingProperty'])}\`.`;
  if (keyword === 'additionalProperties')
    return `\`${where}\` has \`${String(params['additionalProperty'])}\`, which the schema does not allow.`;
  return `\`${where}\` does not match its schema (${keyword}: ${JSON.stringify(Object.values(params)[0] ?? null)}).`;
}
