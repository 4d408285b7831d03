// `pyflow inspect`: the inventory of a slug, in several forms.

import { basename, dirname, resolve } from 'node:path';
import { writeText } from '../engine/render/report.js';
import type { Inventory } from '../engine/inspect/inventory.js';
import { complain, EMPTY_VALUE, type Command } from './command.js';
import { printFailure } from './refusal.js';
import { APP_OPTIONS, appOf } from './run-options.js';
import type { World } from './world.js';

const FORMATS = ['text', 'json', 'cyclonedx'] as const;
type Format = (typeof FORMATS)[number];

export const command: Command = {
  name: 'inspect',
  operands: '[SLUG]',
  minOperands: 0,
  maxOperands: 1,
  summary: 'Show what is in a slug: packages with size and origin, licences, or an SBOM',
  details: [
    'SLUG is the folder of a slug (default: .pyflow/slug). pyflow reads its files, digests them, and runs nothing of it.',
    'The record of the run that wrote the slug says where its Python and the tools came from. pyflow looks for it among the runs of the app: the app that has the slug in its .pyflow/slug, or that of --app and --app-id.',
  ],
  options: [
    {
      name: 'format',
      value: 'FORMAT',
      choices: FORMATS,
      summary: 'Form of the inventory (default: text); cyclonedx is CycloneDX 1.6 in JSON',
    },
    { name: 'out', value: 'FILE', summary: 'Write to this file instead of printing' },
    ...APP_OPTIONS,
  ],
  examples: ['pyflow inspect', 'pyflow inspect .pyflow/slug --format cyclonedx --out sbom.json'],
  run: async (given, world) => {
    if (given.operands[0] === '')
      return complain(world, { message: 'pyflow inspect needs a folder.', remedy: EMPTY_VALUE });
    if (given.value('out') === '') return complain(world, { message: '--out needs a file.', remedy: EMPTY_VALUE });
    const place = appOf(given, world);
    if (!place.ok) return complain(world, place.failure);
    const slugDir = resolve(world.cwd, given.operands[0] ?? '.pyflow/slug');
    const appDir = given.value('app') === undefined ? appOfSlug(slugDir) : place.value.appDir;
    const taken = await world.engine.inspect({
      ...place.value,
      appDir,
      slugDir,
      signal: world.onInterrupt().signal,
    });
    if (!taken.ok) return printFailure(taken.failure, world);
    const format = (given.value('format') ?? 'text') as Format;
    return write(await documentOf(format, taken.value, world), given.value('out'), world);
  },
};

/** The app whose own folder holds the slug, or the folder that is both. */
const appOfSlug = (slugDir: string): string =>
  basename(slugDir) === 'slug' && basename(dirname(slugDir)) === '.pyflow' ? dirname(dirname(slugDir)) : slugDir;

async function documentOf(format: Format, inventory: Inventory, world: World): Promise<string> {
  switch (format) {
    case 'text':
      return (await import('../engine/render/inventory.js')).inventoryText(inventory);
    case 'cyclonedx':
      return (await import('../engine/inspect/cyclonedx.js')).cycloneDX(inventory, world.version);
    default:
      return `${JSON.stringify(inventory, undefined, 2)}\n`;
  }
}

function write(text: string, out: string | undefined, world: World): number {
  if (out === undefined) {
    world.stdout.write(text);
    return 0;
  }
  const written = writeText(resolve(world.cwd, out), text);
  return written.ok ? 0 : printFailure(written.failure, world);
}
