// What every kind that installs packages gives, so that any of them can feed the same nodes.

import type { JSONSchema } from '../../../engine/sdk.js';

/** `tree`: what its tree is, as a sentence. */
export const installedOutputs = (tree: string): JSONSchema => ({
  type: 'object',
  properties: {
    tree: { type: 'string', format: 'output-tree', description: tree },
    packages: {
      type: 'object',
      additionalProperties: { type: 'string' },
      description: 'Installed packages: normalized name to version.',
    },
  },
  required: ['tree', 'packages'],
  additionalProperties: false,
});
