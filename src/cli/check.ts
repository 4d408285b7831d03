// `pyflow check`: every problem of pipeline files.

import { resolve } from 'node:path';
import { complain, type Command } from './command.js';
import { printRefusal, statusOf } from './refusal.js';
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
      const diagnostics = !checked.ok && checked.failure.type === 'diagnostics' ? checked.failure.diagnostics : [];
      if (given.flag('json')) {
        documents.push({
          file: resolve(world.cwd, file),
          diagnostics,
          warnings: checked.ok ? checked.value.warnings : [],
          ...(checked.ok || checked.failure.type === 'diagnostics' ? {} : { failure: checked.failure.failure }),
        });
      }
      if (!checked.ok) {
        const own = given.flag('json') ? statusOf(checked.failure) : printRefusal(checked.failure, world);
        status = Math.max(status, own);
      }
      if (given.flag('json')) continue;
      if (checked.ok)
        for (const warning of checked.value.warnings) world.stderr.write(`${file}: warning: ${warning}\n`);
      const errors = diagnostics.filter(({ severity }) => severity === 'error').length;
      if (checked.ok || errors > 0) world.stdout.write(`${file}: ${tell(errors)}\n`);
    }
    if (given.flag('json')) world.stdout.write(`${JSON.stringify(documents, undefined, 2)}\n`);
    return status;
  },
};

const tell = (errors: number): string =>
  errors === 0 ? 'no problems' : `${errors} ${errors === 1 ? 'problem' : 'problems'}`;
