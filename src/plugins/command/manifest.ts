// What the kind `command` declares: any program as a node, with the same keys and sandbox as every other kind.

import type { PluginManifest } from '../../engine/sdk.js';
import { closedObject, outputTree } from '../shared/manifest/schemas.js';

/** A relative path or pattern without a step up: what lies outside the app is neither seen nor kept. */
const INSIDE = '^(?!/)(?!(?:.*/)?\\.\\.(?:/|$))';

export const config = closedObject(
  {
    argv: {
      type: 'array',
      items: { type: 'string' },
      minItems: 1,
      description:
        'The program and its arguments. No shell is involved: name one (`[sh, -c, ...]`) where it is wanted.',
    },
    reads: {
      type: 'array',
      items: { type: 'string', minLength: 1, pattern: INSIDE },
      default: [],
      description: 'Patterns of files the program sees, relative to the app; their content is part of the key.',
    },
    writes: {
      type: 'array',
      items: { type: 'string', minLength: 1, pattern: INSIDE },
      default: [],
      description: 'Patterns of files the program may write, relative to the app. Writing elsewhere fails the node.',
    },
    exists: {
      type: 'array',
      items: { type: 'string', minLength: 1, pattern: INSIDE },
      description: 'Paths whose presence alone matters to the program.',
    },
    cwd: {
      type: 'string',
      minLength: 1,
      pattern: INSIDE,
      description: 'Working directory, relative to the app. Default: the app.',
    },
    appEnv: {
      type: 'array',
      items: { type: 'string', minLength: 1 },
      description: 'Names of the app variables that the program gets; their values are part of the key.',
    },
    capture: {
      type: 'boolean',
      description: 'Give what the program printed on standard output as the value `stdout`.',
    },
  },
  ['argv'],
);

export const inputs = closedObject({
  tree: {
    type: 'string',
    format: 'output-tree',
    'x-may-be-absent': true,
    description: 'A tree the program sees whole, for example that of the dependencies.',
  },
});

export const outputs = closedObject(
  {
    tree: outputTree('The input tree and what the program wrote.'),
    stdout: {
      type: 'string',
      description: 'With `capture`: the end of standard output, at most 64 KiB, without trailing blanks. Else empty.',
    },
  },
  ['tree', 'stdout'],
);

export const manifest: PluginManifest = {
  kind: 'command',
  revision: 1,
  description: 'Runs any program on declared files and keeps what it writes.',
  config,
  inputs,
  outputs,
  writes: ['${config.writes}'],
  reads: ['${config.reads}', '${config.exists}'],
};
