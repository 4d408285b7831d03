// The manifest of the kind `version-resolve`: which Python does the app get?

import type { PluginManifest } from '../../engine/sdk.js';
import { providersSchema } from '../shared/archives/provider-list.js';
import { groupsSchema } from '../shared/manifest/installer.js';
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
    pythonPolicy: {
      type: 'string',
      enum: ['default', 'newest-that-fits'],
      default: 'default',
      description:
        'Version for apps that set none and had no build before: the default as long as it fits the packages of the lockfile, or always the newest version that fits.',
    },
    pinnedMisfit: {
      type: 'string',
      enum: ['warn', 'fail'],
      default: 'warn',
      description: 'What happens if the app sets a version that does not fit its packages.',
    },
    groups: {
      ...groupsSchema,
      default: [],
      description: 'Dependency groups of uv and Poetry that are installed besides what every build gets.',
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
      enum: ['runtime.txt', '.python-version', 'Pipfile.lock', 'cached', 'default', 'newest-that-fits'],
      description:
        'Where the version is set; `cached` stands for the minor version of the last build, and `newest-that-fits` for one that was chosen by the packages.',
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
    trace: {
      type: 'object',
      additionalProperties: true,
      'x-explains': 'data',
      description: 'Which versions fit the app, which do not and why, and how one was chosen.',
    },
    explanation: {
      type: 'array',
      items: { type: 'string' },
      'x-explains': 'lines',
      description: 'The trace in words, one line for each version.',
    },
  },
  ['python', 'version', 'minor', 'requested', 'origin', 'exact', 'outdated', 'similarFiles', 'trace', 'explanation'],
);

export const manifest: PluginManifest = {
  kind: 'version-resolve',
  revision: 1,
  description:
    'Decides the version of Python from the files of the app, the last build, or the default, and says which versions fit the packages.',
  config,
  inputs,
  outputs,
  writes: [],
  reads: [
    '${config.root}/{runtime.txt,.python-version,Pipfile.lock,poetry.lock,pylock.toml,pyproject.toml,requirements.txt,uv.lock}',
  ],
  pure: true,
};
