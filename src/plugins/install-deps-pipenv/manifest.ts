// What the kind `install-deps-pipenv` declares: the packages of a Pipfile.lock, installed into the slug's Python.

import type { JSONSchema, PluginManifest } from '../../engine/sdk.js';
import { rootSchema } from '../shared/app/root.js';
import { installedOutputs } from '../shared/install/outputs.js';
import { vendorDirSchema } from '../shared/python/home.js';

export const config = {
  type: 'object',
  properties: {
    vendorDir: vendorDirSchema,
    root: rootSchema,
    index: {
      type: 'string',
      pattern: '^(https?|file)://[^@\\s]+$',
      description:
        'URL of the package index that takes the place of the public one in the Pipfile, without user and password (those belong into PYFLOW_INDEX). Other indexes of the Pipfile stay. Default: PYFLOW_INDEX, else what the Pipfile says.',
    },
  },
  additionalProperties: false,
} as const satisfies JSONSchema;

export const inputs = {
  type: 'object',
  properties: {
    runtime: { type: 'string', format: 'output-tree', description: 'The Python to install into.' },
    pipenv: { type: 'string', format: 'tool-tree', description: 'The Pipenv to install with.' },
  },
  required: ['runtime', 'pipenv'],
  additionalProperties: false,
} as const satisfies JSONSchema;

export const manifest: PluginManifest = {
  kind: 'install-deps-pipenv',
  revision: 1,
  description:
    'Installs what Pipfile.lock settles, with Pipenv, into the Python of the slug; `--test` adds dev packages.',
  config,
  inputs,
  outputs: installedOutputs('The runtime with the packages.'),
  buildsCode: true,
  writes: ['${config.vendorDir}/python/**'],
  reads: ['${config.root}/Pipfile', '${config.root}/Pipfile.lock'],
  network: true,
  timeoutMs: 1_800_000,
  expectedMs: 10_000,
  buildDataDuration: 'dependencies_install_duration',
};
