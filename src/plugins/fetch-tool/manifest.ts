// What the kind `fetch-tool` declares: a package manager at its pinned version, as a tool tree.

import type { JSONSchema, PluginManifest } from '../../engine/sdk.js';
import { vendorDirSchema } from '../shared/python/home.js';

export const config = {
  type: 'object',
  properties: {
    name: {
      type: 'string',
      enum: ['pip', 'pipenv', 'poetry', 'setuptools', 'uv'],
      description:
        'The tool to install. setuptools is for the minors of Python whose virtual environments had it; for others the tree is empty.',
    },
    version: {
      type: 'string',
      pattern: '^\\d+(\\.\\d+)*$',
      description: 'One of the versions whose files pyflow knows by digest. Default: the pinned one.',
    },
    vendorDir: vendorDirSchema,
  },
  required: ['name'],
  additionalProperties: false,
} as const satisfies JSONSchema;

export const inputs = {
  type: 'object',
  properties: {
    runtime: { type: 'string', format: 'output-tree', description: 'The Python that installs the tool and runs it.' },
  },
  required: ['runtime'],
  additionalProperties: false,
} as const satisfies JSONSchema;

export const outputs = {
  type: 'object',
  properties: {
    tool: { type: 'string', format: 'tool-tree', description: 'The tool; never part of the slug.' },
    version: {
      type: 'string',
      description: 'Its version; empty when it is not for this Python.',
      'x-build-data': '${config.name}_version',
    },
  },
  required: ['tool', 'version'],
  additionalProperties: false,
} as const satisfies JSONSchema;

export const manifest: PluginManifest = {
  kind: 'fetch-tool',
  revision: 2,
  description:
    'Installs a package manager at a pinned version, it and all that it needs checked by digest, as a tool outside the slug.',
  config,
  inputs,
  outputs,
  writes: [],
  network: true,
  timeoutMs: 300_000,
  expectedMs: 4000,
  buildDataDuration: 'package_manager_install_duration',
};
