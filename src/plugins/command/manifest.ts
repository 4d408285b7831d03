// The manifest of the kind `command`: any program as a node, with the same keys and sandbox as every other kind.

import type { PluginManifest } from '../../engine/sdk.js';
import { closedObject, outputTree } from '../shared/manifest/schemas.js';

/** A relative path or pattern without `..`: the node neither sees nor keeps anything outside the app. */
const INSIDE = '^(?!/)(?!(?:.*/)?\\.\\.(?:/|$))';

export const config = closedObject(
  {
    argv: {
      type: 'array',
      items: { type: 'string' },
      minItems: 1,
      description: 'The program and its arguments. pyflow starts no shell; name one (`[sh, -c, ...]`) if you need it.',
    },
    reads: {
      type: 'array',
      items: { type: 'string', minLength: 1, pattern: INSIDE },
      default: [],
      description:
        'Patterns of the files that the program sees, relative to the app. Their content is part of the key.',
    },
    writes: {
      type: 'array',
      items: { type: 'string', minLength: 1, pattern: INSIDE },
      default: [],
      description:
        'Patterns of the files that the program may write, relative to the app. Writing anything else fails the node.',
    },
    exists: {
      type: 'array',
      items: { type: 'string', minLength: 1, pattern: INSIDE },
      description: 'Paths of which only the presence matters to the program.',
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
      description: 'Names of the app variables that the program gets. Their values are part of the key.',
    },
    capture: {
      type: 'boolean',
      description: 'Return the standard output of the program as the value `stdout`.',
    },
  },
  ['argv'],
);

export const inputs = closedObject({
  tree: {
    type: 'string',
    format: 'output-tree',
    'x-may-be-absent': true,
    description: 'A tree that the program sees completely, for example the dependencies.',
  },
});

export const outputs = closedObject(
  {
    tree: outputTree('The input tree and the files that the program wrote.'),
    stdout: {
      type: 'string',
      description:
        'With `capture`, the end of the standard output: at most 64 KiB, without trailing blanks. Otherwise empty.',
    },
  },
  ['tree', 'stdout'],
);

export const manifest: PluginManifest = {
  kind: 'command',
  revision: 1,
  description: 'Runs any program on declared files and keeps the files that it writes.',
  config,
  inputs,
  outputs,
  usesBuilder: true,
  writes: ['${config.writes}'],
  reads: ['${config.reads}', '${config.exists}'],
};
