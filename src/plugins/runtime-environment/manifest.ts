// The manifest of the kind `runtime-environment`: the profile scripts that set up Python when the app boots.

import type { PluginManifest } from '../../engine/sdk.js';
import { closedObject, outputTree, rootSchema, vendorDirSchema } from '../shared/manifest/schemas.js';

export const PROFILE_FOLDER = '.profile.d';
export const PYTHON_SCRIPT = '.profile.d/python.sh';
export const GUNICORN_SCRIPT = '.profile.d/python.gunicorn.sh';
export const SQLALCHEMY_SCRIPT = '.profile.d/python.sqlalchemy.sh';
/** Sorts last by name, because it changes the folder that the others run in. */
export const ROOT_SCRIPT = '.profile.d/zzz-root.sh';
export const PROCFILE = 'Procfile';

export const config = closedObject({ root: rootSchema, vendorDir: vendorDirSchema });

export const inputs = closedObject({
  manager: {
    type: 'string',
    'x-may-be-absent': true,
    description: 'The package manager of the app. Some need variables at run time.',
  },
});

export const outputs = closedObject(
  { tree: outputTree('The profile scripts, and the Procfile of the root if the app itself has none.') },
  ['tree'],
);

export const manifest: PluginManifest = {
  kind: 'runtime-environment',
  revision: 1,
  description:
    'Writes the profile scripts that set up Python, gunicorn and SQLAlchemy when the app boots. For an app in a subfolder, also copies its Procfile.',
  config,
  inputs,
  outputs,
  writes: [PYTHON_SCRIPT, GUNICORN_SCRIPT, SQLALCHEMY_SCRIPT, ROOT_SCRIPT, PROCFILE],
  expectedMs: 5,
};
