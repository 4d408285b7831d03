// The manifest of the kind `fetch-tool`: a package manager at its pinned version, as a tool tree.

import type { PluginManifest } from '../../engine/sdk.js';
import { closedObject, outputTree, toolTree, vendorDirSchema } from '../shared/manifest/schemas.js';

export const config = closedObject(
  {
    name: {
      type: 'string',
      enum: ['pip', 'pipenv', 'poetry', 'setuptools', 'uv'],
      description:
        'The tool to install. `setuptools` is installed only for minor versions of Python that include it in virtual environments. For other versions the tree is empty.',
    },
    version: {
      type: 'string',
      pattern: '^\\d+(\\.\\d+)*$',
      description: 'One of the versions that pyflow has digests for. Default: the pinned one.',
    },
    vendorDir: vendorDirSchema,
  },
  ['name'],
);

export const inputs = closedObject({ runtime: outputTree('The Python that installs and runs the tool.') }, ['runtime']);

export const outputs = closedObject(
  {
    tool: toolTree('The tool. It is never part of the slug.'),
    version: {
      type: 'string',
      description: 'Its version. Empty if the tree is empty.',
      'x-build-data': '${config.name}_version',
    },
  },
  ['tool', 'version'],
);

export const manifest: PluginManifest = {
  kind: 'fetch-tool',
  revision: 2,
  description:
    'Installs a pinned version of a package manager outside the slug, and checks the digests of it and its dependencies.',
  config,
  inputs,
  outputs,
  writes: [],
  network: true,
  installsPackages: true,
  timeoutMs: 300_000,
  expectedMs: 4000,
  buildDataDuration: 'package_manager_install_duration',
};
