// What the kind `install-project-poetry` declares: the app itself, installed as the package that it is.

import type { PluginManifest } from '../../engine/sdk.js';
import {
  closedObject,
  outputTree,
  rootSchema,
  toolTree,
  vendorDirSchema,
  versionsByName,
} from '../shared/manifest/schemas.js';
import { INSTALLER, installedOutputs } from '../shared/manifest/installer.js';

export const config = closedObject({ vendorDir: vendorDirSchema, root: rootSchema });

export const inputs = closedObject(
  {
    dependencies: outputTree('The Python with the packages it needs.'),
    packages: versionsByName('The packages in `dependencies`: normalized name to version.'),
    poetry: toolTree('The Poetry to install with.'),
  },
  ['dependencies', 'packages', 'poetry'],
);

export const manifest: PluginManifest = {
  kind: 'install-project-poetry',
  revision: 1,
  description:
    'Installs the project itself with Poetry, editable, so that its packages can be imported and its commands run. Does nothing for a project with `package-mode = false`.',
  config,
  inputs,
  outputs: installedOutputs('`dependencies` with the project.'),
  ...INSTALLER,
  timeoutMs: 600_000,
  expectedMs: 2000,
};
