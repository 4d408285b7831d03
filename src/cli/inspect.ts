// `pyflow inspect`: the inventory of a slug, in several forms.

import { basename, dirname, resolve } from 'node:path';
import { writeText } from '../engine/render/report.js';
import { succeed, unreachable, type Failure, type Result } from '../engine/failure.js';
import { parseSize } from '../manifests/pipeline/sizes.js';
import { complain, EMPTY_VALUE, wrongUsage, type Command, type Given, type UsageProblem } from './command.js';
import type { InspectRequest, Inspection } from './engine.js';
import { printFailure } from './refusal.js';
import { APP_OPTIONS, appOf } from './run-options.js';
import type { World } from './world.js';

const FORMATS = ['text', 'json', 'cyclonedx', 'spdx', 'slsa'] as const;
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
      summary:
        'Form of the inventory (default: text); cyclonedx is CycloneDX 1.6 and spdx is SPDX 2.3, both in JSON; slsa is provenance, SLSA v1 as an in-toto statement',
    },
    { name: 'out', value: 'FILE', summary: 'Write to this file instead of printing' },
    {
      name: 'against',
      value: 'RUN|SLUG',
      summary: 'Show what changed since this run of the app, or against another slug',
    },
    {
      name: 'budget',
      value: 'SIZE',
      summary:
        'Exit with status 1 if the slug is larger, such as 500M (default: $PYFLOW_SLUG_BUDGET); names the largest parts',
    },
    { name: 'sign', value: 'FILE', summary: 'Sign the provenance with this ed25519 key (PEM), in a DSSE envelope' },
    ...APP_OPTIONS,
  ],
  examples: ['pyflow inspect', 'pyflow inspect .pyflow/slug --format cyclonedx --out sbom.json'],
  run: async (given, world) => {
    const asked = askedOf(given, world);
    if (!asked.ok) return complain(world, asked.failure);
    const { request, format, out, against, budget, sign } = asked.value;
    const taken = await world.engine.inspect(request, against);
    if (!taken.ok) return printFailure(taken.failure, world);
    const text = await documentOf({ format, sign }, taken.value, world, asked.value.builder);
    if (!text.ok) return printFailure(text.failure, world);
    if (out === undefined) world.stdout.write(text.value);
    else {
      const written = writeText(out, text.value);
      if (!written.ok) return printFailure(written.failure, world);
    }
    const problem = budget === undefined ? undefined : await budgetProblem(taken.value, budget);
    return problem === undefined ? 0 : printFailure(problem, world);
  },
};

interface Asked {
  readonly request: InspectRequest;
  readonly format: Format;
  readonly out?: string;
  readonly against?: string;
  /** In bytes. */
  readonly budget?: number;
  readonly sign?: string;
  readonly builder?: string;
}

function askedOf(given: Given, world: World): Result<Asked, UsageProblem> {
  if (given.operands[0] === '') return wrongUsage('pyflow inspect needs a folder.', EMPTY_VALUE);
  for (const name of ['out', 'against', 'sign', 'budget']) {
    if (given.value(name) === '') return wrongUsage(`--${name} needs a value.`, EMPTY_VALUE);
  }
  const place = appOf(given, world);
  if (!place.ok) return place;
  const format = (given.value('format') ?? 'text') as Format;
  const { out, against, sign } = {
    out: given.value('out'),
    against: given.value('against'),
    sign: given.value('sign'),
  };
  if (sign !== undefined && format !== 'slsa') {
    return wrongUsage('--sign signs provenance only.', 'Add --format slsa, or remove --sign.');
  }
  const { settings } = place.value;
  const size = given.value('budget') ?? settings['SLUG_BUDGET'];
  const budget = size === undefined ? undefined : parseSize(size);
  if (size !== undefined && budget === undefined) {
    const name = given.value('budget') === undefined ? 'PYFLOW_SLUG_BUDGET' : '--budget';
    return wrongUsage(
      `${name} does not accept "${size}".`,
      'Use a number of bytes, or one with K, M, G or T, such as 500M.',
    );
  }
  const slugDir = resolve(world.cwd, given.operands[0] ?? '.pyflow/slug');
  const appDir = given.value('app') === undefined ? appOfSlug(slugDir) : place.value.appDir;
  return succeed({
    request: { ...place.value, appDir, slugDir, cwd: world.cwd, signal: world.onInterrupt().signal },
    format,
    ...(out !== undefined && { out: resolve(world.cwd, out) }),
    ...(against !== undefined && { against }),
    ...(budget !== undefined && { budget }),
    ...(sign !== undefined && { sign: resolve(world.cwd, sign) }),
    ...(settings['BUILDER'] !== undefined && { builder: settings['BUILDER'] }),
  });
}

/** The app whose own folder holds the slug, or the folder that is both. */
const appOfSlug = (slugDir: string): string =>
  basename(slugDir) === 'slug' && basename(dirname(slugDir)) === '.pyflow' ? dirname(dirname(slugDir)) : slugDir;

async function documentOf(
  { format, sign }: { readonly format: Format; readonly sign: string | undefined },
  { inventory, comparison }: Inspection,
  { version }: World,
  builder: string | undefined,
): Promise<Result<string>> {
  switch (format) {
    case 'text':
      return succeed((await import('../engine/render/inventory.js')).inventoryText(inventory, comparison));
    case 'json':
      return succeed(
        `${JSON.stringify({ ...inventory, ...(comparison !== undefined && { comparison }) }, undefined, 2)}\n`,
      );
    case 'cyclonedx':
      return succeed((await import('../engine/inspect/cyclonedx.js')).cycloneDX(inventory, version));
    case 'spdx':
      return succeed((await import('../engine/inspect/spdx.js')).spdx(inventory, version));
    case 'slsa': {
      const { provenance, provenanceText } = await import('../engine/inspect/provenance.js');
      const statement = provenance(inventory, { builder, pyflowVersion: version });
      return statement.ok ? provenanceText(statement.value, sign) : statement;
    }
    default:
      return unreachable(format);
  }
}

const SHOWN_PARTS = 8;

async function budgetProblem({ inventory, comparison }: Inspection, budget: number): Promise<Failure | undefined> {
  const { bytes } = inventory.slug;
  if (bytes <= budget) return undefined;
  const { growthLines, largestParts } = await import('../engine/render/inventory.js');
  const { formatBytes } = await import('../engine/render/messages.js');
  const { overBudget } = await import('../engine/inspect/failures.js');
  const grown = comparison === undefined ? [] : growthLines(comparison).slice(0, SHOWN_PARTS);
  const sizes = { bytes: formatBytes(bytes), budget: formatBytes(budget) };
  return overBudget(sizes, largestParts(inventory, SHOWN_PARTS), grown);
}
