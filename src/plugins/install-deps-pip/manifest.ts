// What the kind `install-deps-pip` declares: the packages of a requirements file, installed into the slug's Python.

import type { JSONSchema, PluginManifest } from '../../engine/sdk.js';
import { rootSchema } from '../shared/app/root.js';
import { installedOutputs } from '../shared/install/outputs.js';
import { vendorDirSchema } from '../shared/python/home.js';

const requirementsPath = {
  type: 'string',
  // Inside the root, and nothing that pip could take for an option.
  pattern: '^(?![-/])(?!(.*/)?\\.\\.(/|$)).+$',
} as const;

export const config = {
  type: 'object',
  properties: {
    root: rootSchema,
    vendorDir: vendorDirSchema,
    requirements: {
      ...requirementsPath,
      default: 'requirements.txt',
      description: 'Requirements file, relative to the root.',
    },
    testRequirements: {
      ...requirementsPath,
      default: 'requirements-test.txt',
      description: 'Installed as well under `--test`, when the file exists. Relative to the root.',
    },
    index: {
      type: 'string',
      pattern: '^(https?|file)://[^@\\s]+$',
      description:
        'URL of the package index, without user and password (those belong into PYFLOW_INDEX). Default: PYFLOW_INDEX, else the default of pip.',
    },
    installer: {
      type: 'string',
      enum: ['pip', 'uv'],
      default: 'pip',
      description:
        'What does the work. With `uv`, connect the input `uv`; wheels give the same layer, some options of pip are unknown to it.',
    },
  },
  additionalProperties: false,
} as const satisfies JSONSchema;

export const inputs = {
  type: 'object',
  properties: {
    runtime: { type: 'string', format: 'output-tree', description: 'The Python to install into.' },
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
  required: ['runtime'],
  additionalProperties: false,
} as const satisfies JSONSchema;

export const manifest: PluginManifest = {
  kind: 'install-deps-pip',
  revision: 1,
  description: 'Installs what a requirements file lists, with pip or uv, into the Python of the slug.',
  config,
  inputs,
  outputs: installedOutputs('The runtime with the packages.'),
  buildsCode: true,
  writes: ['${config.vendorDir}/python/**'],
  reads: ['${config.root}/${config.requirements}'],
  network: true,
  timeoutMs: 1_800_000,
  expectedMs: 10_000,
  buildDataDuration: 'dependencies_install_duration',
};
