// JSON values and schemas as types.

import type { ExtendedJSONSchema } from 'json-schema-to-ts';

export type JSONValue = string | number | boolean | null | readonly JSONValue[] | JSONObject;
export interface JSONObject {
  readonly [key: string]: JSONValue;
}

/**
 * JSON Schema draft 2020-12 as far as ports and configs need it, plus the keywords of the plugin contract:
 * - `format: 'output-tree'` marks a port that carries the layers of a node and those below it;
 * - `format: 'tool-tree'` marks a port that carries a program;
 * - `x-may-be-absent` lets an input accept values of nodes that may be skipped;
 * - `x-type-of: PORT` gives an output the type of the named input;
 * - `x-needed-when: { FIELD: VALUE }` makes an input required for that value of a config field;
 * - `x-build-data: NAME` adds an output to the report's build data under this name. `${config.FIELD}` in it is replaced with
 *   the config's value, `${config.FIELD:file}` with the part after its last slash;
 * - `x-build-data-failed: VALUE` is the build data's value for a node that failed and has no outputs;
 * - `x-explains: lines` marks an output with lines of text that say how the node decided, and `x-explains: data` one with the same
 *   as JSON. `plan` shows them.
 */
export type JSONSchema = Exclude<ExtendedJSONSchema<SchemaKeywords>, boolean>;
type SchemaKeywords = {
  readonly 'x-may-be-absent'?: true;
  readonly 'x-type-of'?: string;
  readonly 'x-needed-when'?: { readonly [field: string]: string | number | boolean };
  readonly 'x-build-data'?: string;
  readonly 'x-build-data-failed'?: string | number | boolean;
  readonly 'x-explains'?: 'lines' | 'data';
};

/** Canonical JSON: keys sorted by code unit, no blanks. Equal values give equal text. */
export function canonicalJSON(value: unknown): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(canonicalJSON).join(',')}]`;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJSON(item)}`).join(',')}}`;
}
