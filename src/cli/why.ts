// `pyflow why`: shows why a node ran or was restored.

import type { Explanation } from '../engine/inspect/why.js';
import { formatFailure, formatFinish, formatOutcome } from '../engine/render/messages.js';
import { reasonLines } from '../engine/render/reasons.js';
import { formatUnshared } from '../engine/render/unshared.js';
import { complain, type Command } from './command.js';
import { printJSON } from './print-json.js';
import { printFailure } from './refusal.js';
import { APP_OPTIONS, appOf } from './run-options.js';

export const command: Command = {
  name: 'why',
  operands: 'NODE',
  minOperands: 1,
  maxOperands: 1,
  summary: 'Show why a node ran or was restored: which of its inputs changed',
  options: [
    ...APP_OPTIONS,
    { name: 'against', value: 'RUN', summary: 'Compare with this run instead of the previous one' },
    { name: 'json', summary: 'Print JSON' },
  ],
  examples: ['pyflow why dependencies --app ../shop'],
  run: async (given, world) => {
    const place = appOf(given, world);
    if (!place.ok) return complain(world, place.failure);
    const explained = await world.engine.why(place.value, given.operands[0] ?? '', given.value('against'));
    if (!explained.ok) return printFailure(explained.failure, world);
    if (given.flag('json')) printJSON(explained.value, world);
    else world.stdout.write(explanationText(explained.value));
    return 0;
  },
};

function explanationText({ node, runId, report, against, reasons }: Explanation): string {
  const finish = formatFinish({ ...report, reasons: [] });
  return `${[
    `${node} (${report.kind}): ${formatOutcome(report.outcome)}${finish === '' ? '' : ` ${finish}`} in run ${runId}`,
    ...(against === undefined ? [] : [`compared with run ${against}:`]),
    ...(reasons.length > 0 ? reasonLines(reasons).map((line) => `  ${line}`) : ['  no input differs']),
    ...(report.unshared === undefined ? [] : [`not shared, because ${formatUnshared(report.unshared)}`]),
    ...(report.failure === undefined ? [] : formatFailure(report.failure)),
  ].join('\n')}\n`;
}
