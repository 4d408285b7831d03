// The manifest of the kind `hook`: a script of the app that runs at one point of the build.

import type { PluginManifest } from '../../engine/sdk.js';
import { closedObject, outputTree, rootSchema, vendorDirSchema } from '../shared/manifest/schemas.js';

export const config = closedObject(
  {
    root: rootSchema,
    script: { type: 'string', minLength: 1, description: 'The script, relative to the root, e.g. bin/post_compile.' },
    vendorDir: vendorDirSchema,
  },
  ['script'],
);

export const inputs = closedObject({
  tree: {
    type: 'string',
    format: 'output-tree',
    'x-may-be-absent': true,
    description: 'A tree that the script sees completely and may change, for example the dependencies.',
  },
  manager: {
    type: 'string',
    'x-may-be-absent': true,
    description: 'The package manager of the app. The script gets the variables for it.',
  },
  poetry: {
    type: 'string',
    format: 'tool-tree',
    'x-may-be-absent': true,
    description: 'The Poetry that the script finds if that is the manager.',
  },
  uv: {
    type: 'string',
    format: 'tool-tree',
    'x-may-be-absent': true,
    description: 'The uv that the script finds if that is the manager.',
  },
});

export const outputs = closedObject(
  {
    ran: {
      type: 'boolean',
      description: 'False if the app has no such script.',
      'x-build-data': '${config.script:file}_hook',
      'x-build-data-failed': true,
    },
    tree: outputTree('The input tree with the changes of the script.'),
  },
  ['ran', 'tree'],
);

export const manifest: PluginManifest = {
  kind: 'hook',
  revision: 1,
  description: 'Runs a script of the app in every build, in the root and with all variables of the app.',
  config,
  inputs,
  outputs,
  // A script may change anything, so every node that writes needs an order before or after it.
  buildsCode: true,
  usesBuilder: true,
  writes: ['**'],
  reads: ['${config.root}/${config.script}'],
  network: true,
  sideEffects: true,
  buildDataDuration: '${config.script:file}_hook_duration',
};
