// The manifest of the kind `nltk-data`: the corpora that an app with NLTK lists in nltk.txt.

import type { PluginManifest } from '../../engine/sdk.js';
import { closedObject, outputTree, rootSchema, vendorDirSchema } from '../shared/manifest/schemas.js';

export const PROFILE_SCRIPT = '.profile.d/python.nltk.sh';

export const config = closedObject({
  root: rootSchema,
  vendorDir: vendorDirSchema,
  index: {
    type: 'string',
    minLength: 1,
    description: 'URL of the index of corpora. Default: the setting PYFLOW_NLTK_INDEX, otherwise the index of NLTK.',
  },
});

export const inputs = closedObject({ tree: outputTree('The runtime with the dependencies of the app.') }, ['tree']);

export const outputs = closedObject(
  {
    status: {
      type: 'string',
      enum: ['enabled', 'skipped-no-nltk-file'],
      description: 'Whether corpora were downloaded. Absent if the app does not use NLTK.',
      'x-build-data': 'nltk_downloader',
      'x-build-data-failed': 'enabled',
    },
    tree: outputTree('The input tree, the corpora, and the profile script that tells the app where they are.'),
  },
  ['tree'],
);

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
