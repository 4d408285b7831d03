// The manifest of the kind `install-deps-uv`: the packages of a uv.lock, installed into the slug's Python.

import type { PluginManifest } from '../../engine/sdk.js';
import { installedOutputs, INSTALLER, intoPython, uvConfig } from '../shared/manifest/installer.js';
import { toolTree } from '../shared/manifest/schemas.js';

export const config = uvConfig;

export const inputs = intoPython({ uv: toolTree('The uv to install with.') }, ['uv']);

export const manifest: PluginManifest = {
  kind: 'install-deps-uv',
  revision: 1,
  description: 'Installs the packages of a uv.lock into the Python of the slug, with uv, but not the app itself.',
  config,
  inputs,
  outputs: installedOutputs('The runtime with the packages.'),
  ...INSTALLER,
  reads: ['${config.root}/pyproject.toml', '${config.root}/uv.lock'],
  expectedMs: 3000,
};
