// `pyflow why`: why a node ran, was restored or missed.

import { complain, type Command } from './command.js';
import { APP_OPTIONS, appOf } from './run-options.js';

export const command: Command = {
  name: 'why',
  operands: 'NODE',
  minOperands: 1,
  maxOperands: 1,
  summary: 'Say why a node ran, was restored or missed: the inputs that changed',
  options: [
    ...APP_OPTIONS,
    { name: 'against', value: 'RUN', summary: 'Compare with this run instead of the one before' },
    { name: 'json', summary: 'Print JSON' },
  ],
  examples: ['pyflow why dependencies --app ../shop'],
  run: async (given, world) => {
    const place = appOf(given, world);
    if (!place.ok) return complain(world, place.problem);
    return 0;
  },
};
