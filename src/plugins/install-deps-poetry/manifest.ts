// What the kind `install-deps-poetry` declares: the packages of poetry.lock, installed into the slug's Python.

import type { PluginManifest } from '../../engine/sdk.js';
import { groupsSchema, installedOutputs, INSTALLER, intoPython } from '../shared/manifest/installer.js';
import { closedObject, rootSchema, toolTree, vendorDirSchema } from '../shared/manifest/schemas.js';

export const config = closedObject({ vendorDir: vendorDirSchema, root: rootSchema, groups: groupsSchema });

export const inputs = intoPython({ poetry: toolTree('The Poetry to install with.') }, ['poetry']);

export const manifest: PluginManifest = {
  kind: 'install-deps-poetry',
  revision: 1,
  description:
    'Installs what poetry.lock lists, with Poetry, into the Python of the slug; not the project itself. No variable of the app reaches Poetry: passwords of other indexes are given by `secrets` of the node.',
  config,
  inputs,
  outputs: installedOutputs('The runtime with the packages.'),
  ...INSTALLER,
  reads: ['${config.root}/pyproject.toml', '${config.root}/poetry.lock'],
  expectedMs: 10_000,
};
