// What the kind `install-deps-uv` declares: the packages of a uv.lock, installed into the slug's Python.

import type { PluginManifest } from '../../engine/sdk.js';
import { closedObject, outputTree, rootSchema, toolTree, vendorDirSchema } from '../shared/manifest/schemas.js';
import { groupsSchema, INSTALLER, installedOutputs, uvIndexSchema } from '../shared/manifest/installer.js';

export const config = closedObject({
  vendorDir: vendorDirSchema,
  root: rootSchema,
  index: uvIndexSchema,
  groups: groupsSchema,
});

export const inputs = closedObject(
  { runtime: outputTree('The Python to install into.'), uv: toolTree('The uv to install with.') },
  ['runtime', 'uv'],
);

export const manifest: PluginManifest = {
  kind: 'install-deps-uv',
  revision: 1,
  description: 'Installs what a uv.lock lists, except the app itself, with uv, into the Python of the slug.',
  config,
  inputs,
  outputs: installedOutputs('The runtime with the packages.'),
  ...INSTALLER,
  reads: ['${config.root}/pyproject.toml', '${config.root}/uv.lock'],
  expectedMs: 3000,
};
