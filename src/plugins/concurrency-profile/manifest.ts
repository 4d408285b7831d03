// What the kind `concurrency-profile` declares: the number of web processes, decided when the app boots.

import type { JSONSchema, PluginManifest } from '../../engine/sdk.js';

export const PROFILE_SCRIPT = '.profile.d/WEB_CONCURRENCY.sh';

export const config = {
  type: 'object',
  properties: {
    setBy: {
      type: 'string',
      pattern: '^[A-Za-z0-9._/-]+$',
      default: 'scalingo/python',
      description: 'Value of WEB_CONCURRENCY_SET_BY, by which others tell who chose the number.',
    },
  },
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
    tree: { type: 'string', format: 'output-tree', description: 'The profile script.' },
  },
  required: ['tree'],
  additionalProperties: false,
} as const satisfies JSONSchema;

export const manifest: PluginManifest = {
  kind: 'concurrency-profile',
  revision: 1,
  description: 'Writes a profile script that sets WEB_CONCURRENCY from the memory and cores of the container.',
  config,
  inputs,
  outputs,
  writes: [PROFILE_SCRIPT],
  expectedMs: 5,
};
