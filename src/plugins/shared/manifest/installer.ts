// What the manifests of all kinds that install packages have in common.

import { closedObject, outputTree, versionsByName } from './schemas.js';

/** The fields of the manifest itself; a kind adds its own. */
export const INSTALLER = {
  buildsCode: true,
  writes: ['${config.vendorDir}/python/**'],
  network: true,
  timeoutMs: 1_800_000,
  buildDataDuration: 'dependencies_install_duration',
} as const;

/** The outputs, so that any of these kinds can feed the same nodes. `tree`: what its tree holds, as a sentence. */
export const installedOutputs = (tree: string) =>
  closedObject(
    { tree: outputTree(tree), packages: versionsByName('Installed packages: normalized name to version.') },
    ['tree', 'packages'],
  );

/** The dependency groups that are installed besides what every build gets. */
export const groupsSchema = {
  type: 'array',
  items: { type: 'string', pattern: '^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$' },
  description: 'Dependency groups of the project to install as well. Without `--test` a build installs none by itself.',
} as const;

export const indexSchema = (description: string) =>
  ({ type: 'string', pattern: '^(https?|file)://[^@\\s]+$', description }) as const;

/** For kinds that install with uv. */
export const uvIndexSchema = indexSchema(
  'URL of the package index that stands in for the default one, without user and password (those belong into PYFLOW_INDEX). Default: PYFLOW_INDEX, else the indexes of the project.',
);
