// What the kind `first-of` declares: an alias for the one candidate that was not skipped.

import type { JSONSchema, PluginManifest } from '../../engine/sdk.js';

export const config = {
  type: 'object',
  properties: {},
  additionalProperties: false,
} as const satisfies JSONSchema;

export const inputs = {
  type: 'object',
  properties: {
    candidates: {
      type: 'array',
      items: {},
      minItems: 1,
      'x-may-be-absent': true,
      description: 'Outputs of one type; those of skipped nodes are left out.',
    },
  },
  additionalProperties: false,
} as const satisfies JSONSchema;

export const outputs = {
  type: 'object',
  properties: {
    tree: { 'x-type-of': 'candidates', description: 'The output of the candidate that was not skipped.' },
  },
  required: ['tree'],
  additionalProperties: false,
} as const satisfies JSONSchema;

export const manifest: PluginManifest = {
  kind: 'first-of',
  revision: 1,
  description: 'Stands for whichever of several nodes was not skipped.',
  config,
  inputs,
  outputs,
  writes: [],
  pure: true,
};
