// The manifest of the kind `install-deps-pipenv`: the packages of a Pipfile.lock, installed into the slug's Python.

import type { PluginManifest } from '../../engine/sdk.js';
import { indexSchema, installedOutputs, INSTALLER, intoPython } from '../shared/manifest/installer.js';
import { closedObject, rootSchema, toolTree, vendorDirSchema } from '../shared/manifest/schemas.js';

export const config = closedObject({
  vendorDir: vendorDirSchema,
  root: rootSchema,
  index: indexSchema(
    'URL of the package index that replaces the public one in the Pipfile, without user and password (set those in PYFLOW_INDEX). Other indexes of the Pipfile stay. Default: PYFLOW_INDEX, otherwise the index in the Pipfile.',
  ),
});

export const inputs = intoPython({ pipenv: toolTree('The Pipenv to install with.') }, ['pipenv']);

export const manifest: PluginManifest = {
  kind: 'install-deps-pipenv',
  revision: 1,
  description:
    'Installs the packages of Pipfile.lock into the Python of the slug, with Pipenv. `--test` adds the dev packages.',
  config,
  inputs,
  outputs: installedOutputs('The runtime with the packages.'),
  ...INSTALLER,
  reads: ['${config.root}/Pipfile', '${config.root}/Pipfile.lock'],
  expectedMs: 10_000,
};
