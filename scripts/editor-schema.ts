// The schema of pipeline files for editors: it knows the shipped kinds with their descriptions, fields and ports. pyflow itself
// checks files with the same schema without those.

import type { PluginManifest } from '../src/manifests/plugin-manifest.js';

type Schema = Record<string, unknown>;

const node = (pipeline: Schema): Schema => (pipeline['definitions'] as Record<string, Schema>)['node']!;

/** Without what `withKinds` adds. */
export function withoutKinds(pipeline: Schema): Schema {
  const bare = structuredClone(pipeline);
  const definition = node(bare);
  delete definition['allOf'];
  const { description } = (definition['properties'] as Record<string, Schema>)['uses']!;
  (definition['properties'] as Schema)['uses'] = { type: 'string', minLength: 1, description };
  return bare;
}

export function withKinds(bare: Schema, manifests: readonly PluginManifest[]): Schema {
  const pipeline = structuredClone(bare);
  const definition = node(pipeline);
  const properties = definition['properties'] as Record<string, Schema>;
  const { description } = properties['uses']!;
  properties['uses'] = {
    description,
    anyOf: [
      ...manifests.map((manifest) => ({ const: manifest.kind, description: manifest.description })),
      { type: 'string', minLength: 1, description: 'A kind of a plugin of your own.' },
    ],
  };
  definition['allOf'] = manifests.map(({ kind, config, inputs }) => ({
    if: { properties: { uses: { const: kind } }, required: ['uses'] },
    // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
    then: {
      properties: { with: fieldsOf(config as Schema), inputs: portsOf(inputs as Schema) },
      ...(requiredOf(config as Schema).length > 0 && { required: ['with'] }),
    },
  }));
  return pipeline;
}

const requiredOf = (schema: Schema): readonly string[] => (schema['required'] as string[] | undefined) ?? [];
const propertiesOf = (schema: Schema): readonly (readonly [string, Schema])[] =>
  Object.entries((schema['properties'] ?? {}) as Record<string, Schema>);

/** Any value may be a template, regardless of its type. */
function fieldsOf(config: Schema): Schema {
  const properties = propertiesOf(config).map(([name, schema]) => {
    const { description, default: standard, ...type } = schema;
    const about = {
      ...(description === undefined ? {} : { description }),
      ...(standard === undefined ? {} : { default: standard }),
    };
    return [name, { ...about, anyOf: [plain(type), { type: 'string', pattern: '\\$\\{\\{' }] }];
  });
  return {
    properties: Object.fromEntries(properties) as Schema,
    additionalProperties: config['additionalProperties'] ?? true,
    ...(requiredOf(config).length > 0 && { required: requiredOf(config) }),
  };
}

function portsOf(inputs: Schema): Schema {
  const properties = propertiesOf(inputs).map(([name, { description }]) => [
    name,
    description === undefined ? {} : { description },
  ]);
  return {
    properties: Object.fromEntries(properties) as Schema,
    ...(inputs['additionalProperties'] === false && { propertyNames: { enum: properties.map(([name]) => name) } }),
    ...(requiredOf(inputs).length > 0 && { required: requiredOf(inputs) }),
  };
}

/** Without the keywords that only pyflow knows. */
function plain(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(plain);
  if (typeof schema !== 'object' || schema === null) return schema;
  const known = Object.entries(schema).filter(([key]) => !key.startsWith('x-') && key !== 'format');
  return Object.fromEntries(known.map(([key, value]) => [key, plain(value)]));
}
