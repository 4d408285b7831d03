// What the kind `install-project-uv` declares: the packages that lie in an app locked by uv, installed into the slug's Python.

import type { JSONSchema, PluginManifest } from '../../engine/sdk.js';
import { rootSchema } from '../shared/app/root.js';
import { groupsSchema } from '../shared/install/groups.js';
import { vendorDirSchema } from '../shared/python/home.js';
import { uvIndexSchema } from '../shared/uv/schemas.js';
import { installedOutputs } from '../shared/install/outputs.js';

export const config = {
  type: 'object',
  properties: { vendorDir: vendorDirSchema, root: rootSchema, index: uvIndexSchema, groups: groupsSchema },
  additionalProperties: false,
} as const satisfies JSONSchema;

export const inputs = {
  type: 'object',
  properties: {
    dependencies: {
      type: 'string',
      format: 'output-tree',
      description: 'The Python with the dependencies, of `install-deps-uv`.',
    },
    packages: {
      type: 'object',
      additionalProperties: { type: 'string' },
      description: 'What `install-deps-uv` installed, so that nothing has to be looked at when the app is no package.',
    },
    uv: { type: 'string', format: 'tool-tree', description: 'The uv to install with.' },
  },
  required: ['dependencies', 'packages', 'uv'],
  additionalProperties: false,
} as const satisfies JSONSchema;

export const manifest: PluginManifest = {
  kind: 'install-project-uv',
  revision: 1,
  description:
    'Installs the app itself, and other packages that lie in it, with uv; nothing when the app is no package.',
  config,
  inputs,
  outputs: installedOutputs('The Python with the dependencies and the app itself.'),
  buildsCode: true,
  writes: ['${config.vendorDir}/python/**'],
  network: true,
  timeoutMs: 1_800_000,
  expectedMs: 3000,
  buildDataDuration: 'dependencies_install_duration',
};
