// The manifest of the kind `fetch-runtime`: a Python of a resolved version, put into the slug.

import type { PluginManifest } from '../../engine/sdk.js';
import { providersSchema } from '../shared/archives/provider-list.js';
import { closedObject, outputTree, vendorDirSchema } from '../shared/manifest/schemas.js';

export const config = closedObject({
  vendorDir: vendorDirSchema,
  providers: providersSchema,
  stack: {
    type: 'string',
    minLength: 1,
    description: 'The base image that the app will run on, e.g. scalingo-24. The provider `scalingo` needs it.',
  },
});

export const inputs = closedObject(
  {
    python: {
      type: 'object',
      properties: {
        version: { type: 'string', pattern: '^\\d+\\.\\d+\\.\\d+$', description: 'The resolved version, X.Y.Z.' },
        minor: { type: 'string', pattern: '^\\d+\\.\\d+$', description: 'Its X.Y.' },
        exact: { type: 'boolean', description: 'Whether the app asked for exactly this patch.' },
      },
      required: ['version', 'minor', 'exact'],
      additionalProperties: false,
      description: 'The version to install.',
    },
  },
  ['python'],
);

export const outputs = closedObject(
  {
    tree: outputTree('The runtime, at VENDOR_DIR/python.'),
    version: {
      type: 'string',
      pattern: '^\\d+\\.\\d+\\.\\d+$',
      description: 'The installed version, X.Y.Z. A fallback may install another patch than the resolved one.',
      'x-build-data': 'python_version',
    },
    minor: {
      type: 'string',
      pattern: '^\\d+\\.\\d+$',
      description: 'Its X.Y.',
      'x-build-data': 'python_version_major',
    },
    provider: { type: 'string', description: 'The provider that it came from.' },
  },
  ['tree', 'version', 'minor', 'provider'],
);

export const manifest: PluginManifest = {
  kind: 'fetch-runtime',
  revision: 1,
  description: 'Installs a CPython runtime below the vendor folder, in a form that is the same for every provider.',
  config,
  inputs,
  outputs,
  writes: ['${config.vendorDir}/python/**'],
  network: true,
  timeoutMs: 900_000,
  expectedMs: 15_000,
  buildDataDuration: 'python_install_duration',
};
