// Ports of kinds, and the types of outputs in one pipeline.

import type { JSONSchema } from '../json-schema.js';
import { compilePattern } from '../text-pattern.js';
import type { Input } from './edges.js';
import type { Draft } from './nodes.js';
import { isRecord } from './problem.js';

/** The schema of a port, also where a kind takes ports it does not name; undefined when there is none. */
export function portOf(ports: JSONSchema, name: string): unknown {
  if (ports.properties && Object.hasOwn(ports.properties, name)) return ports.properties[name];
  if (ports.patternProperties) {
    for (const [pattern, schema] of Object.entries(ports.patternProperties)) {
      if (compilePattern(pattern)?.test(name) === true) return schema;
    }
  }
  if (ports.additionalProperties === false) return undefined;
  return ports.additionalProperties === undefined || ports.additionalProperties === true
    ? {}
    : ports.additionalProperties;
}
export const portNames = (ports: JSONSchema): readonly string[] => Object.keys(ports.properties ?? {});

/** Types of outputs. An alias (`x-type-of`) has the types of the outputs that feed it. */
export class OutputTypes {
  private readonly known = new Map<string, unknown>();

  private constructor(
    private readonly drafts: readonly Draft[],
    private readonly inputs: readonly (readonly Input[])[],
  ) {}

  /** In the given order, so that long chains of aliases don't recurse. */
  static resolve(
    drafts: readonly Draft[],
    wiring: { readonly inputs: readonly (readonly Input[])[]; readonly order: readonly number[] },
  ): OutputTypes {
    const types = new OutputTypes(drafts, wiring.inputs);
    for (const index of wiring.order) for (const port of types.portsOf(index)) types.of(index, port);
    return types;
  }

  /** Names of the outputs that the node's kind declares. */
  portsOf(node: number): readonly string[] {
    const kind = this.drafts[node]?.kind;
    return kind ? portNames(kind.manifest.outputs) : [];
  }

  /** Undefined when the node has no such output. */
  of(node: number, port: string): unknown {
    const kind = this.drafts[node]?.kind;
    const schema = kind && portOf(kind.manifest.outputs, port);
    if (!isRecord(schema) || typeof schema['x-type-of'] !== 'string') return schema;
    const identity = `${node}.${port}`;
    if (this.known.has(identity)) return this.known.get(identity);
    this.known.set(identity, {}); // any value, in case the alias feeds itself
    const source = this.inputs[node]?.find((input) => input.port === schema['x-type-of']);
    const types = new Set((source?.edges ?? []).map((edge) => this.of(edge.producer, edge.reference.port)));
    types.delete(undefined);
    const [first] = types;
    const type = types.size === 0 ? {} : types.size === 1 ? first : { anyOf: [...types] };
    this.known.set(identity, type);
    return type;
  }
}
