// The manifest of the kind `install-deps-pip`: the packages of a requirements file, installed into the slug's Python.

import type { PluginManifest } from '../../engine/sdk.js';
import { indexSchema, installedOutputs, INSTALLER, intoPython } from '../shared/manifest/installer.js';
import { closedObject, pathSchema, rootSchema, vendorDirSchema } from '../shared/manifest/schemas.js';

export const DEFAULT_REQUIREMENTS = 'requirements.txt';

export const config = closedObject({
  root: rootSchema,
  vendorDir: vendorDirSchema,
  requirements: {
    ...pathSchema,
    default: DEFAULT_REQUIREMENTS,
    description:
      'Requirements file or lockfile (`pylock.toml`, `pylock.NAME.toml`), relative to the root. If there is no requirements.txt, the default is pylock.toml.',
  },
  testRequirements: {
    ...pathSchema,
    default: 'requirements-test.txt',
    description: 'Requirements file that `--test` also installs, if it exists. Relative to the root.',
  },
  index: indexSchema(
    'URL of the package index, without user and password (set those in PYFLOW_INDEX). Default: PYFLOW_INDEX, otherwise the default of pip.',
  ),
  installer: {
    type: 'string',
    enum: ['pip', 'uv'],
    default: 'pip',
    description:
      'The tool that installs the packages. `uv` needs the input `uv`. Wheels give the same layer with both tools, but uv does not support all options of pip.',
  },
});

export const inputs = intoPython(
  {
    pip: {
      type: 'string',
      format: 'tool-tree',
      'x-may-be-absent': true,
      'x-needed-when': { installer: 'pip' },
      description: 'The pip to install with.',
    },
    uv: {
      type: 'string',
      format: 'tool-tree',
      'x-may-be-absent': true,
      'x-needed-when': { installer: 'uv' },
      description: 'The uv to install with, if the installer is uv.',
    },
  },
  [],
);

export const manifest: PluginManifest = {
  kind: 'install-deps-pip',
  revision: 1,
  description:
    'Installs the packages of a requirements file or a pylock.toml into the Python of the slug, with pip or uv.',
  config,
  inputs,
  outputs: installedOutputs('The runtime with the packages.'),
  ...INSTALLER,
  reads: ['${config.root}/${config.requirements}', '${config.root}/pylock.toml'],
  expectedMs: 10_000,
};
