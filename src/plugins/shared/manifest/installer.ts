// The common parts of the manifests of all kinds that install packages.

import { closedObject, outputTree, rootSchema, vendorDirSchema, versionsByName, type Properties } from './schemas.js';

/** The common fields of the manifest. */
export const INSTALLER = {
  buildsCode: true,
  installsPackages: true,
  writes: ['${config.vendorDir}/python/**'],
  network: true,
  timeoutMs: 1_800_000,
  buildDataDuration: 'dependencies_install_duration',
} as const;

/** The inputs of a kind that installs into a Python without packages of the app. `tools`: the tools that install. */
export const intoPython = <const P extends Properties, const R extends readonly (keyof P & string)[]>(
  tools: P,
  required: R,
) => closedObject({ runtime: outputTree('The Python to install into.'), ...tools }, ['runtime', ...required]);

/** The inputs of a kind that adds the project to a Python with its dependencies. */
export const ontoDependencies = <const P extends Properties, const R extends readonly (keyof P & string)[]>(
  tools: P,
  required: R,
) =>
  closedObject(
    {
      dependencies: outputTree('The Python with the dependencies of the project.'),
      packages: versionsByName('The packages in `dependencies`: normalized name to version.'),
      ...tools,
    },
    ['dependencies', 'packages', ...required],
  );

/** The outputs, which are the same so that each of these kinds can feed the same nodes. `tree`: description of the tree. */
export const installedOutputs = (tree: string) =>
  closedObject(
    { tree: outputTree(tree), packages: versionsByName('Installed packages: normalized name to version.') },
    ['tree', 'packages'],
  );

/** The additional dependency groups to install. */
export const groupsSchema = {
  type: 'array',
  items: { type: 'string', pattern: '^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$' },
  description:
    'Additional dependency groups of the project to install. Without `--test`, a build installs no groups by default.',
} as const;

export const indexSchema = (description: string) =>
  ({ type: 'string', pattern: '^(https?|file)://[^@\\s]+$', description }) as const;

/** The config of kinds that install from a uv.lock. */
export const uvConfig = closedObject({
  vendorDir: vendorDirSchema,
  root: rootSchema,
  index: indexSchema(
    'URL of the package index that replaces the default one, without user and password (set those in PYFLOW_INDEX). Default: PYFLOW_INDEX, otherwise the indexes of the project.',
  ),
  groups: groupsSchema,
});
