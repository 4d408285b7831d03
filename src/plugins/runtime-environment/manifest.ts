// What the kind `runtime-environment` declares: the profile scripts that let the app find its Python when it boots.

import type { JSONSchema, PluginManifest } from '../../engine/sdk.js';
import { vendorDirSchema } from '../shared/python-home.js';

export const PYTHON_SCRIPT = '.profile.d/python.sh';
export const GUNICORN_SCRIPT = '.profile.d/python.gunicorn.sh';
export const SQLALCHEMY_SCRIPT = '.profile.d/python.sqlalchemy.sh';

export const config = {
  type: 'object',
  properties: {
    vendorDir: vendorDirSchema,
  },
  additionalProperties: false,
} as const satisfies JSONSchema;

export const inputs = {
  type: 'object',
  properties: {
    manager: {
      type: 'string',
      'x-may-be-absent': true,
      description: 'The package manager of the app; some need variables of their own at run time.',
    },
  },
  additionalProperties: false,
} as const satisfies JSONSchema;

export const outputs = {
  type: 'object',
  properties: {
    tree: { type: 'string', format: 'output-tree', description: 'The profile scripts.' },
  },
  required: ['tree'],
  additionalProperties: false,
} as const satisfies JSONSchema;

export const manifest: PluginManifest = {
  kind: 'runtime-environment',
  revision: 1,
  description: 'Writes the profile scripts that set up Python, gunicorn and SQLAlchemy when the app boots.',
  config,
  inputs,
  outputs,
  writes: [PYTHON_SCRIPT, GUNICORN_SCRIPT, SQLALCHEMY_SCRIPT],
  expectedMs: 5,
};
