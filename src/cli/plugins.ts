// `pyflow plugins`: lists and shows the kinds that a pipeline file can use, and creates a new plugin.

import { resolve } from 'node:path';
import type { JSONSchema } from '../manifests/json-schema.js';
import { isKindName, type PluginManifest } from '../manifests/plugin-manifest.js';
import { formatDuration, table } from '../engine/render/messages.js';
import { complain, didYouMean, EMPTY_VALUE, type Command, type Given } from './command.js';
import { printJSON } from './print-json.js';
import { printFailure } from './refusal.js';
import { withSubcommands } from './subcommands.js';
import type { World } from './world.js';

const kindOperand = (example: string) => ({
  placeholder: 'KIND',
  phrase: 'a KIND',
  remedy: `For example: \`pyflow plugins ${example}\`.`,
});

export const command: Command = withSubcommands({
  name: 'plugins',
  summary: 'List or show the kinds of nodes, or create a plugin',
  subcommands: [
    { verb: 'ls', summary: 'List the kinds that come with pyflow', run: list },
    {
      verb: 'show',
      operand: kindOperand('show hook'),
      summary: 'Show the config and the ports of a kind',
      run: show,
    },
    {
      verb: 'new',
      operand: kindOperand('new compile-assets'),
      summary: 'Create a plugin with a test, a pipeline that uses it and an example app',
      run: start,
    },
  ],
  options: [
    { name: 'dir', value: 'DIR', summary: 'With new: folder to create (default: KIND in the current folder)' },
    { name: 'json', summary: 'With ls and show: print JSON' },
  ],
  examples: ['pyflow plugins show install-deps-pip', 'pyflow plugins new compile-assets'],
});

async function start(given: Given, world: World, kind: string): Promise<number> {
  if (!isKindName(kind)) {
    return complain(world, {
      message: `"${kind}" is not a valid name for a kind.`,
      remedy: 'Use at most 60 lowercase letters and digits, with hyphens between words: compile-assets.',
    });
  }
  const dir = given.value('dir');
  if (dir === '') return complain(world, { message: '--dir needs a folder.', remedy: EMPTY_VALUE });
  if ((await world.engine.kinds()).some((known) => known.kind === kind)) {
    return complain(world, {
      message: `pyflow already has a kind "${kind}".`,
      remedy: "Choose another name: a pipeline can't tell two kinds with the same name apart.",
    });
  }
  const folder = resolve(world.cwd, dir ?? kind);
  const { nextSteps, writeSkeleton } = await import('./new-plugin.js');
  const written = writeSkeleton(kind, folder);
  if (!written.ok) return printFailure(written.failure, world);
  world.stdout.write(nextSteps(kind, written.value, folder, world.cwd));
  return 0;
}

async function list(given: Given, world: World): Promise<number> {
  const kinds = await world.engine.kinds();
  if (given.flag('json')) printJSON(kinds, world);
  else
    for (const line of table(kinds.map(({ kind, description }) => [kind, description])))
      world.stdout.write(`${line}\n`);
  return 0;
}

async function show(given: Given, world: World, kind: string): Promise<number> {
  const kinds = await world.engine.kinds();
  const manifest = kinds.find((known) => known.kind === kind);
  if (manifest === undefined) {
    return complain(world, {
      message: `pyflow has no kind "${kind}".`,
      remedy: `${didYouMean(
        kind,
        kinds.map((known) => known.kind),
      ).trim()} \`pyflow plugins ls\` lists the kinds.`.trim(),
    });
  }
  if (given.flag('json')) printJSON(manifest, world);
  else world.stdout.write(manifestText(manifest));
  return 0;
}

function manifestText(manifest: PluginManifest): string {
  const facts = [
    `revision ${manifest.revision}`,
    ...(manifest.pure === true ? ['returns only values'] : []),
    ...(manifest.network === true ? ['can use the network'] : []),
    ...(manifest.usesBuilder === true ? ['depends on the programs of the machine'] : []),
    ...(manifest.pool === undefined ? [] : [`uses the pool ${manifest.pool}`]),
    ...(manifest.timeoutMs === undefined ? [] : [`times out after ${formatDuration(manifest.timeoutMs)}`]),
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
    const description = [
      of.description ?? '',
      ...(of.default === undefined ? [] : [`(default: ${JSON.stringify(of.default)})`]),
    ];
    return [
      `  ${name}`,
      typeOf(of),
      required.has(name) ? 'required' : '',
      description.filter((text) => text !== '').join(' '),
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
