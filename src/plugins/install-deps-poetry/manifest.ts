// What the kind `install-deps-poetry` declares: the packages of poetry.lock, installed into the slug's Python.

import type { JSONSchema, PluginManifest } from '../../engine/sdk.js';
import { rootSchema } from '../shared/app/root.js';
import { groupsSchema } from '../shared/install/groups.js';
import { installedOutputs } from '../shared/install/outputs.js';
import { vendorDirSchema } from '../shared/python/home.js';

export const config = {
  type: 'object',
  properties: {
    vendorDir: vendorDirSchema,
    root: rootSchema,
    groups: groupsSchema,
  },
  additionalProperties: false,
} as const satisfies JSONSchema;

export const inputs = {
  type: 'object',
  properties: {
    runtime: { type: 'string', format: 'output-tree', description: 'The Python to install into.' },
    poetry: { type: 'string', format: 'tool-tree', description: 'The Poetry to install with.' },
  },
  required: ['runtime', 'poetry'],
  additionalProperties: false,
} as const satisfies JSONSchema;

export const manifest: PluginManifest = {
  kind: 'install-deps-poetry',
  revision: 1,
  description:
    'Installs what poetry.lock lists, with Poetry, into the Python of the slug; not the project itself. No variable of the app reaches Poetry: passwords of other indexes are given by `secrets` of the node.',
  config,
  inputs,
  outputs: installedOutputs('The runtime with the packages.'),
  buildsCode: true,
  writes: ['${config.vendorDir}/python/**'],
  reads: ['${config.root}/pyproject.toml', '${config.root}/poetry.lock'],
  network: true,
  timeoutMs: 1_800_000,
  expectedMs: 10_000,
  buildDataDuration: 'dependencies_install_duration',
};
