// What the kind `nltk-data` declares: the corpora that an app with NLTK lists in nltk.txt.

import type { JSONSchema, PluginManifest } from '../../engine/sdk.js';
import { rootSchema } from '../shared/app/root.js';
import { vendorDirSchema } from '../shared/python/home.js';

export const PROFILE_SCRIPT = '.profile.d/python.nltk.sh';

export const config = {
  type: 'object',
  properties: {
    root: rootSchema,
    vendorDir: vendorDirSchema,
    index: {
      type: 'string',
      minLength: 1,
      description: 'URL of the list of corpora, instead of that of NLTK. Default: the setting PYFLOW_NLTK_INDEX.',
    },
  },
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
      enum: ['enabled', 'skipped-no-nltk-file'],
      description: 'Whether corpora were downloaded; absent when the app does not use NLTK.',
      'x-build-data': 'nltk_downloader',
      'x-build-data-failed': 'enabled',
    },
    tree: {
      type: 'string',
      format: 'output-tree',
      description: 'The input tree, the corpora, and the profile script that tells the app where they are.',
    },
  },
  required: ['tree'],
  additionalProperties: false,
} as const satisfies JSONSchema;

export const manifest: PluginManifest = {
  kind: 'nltk-data',
  revision: 1,
  description: 'Downloads the NLTK corpora that nltk.txt lists, for apps that have NLTK.',
  config,
  inputs,
  outputs,
  writes: ['${config.vendorDir}/python/nltk_data/**', PROFILE_SCRIPT],
  network: true,
  expectedMs: 3000,
  buildDataDuration: 'nltk_downloader_duration',
};
