// The manifest of the kind `version-resolve`: which Python does the app get?

import type { PluginManifest } from '../../engine/sdk.js';
import { providersSchema } from '../shared/archives/provider-list.js';
import { closedObject, rootSchema } from '../shared/manifest/schemas.js';

export const config = closedObject(
  {
    root: rootSchema,
    stack: { type: 'string', minLength: 1, description: 'The base image that the app will run on, e.g. scalingo-24.' },
    providers: providersSchema,
    default: {
      type: 'string',
      pattern: '^(0|[1-9][0-9]{0,8})\\.(0|[1-9][0-9]{0,8})$',
      description: 'Minor version, N.N, for apps that set none. Default: that of the catalogue.',
    },
  },
  ['stack'],
);

export const inputs = closedObject(
  { manager: { type: 'string', description: 'Name of the package manager. Some have special files or rules.' } },
  ['manager'],
);

export const outputs = closedObject(
  {
    python: {
      type: 'object',
      description: 'The version to fetch.',
      properties: {
        version: { type: 'string', description: 'X.Y.Z' },
        minor: { type: 'string', description: 'X.Y' },
        exact: {
          type: 'boolean',
          description:
            'The app asked for exactly this patch. If false, another patch of the minor version may be used.',
        },
      },
      required: ['version', 'minor', 'exact'],
      additionalProperties: false,
    },
    version: { type: 'string', description: 'X.Y.Z' },
    minor: { type: 'string', description: 'X.Y' },
    requested: {
      type: 'string',
      description: 'The version as the app wrote it, or the minor version that was chosen for it.',
      'x-build-data': 'python_version_requested',
    },
    origin: {
      type: 'string',
      enum: ['runtime.txt', '.python-version', 'Pipfile.lock', 'cached', 'default'],
      description: 'Where the version is set; `cached` stands for the minor version of the last build.',
      'x-build-data': 'python_version_origin',
    },
    exact: {
      type: 'boolean',
      description: 'Whether the app asked for a patch.',
      'x-build-data': 'python_version_pinned',
    },
    outdated: {
      type: 'boolean',
      description: 'Whether a newer patch of the minor version is known.',
      'x-build-data': 'python_version_outdated',
    },
    similarFiles: {
      type: 'array',
      items: { type: 'string' },
      description: 'Files with names similar to .python-version, sorted, if neither that nor runtime.txt exists.',
      'x-build-data': 'python_version_files',
    },
  },
  ['python', 'version', 'minor', 'requested', 'origin', 'exact', 'outdated', 'similarFiles'],
);

export const manifest: PluginManifest = {
  kind: 'version-resolve',
  revision: 1,
  description: 'Decides the version of Python from the files of the app, the last build, or the default.',
  config,
  inputs,
  outputs,
  writes: [],
  reads: ['${config.root}/{runtime.txt,.python-version,Pipfile.lock}'],
  pure: true,
};
