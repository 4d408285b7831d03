// `pyflow catalogue`: what pyflow knows about the world, whether it is stale, and pinning the platform's archives.

import type { Command } from './command.js';
import { CACHE_DIR_OPTION } from './run-options.js';

/** Default of --max-age. */
const MAX_AGE_DAYS = 90;

export const command: Command = {
  name: 'catalogue',
  operands: 'ls | show NAME | check | pin URL|FILE',
  minOperands: 1,
  maxOperands: 2,
  summary: 'Show what pyflow knows of Pythons, stacks and tools, check it, or pin an archive',
  details: [
    '  ls            list the data files: how old they are and where they come from',
    '  show NAME     print one as it is',
    '  check         say what is stale, missing or without a digest; 2 is the exit status when something is',
    "  pin URL|FILE  fetch an archive of the platform's own Pythons, and keep its digest in a pin file: from then on the",
    '                provider `scalingo` may use it. See to it first that you trust where it comes from',
  ].join('\n'),
  options: [
    {
      name: 'pins',
      value: 'FILE',
      summary: 'With pin and check: the pin file (default: $PYFLOW_PINS); pin makes it when it is missing',
    },
    { name: 'sha256', value: 'HEX', summary: 'With pin: refuse the archive unless it has this digest' },
    { name: 'replace', summary: 'With pin: take the new digest of an archive that is pinned with another one' },
    {
      name: 'max-age',
      value: 'DAYS',
      summary: `With check: how old the data may be before they count as stale (default: ${MAX_AGE_DAYS})`,
    },
    CACHE_DIR_OPTION,
    { name: 'json', summary: 'Print JSON' },
  ],
  examples: [
    'pyflow catalogue check',
    'pyflow catalogue pin https://HOST/python-3.13.15-ubuntu-24.04-amd64.tar.zst --pins pins.json',
  ],
  run: async (given, world) => {
    const { run } = await import('./catalogue-verbs.js');
    return run(given, world, { options: command.options, maxAgeDays: MAX_AGE_DAYS });
  },
};
