// `pyflow plugins`: the kinds a pipeline file can use, from their manifests, and a start for one's own.

import { resolve } from 'node:path';
import type { JSONSchema } from '../manifests/json-schema.js';
import type { PluginManifest } from '../manifests/plugin-manifest.js';
import { formatDuration, table } from '../engine/render/messages.js';
import { complain, didYouMean, type Command } from './command.js';
import { printJSON } from './print-json.js';
import { printFailure } from './refusal.js';
import type { World } from './world.js';

export const command: Command = {
  name: 'plugins',
  operands: 'ls | show KIND | new KIND',
  minOperands: 1,
  maxOperands: 2,
  summary: 'List the kinds of nodes, show one, or start a new one',
  details: [
    '  ls         list the kinds that pyflow ships',
    '  show KIND  show config and ports of one',
    '  new KIND   write a plugin to start from, with a test, a pipeline that uses it and an app for that',
  ].join('\n'),
  options: [
    { name: 'dir', value: 'DIR', summary: 'With new: the folder to make (default: KIND in the current folder)' },
    { name: 'json', summary: 'With ls and show: print JSON' },
  ],
  examples: ['pyflow plugins show install-deps-pip', 'pyflow plugins new compile-assets'],
  run: async (given, world) => {
    const [verb = '', kind] = given.operands;
    if (verb === 'ls' && kind === undefined) return list(given.flag('json'), world);
    if (verb === 'show' && kind !== undefined) return show(kind, given.flag('json'), world);
    if (verb === 'new' && kind !== undefined) return start(kind, given.value('dir'), world);
    return complain(world, {
      message:
        verb === 'show' || verb === 'new'
          ? `pyflow plugins ${verb} needs a KIND.`
          : `pyflow plugins cannot "${given.operands.join(' ')}".`,
      remedy:
        verb === 'show' || verb === 'new'
          ? `For example \`pyflow plugins ${verb} ${verb === 'new' ? 'compile-assets' : 'hook'}\`.`
          : `It takes \`ls\`, \`show KIND\` or \`new KIND\`.${didYouMean(verb, ['ls', 'show', 'new'])}`,
    });
  },
};

async function start(kind: string, dir: string | undefined, world: World): Promise<number> {
  // It becomes the name of files, and of nodes.
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(kind) || kind.length > 60) {
    return complain(world, {
      message: `"${kind}" is no name for a kind.`,
      remedy: 'Write at most 60 lower-case letters and digits, words joined by hyphens: compile-assets.',
    });
  }
  if (dir === '') return complain(world, { message: '--dir needs a folder.', remedy: 'Is a variable unset?' });
  if ((await world.engine.kinds()).some((known) => known.kind === kind)) {
    return complain(world, {
      message: `pyflow ships a kind "${kind}".`,
      remedy: 'Give yours another name; a pipeline could not tell them apart.',
    });
  }
  const folder = resolve(world.cwd, dir ?? kind);
  const { nextSteps, writeSkeleton } = await import('./new-plugin.js');
  const written = writeSkeleton(kind, folder);
  if (!written.ok) return printFailure(written.failure, world);
  world.stdout.write(nextSteps(kind, written.value, folder, world.cwd));
  return 0;
}

async function list(asJSON: boolean, world: World): Promise<number> {
  const kinds = await world.engine.kinds();
  if (asJSON) printJSON(kinds, world);
  else
    for (const line of table(kinds.map(({ kind, description }) => [kind, description])))
      world.stdout.write(`${line}\n`);
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
  if (asJSON) printJSON(manifest, world);
  else world.stdout.write(manifestText(manifest));
  return 0;
}

function manifestText(manifest: PluginManifest): string {
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
