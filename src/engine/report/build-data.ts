// The build data of a run: flat facts under the names that platforms know.

import type { JSONObject, JSONValue } from '../../manifests/json-schema.js';
import type { NodeReport } from '../events.js';
import { failureData, type Failure } from '../failure.js';
import type { Run } from '../run/run.js';

/** Outputs and durations that kinds name as build data, and the failure of the run, if any. */
export function buildDataOf(
  run: Run,
  nodes: Readonly<Record<string, NodeReport>>,
  failure: Failure | undefined,
  durationMs: number,
): JSONObject {
  const data: Record<string, JSONValue> = {};
  const durations: Record<string, number> = {};
  let isReused = false;
  for (const [id, report] of Object.entries(nodes)) {
    const { kind, outputs, outcome, failure: own } = report;
    const { config } = run.pipeline.nodes[run.positionOf(id)]!;
    const { manifest } = run.kinds.get(kind)!;
    isReused ||= outcome === 'restored' || outcome === 'up-to-date';
    const named = Object.entries((manifest.outputs as PortSchemas).properties ?? {}).flatMap(([port, schema]) => {
      const name = schema['x-build-data'];
      const value = outcome === 'failed' ? (own?.known?.[port] ?? schema['x-build-data-failed']) : outputs?.[port];
      return name === undefined || value === undefined || value === ''
        ? []
        : ([[nameWith(config, name), value]] as const);
    });
    for (const [name, value] of named) data[name] = value;
    // The duration of a node that had nothing to do is not reported.
    if (manifest.buildDataDuration === undefined || outputs === undefined) continue;
    if (outcome === 'skipped' || named.some(([, value]) => value === false)) continue;
    const name = nameWith(config, manifest.buildDataDuration);
    durations[name] = (durations[name] ?? 0) + report.durationMs;
  }
  if (failure === undefined) durations['total_duration'] = durationMs;
  for (const [name, ms] of Object.entries(durations)) data[name] = ms / 1000;
  data['cache_status'] = isReused ? 'reused' : 'empty';
  return failure === undefined ? data : { ...data, ...failureData(failure) };
}

const nameWith = (config: JSONObject, name: string): string =>
  name.replace(/\$\{config\.(\w+)(:file)?\}/g, (_, field: string, isFile: string | undefined) => {
    const value = String(config[field] ?? '');
    return isFile === undefined ? value : value.slice(value.lastIndexOf('/') + 1);
  });

interface PortSchemas {
  readonly properties?: Readonly<
    Record<string, { readonly 'x-build-data'?: string; readonly 'x-build-data-failed'?: JSONValue }>
  >;
}
