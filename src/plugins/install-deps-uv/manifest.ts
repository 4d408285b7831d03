// What the kind `install-deps-uv` declares: the packages of a uv.lock, installed into the slug's Python.

import type { JSONSchema, PluginManifest } from '../../engine/sdk.js';
import { rootSchema } from '../shared/app/root.js';
import { groupsSchema } from '../shared/install/groups.js';
import { installedOutputs } from '../shared/install/outputs.js';
import { vendorDirSchema } from '../shared/python/home.js';
import { uvIndexSchema } from '../shared/uv/schemas.js';

export const config = {
  type: 'object',
  properties: { vendorDir: vendorDirSchema, root: rootSchema, index: uvIndexSchema, groups: groupsSchema },
  additionalProperties: false,
} as const satisfies JSONSchema;

export const inputs = {
  type: 'object',
  properties: {
    runtime: { type: 'string', format: 'output-tree', description: 'The Python to install into.' },
    uv: { type: 'string', format: 'tool-tree', description: 'The uv to install with.' },
  },
  required: ['runtime', 'uv'],
  additionalProperties: false,
} as const satisfies JSONSchema;

export const manifest: PluginManifest = {
  kind: 'install-deps-uv',
  revision: 1,
  description: 'Installs what a uv.lock lists, except the app itself, with uv, into the Python of the slug.',
  config,
  inputs,
  outputs: installedOutputs('The runtime with the packages.'),
  buildsCode: true,
  writes: ['${config.vendorDir}/python/**'],
  reads: ['${config.root}/pyproject.toml', '${config.root}/uv.lock'],
  network: true,
  timeoutMs: 1_800_000,
  expectedMs: 3000,
  buildDataDuration: 'dependencies_install_duration',
};
