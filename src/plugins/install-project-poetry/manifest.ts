// What the kind `install-project-poetry` declares: the app itself, installed as the package that it is.

import type { JSONSchema, PluginManifest } from '../../engine/sdk.js';
import { rootSchema } from '../shared/app/root.js';
import { vendorDirSchema } from '../shared/python/home.js';
import { installedOutputs } from '../shared/install/outputs.js';

export const config = {
  type: 'object',
  properties: {
    vendorDir: vendorDirSchema,
    root: rootSchema,
  },
  additionalProperties: false,
} as const satisfies JSONSchema;

export const inputs = {
  type: 'object',
  properties: {
    dependencies: { type: 'string', format: 'output-tree', description: 'The Python with the packages it needs.' },
    packages: {
      type: 'object',
      additionalProperties: { type: 'string' },
      description: 'The packages in `dependencies`: normalized name to version.',
    },
    poetry: { type: 'string', format: 'tool-tree', description: 'The Poetry to install with.' },
  },
  required: ['dependencies', 'packages', 'poetry'],
  additionalProperties: false,
} as const satisfies JSONSchema;

export const manifest: PluginManifest = {
  kind: 'install-project-poetry',
  revision: 1,
  description:
    'Installs the project itself with Poetry, editable, so that its packages can be imported and its commands run. Does nothing for a project with `package-mode = false`.',
  config,
  inputs,
  outputs: installedOutputs('`dependencies` with the project.'),
  buildsCode: true,
  writes: ['${config.vendorDir}/python/**'],
  network: true,
  timeoutMs: 600_000,
  expectedMs: 2000,
  buildDataDuration: 'dependencies_install_duration',
};
