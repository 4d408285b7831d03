// The values of a node's input ports, taken from the outputs of the nodes that its `inputs` name.

import type { JSONObject, JSONValue } from '../../manifests/json-schema.js';
import type { CheckedNode, Reference } from '../../manifests/pipeline/manifest.js';
import type { Run } from '../run/run.js';

export interface ResolvedInputs {
  /** All values by port, as the plugin gets them. */
  readonly values: JSONObject;
  /** The values that are part of the key unchanged: all but trees. */
  readonly plain: JSONObject;
  readonly treePorts: Readonly<Record<string, string>>;
  /** All tree values except tool trees. */
  readonly trees: readonly string[];
  readonly tools: Readonly<Record<string, string>>;
}

export function resolveInputs(run: Run, node: CheckedNode): ResolvedInputs {
  const formats = run.inputFormats(node.kind);
  const values: Record<string, JSONValue> = {};
  const plain: Record<string, JSONValue> = {};
  const treePorts: Record<string, string> = {};
  const tools: Record<string, string> = {};
  for (const [port, references] of Object.entries(node.inputs)) {
    const value = Array.isArray(references)
      ? references.map((reference) => valueOf(run, reference)).filter((item) => item !== undefined)
      : valueOf(run, references as Reference);
    if (value === undefined) continue;
    values[port] = value;
    const format = formats.get(port);
    if (format === 'output-tree') treePorts[port] = Array.isArray(value) ? value.join(',') : String(value);
    else if (format === 'tool-tree') tools[port] = String(value);
    else plain[port] = value;
  }
  return { values, plain, treePorts, trees: Object.values(treePorts), tools };
}

function valueOf(run: Run, { node, port }: Reference): JSONValue | undefined {
  return run.states.doneOf(node)?.outputs[port];
}
