// What every kind that installs dependencies gives, so that any of them can feed the same nodes.

import type { JSONSchema } from '../../engine/sdk.js';

export const installedOutputs = {
  type: 'object',
  properties: {
    tree: { type: 'string', format: 'output-tree', description: 'The runtime with the packages.' },
    packages: {
      type: 'object',
      additionalProperties: { type: 'string' },
      description: 'Installed packages: normalized name to version.',
    },
  },
  required: ['tree', 'packages'],
  additionalProperties: false,
} as const satisfies JSONSchema;
