// Kinds for tests of pipeline files: small manifests that together use every feature of the contract.

import { compileKind } from '../../src/manifests/pipeline/compile-kind.js';
import type { JSONSchema } from '../../src/manifests/json-schema.js';
import type { KnownKind, PluginManifest } from '../../src/manifests/plugin-manifest.js';

const tree = { type: 'string', format: 'output-tree' } as const;
const tool = { type: 'string', format: 'tool-tree' } as const;
const text = { type: 'string' } as const;
const object = (properties: Record<string, object>, required: readonly string[] = []): JSONSchema =>
  ({ type: 'object', properties, required, additionalProperties: false }) as unknown as JSONSchema;

const manifests: readonly PluginManifest[] = [
  {
    kind: 'detect',
    revision: 1,
    description: 'Finds out what the app is.',
    config: object({}),
    inputs: object({}),
    outputs: object({ language: text }, ['language']),
    writes: [],
    pure: true,
  },
  {
    kind: 'package-manager',
    revision: 1,
    description: 'Finds the package manager.',
    config: object({}),
    inputs: object({}),
    outputs: object(
      {
        name: { type: 'string', enum: ['pip', 'pipenv', 'poetry', 'uv'] },
        lockfile: text,
        count: { type: 'integer' },
        share: { type: 'number' },
        isLocked: { type: 'boolean' },
        groups: { type: 'array', items: text },
      },
      ['name', 'count', 'share', 'isLocked', 'groups'],
    ),
    writes: [],
    pure: true,
  },
  {
    kind: 'version-resolve',
    revision: 1,
    description: 'Picks a version.',
    config: object({
      stack: { type: 'string', enum: ['scalingo-22', 'scalingo-24'], default: 'scalingo-24' },
      fallback: { type: 'string', pattern: '^3\\.[0-9]+$' },
      limit: { type: 'integer', minimum: 1 },
      tags: { type: 'array', items: text },
    }),
    inputs: object({ manager: text }),
    outputs: object({ python: text, major: { type: 'integer' } }, ['python', 'major']),
    writes: [],
    pure: true,
  },
  {
    kind: 'fetch-runtime',
    revision: 1,
    description: 'Fetches Python.',
    config: object({ vendorDir: { type: 'string', default: '.scalingo' } }),
    inputs: object({ python: text }, ['python']),
    outputs: object({ tree, version: text }, ['tree', 'version']),
    writes: ['${config.vendorDir}/python/bin/**'],
    network: true,
    pool: 'network',
    timeoutMs: 600_000,
  },
  {
    kind: 'fetch-tool',
    revision: 1,
    description: 'Fetches a tool.',
    config: object({ tool: text }, ['tool']),
    inputs: object({ runtime: tree }, ['runtime']),
    outputs: object({ tool }, ['tool']),
    writes: [],
  },
  {
    kind: 'install',
    revision: 1,
    description: 'Installs packages.',
    config: object({ requirements: { type: 'string', default: 'requirements.txt' } }),
    inputs: object({ runtime: tree, tool, cache: tree }, ['runtime']),
    outputs: object({ tree, packages: { type: 'array', items: object({ name: text }, ['name']) } }, ['tree']),
    writes: ['.scalingo/python/lib/**'],
  },
  {
    kind: 'first-of',
    revision: 1,
    description: 'Whichever ran.',
    config: object({}),
    inputs: object({ candidates: { type: 'array', items: {}, minItems: 1, 'x-may-be-absent': true } }, ['candidates']),
    outputs: object({ tree: { 'x-type-of': 'candidates' } }, ['tree']),
    writes: [],
    pure: true,
  },
  {
    kind: 'hook',
    revision: 1,
    description: 'Runs a script.',
    config: object({ script: text }, ['script']),
    inputs: object({ tree: { ...tree, 'x-may-be-absent': true } }),
    outputs: object({ tree, ran: { type: 'boolean' } }, ['tree', 'ran']),
    writes: ['**'],
  },
  {
    kind: 'command',
    revision: 1,
    description: 'Runs a program.',
    config: object(
      {
        argv: { type: 'array', items: text, minItems: 1 },
        reads: { type: 'array', items: text, default: [] },
        writes: { type: 'array', items: text, default: [] },
      },
      ['argv'],
    ),
    inputs: object({ tree, text }),
    outputs: object({ tree, stdout: text }, ['tree', 'stdout']),
    writes: ['${config.writes}'],
  },
];

let kinds: Promise<ReadonlyMap<string, KnownKind>> | undefined;
export function testKinds(): Promise<ReadonlyMap<string, KnownKind>> {
  kinds ??= Promise.all(manifests.map((manifest) => compileKind(manifest))).then(
    (all) => new Map(all.map((kind) => [kind.manifest.kind, kind])),
  );
  return kinds;
}
