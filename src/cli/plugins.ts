// `pyflow plugins`: the kinds a pipeline file can use, from their manifests.

import type { JSONSchema } from '../manifests/json-schema.js';
import type { PluginManifest } from '../manifests/plugin-manifest.js';
import { formatDuration, table } from '../engine/render/messages.js';
import { complain, didYouMean, type Command } from './command.js';
import type { World } from './world.js';

export const command: Command = {
  name: 'plugins',
  operands: 'ls | show KIND',
  minOperands: 1,
  maxOperands: 2,
  summary: 'List the kinds of nodes, or show one: its config and ports',
  options: [{ name: 'json', summary: 'Print JSON' }],
  examples: ['pyflow plugins show install-deps-pip'],
  run: async (given, world) => {
    const [verb = '', kind] = given.operands;
    if (verb === 'ls' && kind === undefined) return list(given.flag('json'), world);
    if (verb === 'show' && kind !== undefined) return show(kind, given.flag('json'), world);
    return complain(world, {
      message:
        verb === 'show' ? 'pyflow plugins show needs a KIND.' : `pyflow plugins cannot "${given.operands.join(' ')}".`,
      remedy: `It takes \`ls\` or \`show KIND\`.${didYouMean(verb, ['ls', 'show'])}`,
    });
  },
};

async function list(asJSON: boolean, world: World): Promise<number> {
  const kinds = await world.engine.kinds();
  world.stdout.write(
    asJSON
      ? `${JSON.stringify(kinds, undefined, 2)}\n`
      : table(kinds.map(({ kind, description }) => [kind, description]))
          .map((line) => `${line}\n`)
          .join(''),
  );
  return 0;
}

async function show(kind: string, asJSON: boolean, world: World): Promise<number> {
  const kinds = await world.engine.kinds();
  const manifest = kinds.find((known) => known.kind === kind);
  if (manifest === undefined) {
    return complain(world, {
      message: `There is no kind "${kind}".`,
      remedy: `${didYouMean(
        kind,
        kinds.map((known) => known.kind),
      ).trim()} \`pyflow plugins ls\` lists the kinds.`.trim(),
    });
  }
  world.stdout.write(asJSON ? `${JSON.stringify(manifest, undefined, 2)}\n` : manifestText(manifest));
  return 0;
}

export function manifestText(manifest: PluginManifest): string {
  const facts = [
    `revision ${manifest.revision}`,
    ...(manifest.pure === true ? ['gives only values'] : []),
    ...(manifest.network === true ? ['may use the network'] : []),
    ...(manifest.pool === undefined ? [] : [`claims the pool ${manifest.pool}`]),
    ...(manifest.timeoutMs === undefined ? [] : [`stops after ${formatDuration(manifest.timeoutMs)}`]),
  ];
  return `${[
    `${manifest.kind}: ${manifest.description}`,
    `(${facts.join(', ')})`,
    ...section('Config (with)', manifest.config),
    ...section('Inputs', manifest.inputs),
    ...section('Outputs', manifest.outputs),
    ...(manifest.writes.length === 0 ? [] : ['', 'Writes:', ...manifest.writes.map((pattern) => `  ${pattern}`)]),
  ].join('\n')}\n`;
}

function section(title: string, schema: JSONSchema): string[] {
  const properties = Object.entries(schema.properties ?? {});
  if (properties.length === 0) return ['', `${title}: none`];
  const required = new Set(Array.isArray(schema.required) ? (schema.required as readonly string[]) : []);
  const rows = properties.map(([name, port]) => {
    const of = typeof port === 'boolean' ? {} : (port as JSONSchema);
    const told = [
      of.description ?? '',
      ...(of.default === undefined ? [] : [`(default: ${JSON.stringify(of.default)})`]),
    ];
    return [
      `  ${name}`,
      typeOf(of),
      required.has(name) ? 'required' : '',
      told.filter((text) => text !== '').join(' '),
    ];
  });
  return ['', `${title}:`, ...table(rows)];
}

function typeOf(schema: JSONSchema): string {
  if (schema.format === 'output-tree' || schema.format === 'tool-tree') return schema.format;
  if (schema['x-type-of'] !== undefined) return `type of ${schema['x-type-of']}`;
  if (Array.isArray(schema.enum))
    return (schema.enum as readonly unknown[]).map((value) => JSON.stringify(value)).join(' | ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === 'array' && typeof schema.items === 'object' && !Array.isArray(schema.items)) {
    return `array of ${typeOf(schema.items as JSONSchema)}`;
  }
  if (Array.isArray(schema.type)) return schema.type.join(' | ');
  return typeof schema.type === 'string' ? schema.type : 'any';
}
