// The manifest of the kind `concurrency-profile`: the number of web processes, decided when the app boots.

import type { PluginManifest } from '../../engine/sdk.js';
import { closedObject, outputTree } from '../shared/manifest/schemas.js';

export const PROFILE_SCRIPT = '.profile.d/WEB_CONCURRENCY.sh';

export const config = closedObject({
  setBy: {
    type: 'string',
    pattern: '^[A-Za-z0-9._/-]+$',
    default: 'scalingo/python',
    description: 'Value of WEB_CONCURRENCY_SET_BY, which tells other tools who chose the number.',
  },
});

export const inputs = closedObject({});

export const outputs = closedObject({ tree: outputTree('The profile script.') }, ['tree']);

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
