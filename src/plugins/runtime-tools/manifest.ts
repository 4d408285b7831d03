// What the kind `runtime-tools` declares: package managers put into the slug itself, for apps that call them at run time.

import type { PluginManifest } from '../../engine/sdk.js';
import { closedObject, outputTree, vendorDirSchema } from '../shared/manifest/schemas.js';

export const config = closedObject({
  enabled: {
    type: 'boolean',
    default: true,
    description: 'Otherwise the tree stays as it is, and slugs are smaller.',
  },
  vendorDir: vendorDirSchema,
});

const tool = (description: string) =>
  ({ type: 'string', format: 'tool-tree', 'x-may-be-absent': true, description }) as const;

export const inputs = closedObject(
  {
    runtime: outputTree('The Python to add them to.'),
    pip: tool('pip, put among the packages of the Python.'),
    setuptools: tool('setuptools, put among the packages of the Python.'),
    pipenv: tool('Pipenv, put beside the Python with a command of its own, apart from the packages of the app.'),
  },
  ['runtime'],
);

export const outputs = closedObject({ tree: outputTree('The runtime with the tools that were given.') }, ['tree']);

export const manifest: PluginManifest = {
  kind: 'runtime-tools',
  revision: 1,
  description: 'Puts pip, setuptools and Pipenv into the Python of the slug, from the tools that the build uses.',
  config,
  inputs,
  outputs,
  writes: ['${config.vendorDir}/python/**'],
  timeoutMs: 120_000,
  expectedMs: 1000,
  buildDataDuration: 'package_manager_install_duration',
};
