// The manifest of the kind `package-manager`: which tool installs the app's dependencies?

import type { PluginManifest } from '../../engine/sdk.js';
import { closedObject, rootSchema } from '../shared/manifest/schemas.js';

export const config = closedObject({
  root: rootSchema,
  vendorDir: {
    type: 'string',
    minLength: 1,
    default: '.scalingo',
    description: 'The folder of the app that the runtime is installed into. The app must not contain a runtime there.',
  },
});

export const inputs = closedObject({});

export const outputs = closedObject(
  {
    name: {
      type: 'string',
      enum: ['pip', 'pipenv', 'poetry', 'uv'],
      description: 'The package manager.',
      'x-build-data': 'package_manager',
    },
    lockfile: { type: 'string', description: 'The file that it was recognized by, relative to the app.' },
  },
  ['name', 'lockfile'],
);

export const manifest: PluginManifest = {
  kind: 'package-manager',
  revision: 1,
  description: 'Finds the package manager of the app by its requirements file or lockfile.',
  config,
  inputs,
  outputs,
  writes: [],
  reads: ['${config.root}/{requirements.txt,Pipfile,Pipfile.lock,poetry.lock,pylock.toml,uv.lock}'],
  pure: true,
};
