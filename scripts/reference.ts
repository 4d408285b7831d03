// Fills the generated parts of docs/pipeline-reference.md from the schema of pipeline files, the manifests of the shipped
// kinds and the engine's constants. `npm run reference`; a test compares the file with what this would write.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BASE_ENVIRONMENT } from '../src/engine/app/base-environment.js';
import type { PluginManifest } from '../src/manifests/plugin-manifest.js';
import { MAX_NODES } from '../src/manifests/pipeline/check.js';
import { MAX_FILE_BYTES } from '../src/manifests/pipeline/load.js';
import { RUN_FACTS } from '../src/manifests/pipeline/params.js';
import { shippedKinds } from '../src/plugins/index.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const FILE = join(root, 'docs/pipeline-reference.md');

/** The parts of JSON Schema that the reference reads. */
interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly definitions?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly format?: string;
  readonly 'x-may-be-absent'?: boolean;
  readonly 'x-needed-when'?: Readonly<Record<string, string | number | boolean>>;
  readonly 'x-type-of'?: string;
}

/** The text with all generated parts replaced. */
export function fillReference(text: string): string {
  const parts = generateParts();
  const unused = new Set(parts.keys());
  const filled = text.replace(/<!-- begin (\w+) -->\n[^]*?<!-- end \1 -->/g, (_, name: string) => {
    const part = parts.get(name);
    if (part === undefined) throw new Error(`Nothing fills the part ${name} of the reference.`);
    unused.delete(name);
    return `<!-- begin ${name} -->\n${part}\n<!-- end ${name} -->`;
  });
  if (unused.size > 0) throw new Error(`The reference has no place for ${[...unused].join(', ')}.`);
  return filled;
}

export const readReference = (): string => readFileSync(FILE, 'utf8');

function generateParts(): ReadonlyMap<string, string> {
  const schema = JSON.parse(readFileSync(join(root, 'schemas/pipeline.schema.json'), 'utf8')) as Schema;
  const definitions = schema.definitions ?? {};
  const fields = (part: Schema | undefined): string => fieldTable('Field', part ?? {}, definitions);
  const kinds = [...shippedKinds.values()].map(({ manifest }) => manifest);
  return new Map([
    ['file', fields(schema)],
    ['param', fields(definitions['param'])],
    ['node', fields(definitions['node'])],
    [
      'facts',
      rows(
        ['Fact', 'Meaning'],
        RUN_FACTS.map((fact) => [code(`run.${fact}`), FACTS[fact]]),
      ),
    ],
    [
      'environment',
      rows(
        ['Variable', 'Value'],
        Object.entries(BASE_ENVIRONMENT).map(([name, value]) => [code(name), code(value)]),
      ),
    ],
    [
      'limits',
      `A pipeline file can have at most ${MAX_FILE_BYTES / 1e6} MB and ${MAX_NODES.toLocaleString('en')} nodes.`,
    ],
    [
      'kinds',
      kinds
        .toSorted((a, b) => (a.kind < b.kind ? -1 : 1))
        .map(describeKind)
        .join('\n\n'),
    ],
  ]);
}

const FACTS: Readonly<Record<(typeof RUN_FACTS)[number], string>> = {
  mode: '`build`, or `test` under `--test`',
  os: 'the operating system in the spelling of Node.js, for example `linux`',
  arch: 'the processor architecture in the spelling of Node.js, for example `x64`',
};

function describeKind(manifest: PluginManifest): string {
  const { kind, revision, description, writes, pure, network, usesBuilder, pool, timeoutMs } = manifest;
  const facts = [
    `revision ${revision}`,
    pure === true ? 'pure: computes only values, without files or commands' : '',
    network === true ? 'commands can use the network' : pure === true ? '' : "commands can't use the network",
    usesBuilder === true ? 'its keys contain the [builder](operators/builders.md)' : '',
    pool === undefined ? '' : `pool ${code(pool)}`,
    timeoutMs === undefined
      ? ''
      : `timeout ${timeoutMs % 60_000 === 0 ? `${timeoutMs / 60_000}m` : `${timeoutMs / 1000}s`}`,
    writes.length === 0 ? 'writes nothing into the slug' : `writes ${writes.map(code).join(', ')}`,
  ];
  const sections = (['config', 'inputs', 'outputs'] as const).map((part) => {
    const schema = manifest[part] as Schema;
    const title = { config: 'Config (`with`)', inputs: 'Input', outputs: 'Output' }[part];
    return Object.keys(schema.properties ?? {}).length === 0 ? '' : fieldTable(title, schema, {}, part !== 'outputs');
  });
  return [`### ${code(kind)}`, description, `${facts.filter(Boolean).join('; ')}.`.replace(/^r/, 'R'), ...sections]
    .filter((text) => text !== '')
    .join('\n\n');
}

/** A row for each property. Only inputs and config say whether a property is required. */
function fieldTable(
  title: string,
  schema: Schema,
  definitions: Readonly<Record<string, Schema>>,
  showsRequired = true,
): string {
  const required = new Set(schema.required ?? []);
  const lines = Object.entries(schema.properties ?? {}).map(([name, field]) => {
    const target = resolve(field, definitions);
    const needs = showsRequired && required.has(name) ? ', required' : '';
    const conditions = Object.entries(target['x-needed-when'] ?? {}).map(([field, value]) =>
      code(`${field}: ${value}`),
    );
    const when = conditions.length === 0 ? '' : `, required with ${conditions.join(' and ')}`;
    const absent = target['x-may-be-absent'] === true ? ', may come from a skipped node' : '';
    const standard = target.default === undefined ? '' : ` Default: ${code(JSON.stringify(target.default))}.`;
    return [code(name), `${typeOf(field)}${needs}${when}${absent}`, `${target.description ?? ''}${standard}`];
  });
  return rows([title, 'Type', 'Meaning'], lines);
}

const resolve = (schema: Schema, definitions: Readonly<Record<string, Schema>>): Schema => {
  const { $ref, ...own } = schema;
  return $ref === undefined ? schema : { ...definitions[$ref.replace('#/definitions/', '')], ...own };
};

/** Definitions are explained in the text, so their name says more than their shape. */
function typeOf(schema: Schema): string {
  if (schema.$ref !== undefined) return NAMES[schema.$ref] ?? schema.$ref;
  if (schema.format === 'output-tree') return 'output tree';
  if (schema.format === 'tool-tree') return 'tool tree';
  if (schema['x-type-of'] !== undefined) return `type of ${code(schema['x-type-of'])}`;
  if (schema.const !== undefined) return code(JSON.stringify(schema.const));
  if (schema.enum !== undefined) return schema.enum.map((value) => code(String(value))).join(' or ');
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' or ');
  if (schema.type === 'array') {
    const items = schema.items === undefined ? 'any' : typeOf(schema.items);
    return items === 'any' ? 'list' : `list of ${PLURALS[items] ?? items}`;
  }
  if (schema.type === 'object') return objectType(schema);
  if (schema.type === 'integer' && schema.maximum !== undefined)
    return `integer, ${schema.minimum} to ${schema.maximum}`;
  return typeof schema.type === 'string' ? schema.type : 'any';
}

const PLURALS: Readonly<Record<string, string>> = {
  string: 'strings',
  integer: 'integers',
  mapping: 'mappings',
  'output tree': 'output trees',
  '[reference](#references-and-edges)': '[references](#references-and-edges)',
};

const NAMES: Readonly<Record<string, string>> = {
  '#/definitions/param': '[param](#params)',
  '#/definitions/node': '[node](#nodes)',
  '#/definitions/reference': '[reference](#references-and-edges)',
  '#/definitions/duration': '[duration](#durations)',
  '#/definitions/secretName': 'variable name',
  '#/definitions/size': '[size](#nodes)',
};

function objectType(schema: Schema): string {
  const required = new Set(schema.required ?? []);
  const fields = Object.entries(schema.properties ?? {}).map(
    ([name, field]) => `${name}${required.has(name) ? '' : '?'}: ${typeOf(field).replace(/[`[\]]|\(#.*?\)/g, '')}`,
  );
  if (fields.length > 0) return code(`{ ${fields.join(', ')} }`);
  const { additionalProperties: values } = schema;
  return typeof values === 'object' ? `mapping to ${typeOf(values)}` : 'mapping';
}

const code = (text: string): string => `\`${text}\``;

/** A pipe would end the cell, even inside code. */
const rows = (head: readonly string[], body: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...body]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`)
    .join('\n');

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(FILE, fillReference(readReference()));
