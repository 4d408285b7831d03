// `pyflow verify`: builds an app again and shows what differs from its last run.

import { complain, type Command } from './command.js';
import { printJSON } from './print-json.js';
import { printRefusal } from './refusal.js';
import { runRequest, RUN_OPTIONS } from './run-options.js';

/** A whole build is compared, in a folder of its own. */
const OTHER = new Set(['out', 'force', 'only', 'until', 'refresh', 'keep-going', 'output']);
/** A remote cache would give the results that are to be checked. */
const isOfRemote = (name: string): boolean => name.startsWith('remote');

export const command: Command = {
  name: 'verify',
  operands: '[PIPELINE]',
  minOperands: 0,
  maxOperands: 1,
  summary: 'Build the app again and show which files differ from its last run, and why',
  details: [
    'Give the same options as for `pyflow run`. Packages come from the record that a run through the package gateway made; without one, from their indexes.',
    'The results in the cache and the slug stay as they are. The exit status is 1 if something differs, or could not be compared.',
  ],
  options: [
    ...RUN_OPTIONS.filter(({ name }) => !OTHER.has(name) && !isOfRemote(name)),
    { name: 'json', summary: 'Print JSON' },
  ],
  examples: ['pyflow run pipelines/python.yml --packages gateway', 'pyflow verify pipelines/python.yml'],
  run: async (given, world) => {
    const request = runRequest(given, world);
    if (!request.ok) return complain(world, request.failure);
    const verified = await world.engine.verify(request.value, { emit: () => undefined });
    if (!verified.ok) return printRefusal(verified.failure, world);
    if (given.flag('json')) printJSON({ schema: 'pyflow.verification/1', ...verified.value }, world);
    else {
      const { verificationText } = await import('../engine/render/verification.js');
      world.stdout.write(verificationText(verified.value));
    }
    return verified.value.nodes.every(({ result }) => result === 'same') ? 0 : 1;
  },
};
