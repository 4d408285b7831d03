// The manifest of the kind `install-sqlite`: SQLite for packages that compile against it, beside the slug's Python.

import type { PluginManifest } from '../../engine/sdk.js';
import {
  closedObject,
  outputTree,
  pathSchema,
  rootSchema,
  vendorDirSchema,
  versionsByName,
} from '../shared/manifest/schemas.js';

export const config = closedObject({
  mode: {
    type: 'string',
    enum: ['auto', 'on', 'off'],
    default: 'auto',
    description: '`auto` installs SQLite if a dependency of the app compiles against it.',
  },
  stack: {
    type: 'string',
    minLength: 1,
    description:
      'The base image that the app will run on, e.g. scalingo-24. SQLite comes from the release of the build machine, so the two must match. `host`, the default, stands for the build machine.',
  },
  requirements: {
    ...pathSchema,
    default: 'requirements.txt',
    description: 'For pip: the requirements file, relative to `root`.',
  },
  root: rootSchema,
  vendorDir: vendorDirSchema,
});

export const inputs = closedObject(
  {
    runtime: outputTree('The Python that SQLite is installed beside.'),
    manager: {
      type: 'string',
      description: 'Name of the package manager, which decides which file lists the dependencies.',
    },
  },
  ['runtime', 'manager'],
);

export const outputs = closedObject(
  {
    tree: outputTree('The runtime, and SQLite if it was installed.'),
    installed: { type: 'boolean', description: 'Whether SQLite was installed.' },
    version: { type: 'string', description: 'Version of SQLite, X.Y.Z. Empty if it was not installed.' },
    packages: versionsByName('The packages of the distribution that it comes from: name to version.'),
  },
  ['tree', 'installed', 'version', 'packages'],
);

export const manifest: PluginManifest = {
  kind: 'install-sqlite',
  revision: 1,
  description:
    "Installs SQLite's library, headers and command beside the slug's Python, from the packages of this machine's Debian or Ubuntu release.",
  config,
  inputs,
  outputs,
  writes: ['${config.vendorDir}/python/**'],
  network: true,
  timeoutMs: 300_000,
  expectedMs: 5000,
};
