// The manifest of the kind `install-deps-poetry`: the packages of poetry.lock, installed into the slug's Python.

import type { PluginManifest } from '../../engine/sdk.js';
import { groupsSchema, installedOutputs, INSTALLER, intoPython } from '../shared/manifest/installer.js';
import { closedObject, rootSchema, toolTree, vendorDirSchema } from '../shared/manifest/schemas.js';

export const config = closedObject({ vendorDir: vendorDirSchema, root: rootSchema, groups: groupsSchema });

export const inputs = intoPython({ poetry: toolTree('The Poetry to install with.') }, ['poetry']);

export const manifest: PluginManifest = {
  kind: 'install-deps-poetry',
  revision: 1,
  description:
    'Installs the packages of poetry.lock into the Python of the slug, with Poetry, but not the project itself. Poetry does not see the variables of the app. To pass it a password of another index, list the variable in `secrets` of the node.',
  config,
  inputs,
  outputs: installedOutputs('The runtime with the packages.'),
  ...INSTALLER,
  reads: ['${config.root}/pyproject.toml', '${config.root}/poetry.lock'],
  expectedMs: 10_000,
};
