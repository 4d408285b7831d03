// What the kind `django-collectstatic` declares: Django's static files, gathered into the slug.

import type { JSONSchema, PluginManifest } from '../../engine/sdk.js';
import { rootSchema } from '../shared/app/root.js';
import { vendorDirSchema } from '../shared/python/home.js';

export const config = {
  type: 'object',
  properties: { root: rootSchema, vendorDir: vendorDirSchema },
  additionalProperties: false,
} as const satisfies JSONSchema;

export const inputs = {
  type: 'object',
  properties: {
    tree: { type: 'string', format: 'output-tree', description: 'The runtime with the dependencies of the app.' },
  },
  required: ['tree'],
  additionalProperties: false,
} as const satisfies JSONSchema;

export const outputs = {
  type: 'object',
  properties: {
    status: {
      type: 'string',
      enum: ['enabled', 'disabled-file', 'disabled-env-var', 'skipped-no-manage-py'],
      description: 'Whether the files were collected, or why not; absent when the app does not use Django.',
      'x-build-data': 'django_collectstatic',
      'x-build-data-failed': 'enabled',
    },
    tree: {
      type: 'string',
      format: 'output-tree',
      description: 'The input tree and the collected files, wherever the settings of the app put them.',
    },
  },
  required: ['tree'],
  additionalProperties: false,
} as const satisfies JSONSchema;

export const manifest: PluginManifest = {
  kind: 'django-collectstatic',
  revision: 1,
  description: "Runs Django's collectstatic, for apps that have Django and a manage.py.",
  config,
  inputs,
  outputs,
  // Only the settings of the app know where the static root is.
  writes: ['**'],
  network: true,
  expectedMs: 1500,
  buildsCode: true,
  buildDataDuration: 'django_collectstatic_duration',
};
