// What the kind `install-deps-pipenv` declares: the packages of a Pipfile.lock, installed into the slug's Python.

import type { PluginManifest } from '../../engine/sdk.js';
import { indexSchema, installedOutputs, INSTALLER, intoPython } from '../shared/manifest/installer.js';
import { closedObject, rootSchema, toolTree, vendorDirSchema } from '../shared/manifest/schemas.js';

export const config = closedObject({
  vendorDir: vendorDirSchema,
  root: rootSchema,
  index: indexSchema(
    'URL of the package index that takes the place of the public one in the Pipfile, without user and password (those belong into PYFLOW_INDEX). Other indexes of the Pipfile stay. Default: PYFLOW_INDEX, else what the Pipfile says.',
  ),
});

export const inputs = intoPython({ pipenv: toolTree('The Pipenv to install with.') }, ['pipenv']);

export const manifest: PluginManifest = {
  kind: 'install-deps-pipenv',
  revision: 1,
  description:
    'Installs what Pipfile.lock settles, with Pipenv, into the Python of the slug; `--test` adds dev packages.',
  config,
  inputs,
  outputs: installedOutputs('The runtime with the packages.'),
  ...INSTALLER,
  reads: ['${config.root}/Pipfile', '${config.root}/Pipfile.lock'],
  expectedMs: 10_000,
};
