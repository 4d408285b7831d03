// What the kind `detect` declares: is this a Python app?

import type { JSONSchema, PluginManifest } from '../../engine/sdk.js';
import { rootSchema } from '../shared/app/root.js';

export const config = {
  type: 'object',
  properties: { root: rootSchema },
  additionalProperties: false,
} as const satisfies JSONSchema;

export const inputs = {
  type: 'object',
  properties: {},
  additionalProperties: false,
} as const satisfies JSONSchema;

export const outputs = {
  type: 'object',
  properties: {
    markers: {
      type: 'array',
      items: { type: 'string' },
      description: 'The names found in the root that make the app a Python app, sorted.',
    },
  },
  required: ['markers'],
  additionalProperties: false,
} as const satisfies JSONSchema;

export const manifest: PluginManifest = {
  kind: 'detect',
  revision: 1,
  description: 'Passes when the root holds a file or folder that Python projects have.',
  config,
  inputs,
  outputs,
  writes: [],
  pure: true,
};
