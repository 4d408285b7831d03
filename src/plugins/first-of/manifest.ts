// The manifest of the kind `first-of`: an alias for the one candidate that was not skipped.

import type { PluginManifest } from '../../engine/sdk.js';
import { closedObject } from '../shared/manifest/schemas.js';

export const config = closedObject({});

export const inputs = closedObject({
  candidates: {
    type: 'array',
    items: {},
    minItems: 1,
    'x-may-be-absent': true,
    description: 'Outputs of one type. Outputs of skipped nodes are left out.',
  },
});

export const outputs = closedObject(
  { tree: { 'x-type-of': 'candidates', description: 'The output of the candidate that was not skipped.' } },
  ['tree'],
);

export const manifest: PluginManifest = {
  kind: 'first-of',
  revision: 1,
  description: 'Stands for the one of several nodes that was not skipped.',
  config,
  inputs,
  outputs,
  writes: [],
  pure: true,
};
