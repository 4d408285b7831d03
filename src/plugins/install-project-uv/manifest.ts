// The manifest of the kind `install-project-uv`: the packages inside an app locked by uv, installed into the slug's Python.

import type { PluginManifest } from '../../engine/sdk.js';
import { installedOutputs, INSTALLER, ontoDependencies, uvConfig } from '../shared/manifest/installer.js';
import { toolTree } from '../shared/manifest/schemas.js';

export const config = uvConfig;

export const inputs = ontoDependencies({ uv: toolTree('The uv to install with.') }, ['uv']);

export const manifest: PluginManifest = {
  kind: 'install-project-uv',
  revision: 1,
  description:
    'Installs the app itself and other packages inside it, with uv. Does nothing if the app is not a package.',
  config,
  inputs,
  outputs: installedOutputs('The Python with the dependencies and the app itself.'),
  ...INSTALLER,
  expectedMs: 3000,
};
