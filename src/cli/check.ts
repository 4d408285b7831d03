// `pyflow check`: every problem of pipeline files.

import { resolve } from 'node:path';
import { complain, type Command } from './command.js';
import { printFailure } from './refusal.js';
import { PARAM_OPTION, runRequest } from './run-options.js';

export const command: Command = {
  name: 'check',
  operands: 'PIPELINE...',
  minOperands: 1,
  maxOperands: Number.POSITIVE_INFINITY,
  summary: 'Show every problem of pipeline files, with place, excerpt and remedy',
  details:
    'Checks syntax, schema, kinds, ports, types of edges and guards, cycles and conflicting writes. Runs nothing.',
  options: [PARAM_OPTION, { name: 'json', summary: 'Print the diagnostics as JSON' }],
  examples: ['pyflow check pipelines/*.yml'],
  run: async (given, world) => {
    const { signal } = world.onInterrupt();
    let status = 0;
    const documents: unknown[] = [];
    for (const file of given.operands) {
      const requested = runRequest(given, world, file, signal);
      if (!requested.ok) return complain(world, requested.problem);
      const checked = await world.engine.check(requested.request);
      if (!checked.ok) {
        status = Math.max(status, printFailure(checked.failure, world));
        continue;
      }
      const { diagnostics, text } = checked.outcome;
      const errors = diagnostics.filter(({ severity }) => severity === 'error').length;
      if (errors > 0) status = Math.max(status, 2);
      if (given.flag('json')) documents.push({ file: resolve(world.cwd, file), diagnostics });
      else if (text !== '') world.stderr.write(text.endsWith('\n') ? text : `${text}\n`);
      if (!given.flag('json')) world.stdout.write(`${file}: ${tell(errors, diagnostics.length - errors)}\n`);
    }
    if (given.flag('json')) world.stdout.write(`${JSON.stringify(documents, undefined, 2)}\n`);
    return status;
  },
};

function tell(errors: number, warnings: number): string {
  const told = [
    ...(errors > 0 ? [`${errors} ${errors === 1 ? 'problem' : 'problems'}`] : []),
    ...(warnings > 0 ? [`${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`] : []),
  ];
  return told.length === 0 ? 'no problems' : told.join(', ');
}
