// The manifest of the kind `django-collectstatic`: Django's static files, collected into the slug.

import type { PluginManifest } from '../../engine/sdk.js';
import { closedObject, outputTree, rootSchema, vendorDirSchema } from '../shared/manifest/schemas.js';

export const config = closedObject({ root: rootSchema, vendorDir: vendorDirSchema });

export const inputs = closedObject({ tree: outputTree('The runtime with the dependencies of the app.') }, ['tree']);

export const outputs = closedObject(
  {
    status: {
      type: 'string',
      enum: ['enabled', 'disabled-file', 'disabled-env-var', 'skipped-no-manage-py'],
      description: 'Whether the files were collected, or why not. Absent if the app does not use Django.',
      'x-build-data': 'django_collectstatic',
      'x-build-data-failed': 'enabled',
    },
    tree: outputTree('The input tree and the collected files, in the folder that the settings of the app name.'),
  },
  ['tree'],
);

export const manifest: PluginManifest = {
  kind: 'django-collectstatic',
  revision: 1,
  description: "Runs Django's collectstatic for apps that have Django and a manage.py.",
  config,
  inputs,
  outputs,
  // Only the settings of the app know where the static root is.
  writes: ['**'],
  network: true,
  expectedMs: 1500,
  buildsCode: true,
  usesBuilder: true,
  buildDataDuration: 'django_collectstatic_duration',
};
