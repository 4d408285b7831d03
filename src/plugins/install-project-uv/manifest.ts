// What the kind `install-project-uv` declares: the packages that lie in an app locked by uv, installed into the slug's Python.

import type { PluginManifest } from '../../engine/sdk.js';
import {
  closedObject,
  outputTree,
  rootSchema,
  toolTree,
  vendorDirSchema,
  versionsByName,
} from '../shared/manifest/schemas.js';
import { groupsSchema, INSTALLER, installedOutputs, uvIndexSchema } from '../shared/manifest/installer.js';

export const config = closedObject({
  vendorDir: vendorDirSchema,
  root: rootSchema,
  index: uvIndexSchema,
  groups: groupsSchema,
});

export const inputs = closedObject(
  {
    dependencies: outputTree('The Python with the dependencies, of `install-deps-uv`.'),
    packages: versionsByName(
      'What `install-deps-uv` installed, so that nothing has to be looked at when the app is no package.',
    ),
    uv: toolTree('The uv to install with.'),
  },
  ['dependencies', 'packages', 'uv'],
);

export const manifest: PluginManifest = {
  kind: 'install-project-uv',
  revision: 1,
  description:
    'Installs the app itself, and other packages that lie in it, with uv; nothing when the app is no package.',
  config,
  inputs,
  outputs: installedOutputs('The Python with the dependencies and the app itself.'),
  ...INSTALLER,
  expectedMs: 3000,
};
