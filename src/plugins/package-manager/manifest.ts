// What the kind `package-manager` declares: which tool installs the app's dependencies?

import type { JSONSchema, PluginManifest } from '../../engine/sdk.js';
import { rootSchema } from '../shared/app/root.js';

export const config = {
  type: 'object',
  properties: {
    root: rootSchema,
    vendorDir: {
      type: 'string',
      minLength: 1,
      default: '.scalingo',
      description: 'The folder of the app that will hold the runtime; it may not hold one already.',
    },
  },
  additionalProperties: false,
} as const satisfies JSONSchema;

export const inputs = {
  type: 'object',
  properties: {},
  additionalProperties: false,
} as const satisfies JSONSchema;

export const outputs = {
  type: 'object',
  properties: {
    name: {
      type: 'string',
      enum: ['pip', 'pipenv', 'poetry', 'uv'],
      description: 'The tool.',
      'x-build-data': 'package_manager',
    },
    lockfile: { type: 'string', description: 'The file it was recognised by, relative to the app.' },
  },
  required: ['name', 'lockfile'],
  additionalProperties: false,
} as const satisfies JSONSchema;

export const manifest: PluginManifest = {
  kind: 'package-manager',
  revision: 1,
  description: 'Finds the one package manager of the app by its requirements file or lockfile.',
  config,
  inputs,
  outputs,
  writes: [],
  reads: ['${config.root}/{requirements.txt,Pipfile,Pipfile.lock,poetry.lock,uv.lock}'],
  pure: true,
};
