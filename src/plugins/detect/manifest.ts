// The manifest of the kind `detect`: is this a Python app?

import type { PluginManifest } from '../../engine/sdk.js';
import { closedObject, rootSchema } from '../shared/manifest/schemas.js';

export const config = closedObject({ root: rootSchema });

export const inputs = closedObject({});

export const outputs = closedObject(
  {
    markers: {
      type: 'array',
      items: { type: 'string' },
      description: 'The names found in the root that make the app a Python app, sorted.',
    },
  },
  ['markers'],
);

export const manifest: PluginManifest = {
  kind: 'detect',
  revision: 1,
  description: 'Passes if the root has a file or folder that Python projects have.',
  config,
  inputs,
  outputs,
  writes: [],
  pure: true,
};
