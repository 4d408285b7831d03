// `pyflow check`: every problem of pipeline files.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { complain, type Command } from './command.js';
import { printDiagnostics, printRefusal, statusOf } from './refusal.js';
import { PARAM_OPTION, runRequest } from './run-options.js';
import { pipelineFile } from './shipped-pipelines.js';

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
      const pipeline = pipelineFile(file, world);
      if (!pipeline.ok) return complain(world, pipeline.problem);
      const requested = runRequest(given, world, pipeline.file, signal);
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
      const warnings = checked.ok ? checked.value.warnings : [];
      if (warnings.length > 0) printDiagnostics(warnings, textOf(requested.request.pipelineFile), world);
      const errors = diagnostics.filter(({ severity }) => severity === 'error').length;
      if (checked.ok || errors > 0) world.stdout.write(`${file}: ${tell(errors, warnings.length)}\n`);
    }
    if (given.flag('json')) world.stdout.write(`${JSON.stringify(documents, undefined, 2)}\n`);
    return status;
  },
};

const tell = (errors: number, warnings: number): string =>
  (errors === 0 ? 'no problems' : `${errors} ${errors === 1 ? 'problem' : 'problems'}`) +
  (warnings === 0 ? '' : `, ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`);

/** For excerpts; a file that is gone by now has none. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
