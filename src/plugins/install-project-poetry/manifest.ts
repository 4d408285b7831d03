// The manifest of the kind `install-project-poetry`: the app itself, installed as a package.

import type { PluginManifest } from '../../engine/sdk.js';
import { installedOutputs, INSTALLER, ontoDependencies } from '../shared/manifest/installer.js';
import { closedObject, rootSchema, toolTree, vendorDirSchema } from '../shared/manifest/schemas.js';

export const config = closedObject({ vendorDir: vendorDirSchema, root: rootSchema });

export const inputs = ontoDependencies({ poetry: toolTree('The Poetry to install with.') }, ['poetry']);

export const manifest: PluginManifest = {
  kind: 'install-project-poetry',
  revision: 1,
  description:
    'Installs the project itself as an editable package, with Poetry, so that the app can import its packages and run its commands. Does nothing for a project with `package-mode = false`.',
  config,
  inputs,
  outputs: installedOutputs('The Python with the dependencies and the project.'),
  ...INSTALLER,
  timeoutMs: 600_000,
  expectedMs: 2000,
};
