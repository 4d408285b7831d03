// The manifest of the kind `runtime-tools`: package managers in the slug, for apps that call them at run time.

import type { PluginManifest } from '../../engine/sdk.js';
import { closedObject, outputTree, vendorDirSchema } from '../shared/manifest/schemas.js';

export const config = closedObject({
  enabled: {
    type: 'boolean',
    default: true,
    description: 'If false, the tree stays unchanged, and slugs are smaller.',
  },
  vendorDir: vendorDirSchema,
});

const tool = (description: string) =>
  ({ type: 'string', format: 'tool-tree', 'x-may-be-absent': true, description }) as const;

export const inputs = closedObject(
  {
    runtime: outputTree('The Python that the tools are added to.'),
    pip: tool('pip, installed among the packages of the Python.'),
    setuptools: tool('setuptools, installed among the packages of the Python.'),
    pipenv: tool('Pipenv, installed beside the Python with its own command, separate from the packages of the app.'),
  },
  ['runtime'],
);

export const outputs = closedObject({ tree: outputTree('The runtime with the connected tools.') }, ['tree']);

export const manifest: PluginManifest = {
  kind: 'runtime-tools',
  revision: 1,
  description: 'Adds the pip, setuptools and Pipenv of the build to the Python of the slug.',
  config,
  inputs,
  outputs,
  writes: ['${config.vendorDir}/python/**'],
  timeoutMs: 120_000,
  expectedMs: 1000,
  buildDataDuration: 'package_manager_install_duration',
};
