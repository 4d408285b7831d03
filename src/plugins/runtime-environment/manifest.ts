// What the kind `runtime-environment` declares: the profile scripts that let the app find its Python when it boots.

import type { JSONSchema, PluginManifest } from '../../engine/sdk.js';
import { rootSchema } from '../shared/app/root.js';
import { vendorDirSchema } from '../shared/python/home.js';

export const PROFILE_FOLDER = '.profile.d';
export const PYTHON_SCRIPT = '.profile.d/python.sh';
export const GUNICORN_SCRIPT = '.profile.d/python.gunicorn.sh';
export const SQLALCHEMY_SCRIPT = '.profile.d/python.sqlalchemy.sh';
/** Last in the order of names, since it changes the folder that the others run in. */
export const ROOT_SCRIPT = '.profile.d/zzz-root.sh';
export const PROCFILE = 'Procfile';

export const config = {
  type: 'object',
  properties: {
    root: rootSchema,
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
    tree: {
      type: 'string',
      format: 'output-tree',
      description: 'The profile scripts, and the Procfile of the root where the app itself has none.',
    },
  },
  required: ['tree'],
  additionalProperties: false,
} as const satisfies JSONSchema;

export const manifest: PluginManifest = {
  kind: 'runtime-environment',
  revision: 1,
  description:
    'Writes the profile scripts that set up Python, gunicorn and SQLAlchemy when the app boots; for an app in a subfolder also its Procfile.',
  config,
  inputs,
  outputs,
  writes: [PYTHON_SCRIPT, GUNICORN_SCRIPT, SQLALCHEMY_SCRIPT, ROOT_SCRIPT, PROCFILE],
  expectedMs: 5,
};
