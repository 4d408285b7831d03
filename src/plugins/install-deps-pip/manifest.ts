// What the kind `install-deps-pip` declares: the packages of a requirements file, installed into the slug's Python.

import type { PluginManifest } from '../../engine/sdk.js';
import { indexSchema, installedOutputs, INSTALLER, intoPython } from '../shared/manifest/installer.js';
import { closedObject, pathSchema, rootSchema, vendorDirSchema } from '../shared/manifest/schemas.js';

export const config = closedObject({
  root: rootSchema,
  vendorDir: vendorDirSchema,
  requirements: {
    ...pathSchema,
    default: 'requirements.txt',
    description: 'Requirements file, relative to the root.',
  },
  testRequirements: {
    ...pathSchema,
    default: 'requirements-test.txt',
    description: 'Installed as well under `--test`, when the file exists. Relative to the root.',
  },
  index: indexSchema(
    'URL of the package index, without user and password (those belong into PYFLOW_INDEX). Default: PYFLOW_INDEX, else the default of pip.',
  ),
  installer: {
    type: 'string',
    enum: ['pip', 'uv'],
    default: 'pip',
    description:
      'What does the work. With `uv`, connect the input `uv`; wheels give the same layer, some options of pip are unknown to it.',
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
      description: 'The uv to install with, when the installer is uv.',
    },
  },
  [],
);

export const manifest: PluginManifest = {
  kind: 'install-deps-pip',
  revision: 1,
  description: 'Installs what a requirements file lists, with pip or uv, into the Python of the slug.',
  config,
  inputs,
  outputs: installedOutputs('The runtime with the packages.'),
  ...INSTALLER,
  reads: ['${config.root}/${config.requirements}'],
  expectedMs: 10_000,
};
